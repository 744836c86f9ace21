"""Figures of an account's automation in a period: for the dashboard and its chart."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from sqlalchemy import func, literal, select, true, union_all
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.auditing.accounting import unaccounted
from app.business.automation.services.history.run_list import RunFilters, runs_page
from app.business.base import UtcDateTime
from app.business.billing.services import ledger
from app.business.periods import Period, last_days
from app.business.time_zones import start_of_day

RECENT = 10
Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Summary:
    """`success_rate`: completed of completed and failed, 0 to 1, None without any. `unaccounted`: should be 0."""

    active_rules: int
    runs: dict[str, int]
    success_rate: float | None
    credits_used: int
    recent: Sequence[ScheduledTask]
    unaccounted: int
    from_at: datetime
    to_at: datetime


@dataclass(frozen=True)
class Day:
    """Runs due on one local day by status, and the credits used."""

    on: date
    runs: dict[str, int]
    credits: int


def summary(session: Session, scope: Scope, period: Period, zone: str, now: datetime) -> Summary:
    """Figures of the runs due from the start of the period to `now`."""
    (runs,) = _runs_by_status(session, scope, [(period.start, _just_after(now))])
    ended = runs[Status.COMPLETED] + runs[Status.FAILED]
    return Summary(
        active_rules=_active_rules(session, scope),
        runs=runs,
        success_rate=runs[Status.COMPLETED] / ended if ended else None,
        credits_used=sum(ledger.used_by_day(session, scope.account_id, period.dates, zone)),
        recent=runs_page(session, scope, RunFilters(), None, RECENT, now).rows,
        unaccounted=unaccounted(session, scope.account_id, now),
        from_at=period.start,
        to_at=now,
    )


def days(session: Session, scope: Scope, since: datetime, now: datetime) -> list[Day]:
    """Every day in the account's zone from that of `since` to today, in two queries."""
    zone = session.get_one(Account, scope.account_id).timezone
    first, last = (at.astimezone(ZoneInfo(zone)).date() for at in (since, now))
    dates = last_days((last - first).days + 1, zone, now).dates
    starts = [start_of_day(on, zone) for on in dates]
    runs = _runs_by_status(session, scope, list(pairwise([*starts, _just_after(now)])))
    used = ledger.used_by_day(session, scope.account_id, dates, zone)
    return [Day(*figures) for figures in zip(dates, runs, used, strict=True)]


def _just_after(now: datetime) -> datetime:
    return now + datetime.resolution


def _active_rules(session: Session, scope: Scope) -> int:
    query = select(func.count()).where(
        scope.sees(AutomationRule),
        AutomationRule.is_active,
        AutomationRule.archived_at.is_(None),
    )
    return session.scalar(query) or 0


def _runs_by_status(session: Session, scope: Scope, spans: Sequence[Span]) -> list[dict[str, int]]:
    """For each period [from, to), the number of runs due by status: each count reads one range of an index."""
    asked = union_all(
        *(
            select(
                literal(number).label("number"),
                literal(start, UtcDateTime()).label("start_at"),
                literal(end, UtcDateTime()).label("end_at"),
            )
            for number, (start, end) in enumerate(spans)
        )
    ).subquery()
    words = union_all(*(select(literal(status.value).label("status")) for status in Status)).subquery()
    count = (
        select(func.count())
        .where(
            scope.sees(ScheduledTask),
            ScheduledTask.status == words.c.status,
            ScheduledTask.scheduled_at >= asked.c.start_at,
            ScheduledTask.scheduled_at < asked.c.end_at,
        )
        .correlate(asked, words)
        .scalar_subquery()
    )
    counts: list[dict[str, int]] = [{} for _ in spans]
    query = select(asked.c.number, words.c.status, count).select_from(asked.join(words, true()))
    for number, status, runs in session.execute(query):
        counts[number][status] = runs
    return counts
