"""Figures of an account's automation in a period."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import CompoundSelect, bindparam, func, literal, select, union_all
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.auditing.accounting import unaccounted
from app.business.automation.services.history.run_filters import RunFilters
from app.business.automation.services.history.run_list import runs_page
from app.business.automation.services.history.run_sums import ended_runs
from app.business.base import UtcDateTime
from app.business.billing.services import ledger
from app.business.kept_queries import kept_queries
from app.business.periods import Period
from app.business.plain_rows import plain_rows
from app.business.time_zones import start_of_day

RECENT = 10
KEPT = 64
"""Periods and scopes for which a process keeps the query."""


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


def summary(session: Session, scope: Scope, period: Period, zone: str, now: datetime) -> Summary:
    """Figures of the runs due from the start of the period to `now`."""
    runs = _runs_by_status(session, scope, period, zone, now)
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


def _active_rules(session: Session, scope: Scope) -> int:
    query = select(func.count()).where(
        scope.sees(AutomationRule),
        AutomationRule.is_active,
        AutomationRule.archived_at.is_(None),
    )
    return session.scalar(query) or 0


def _runs_by_status(
    session: Session, scope: Scope, period: Period, zone: str, now: datetime
) -> dict[str, int]:
    """The number of runs due in the period until `now`: ended ones from the daily sums, the others one by one."""
    counts = dict.fromkeys(map(str, Status), 0)
    for status, runs in plain_rows(session, _by_status(scope, tuple(period.dates), zone), {"now": now}):
        counts[status] += int(runs)
    return counts


@kept_queries(KEPT)
def _by_status(scope: Scope, dates: tuple[date, ...], zone: str) -> CompoundSelect[str, int]:
    """Kept for the day. Its parameter is the moment."""
    moment, period = bindparam("now", type_=UtcDateTime()), Period(dates, start_of_day(dates[0], zone))
    run, ended = ScheduledTask, ended_runs(scope, period, zone, moment).c
    is_due = (run.scheduled_at >= period.start, run.scheduled_at <= moment)
    # One by one: with a list of both, SQLite looks at all runs.
    unended = (
        select(literal(status.value), func.count()).where(scope.sees(run), run.status == status, *is_due)
        for status in (Status.PENDING, Status.RUNNING)
    )
    of_ended = select(ended.status, func.sum(ended.runs)).group_by(ended.status)
    return union_all(*unended, of_ended)
