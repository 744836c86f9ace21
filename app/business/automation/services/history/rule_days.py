"""What became of each rule's runs: by local day, and of the last ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from sqlalchemy import Select, bindparam, func, select, union_all
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import CLOSED, Reason, ScheduledTask, Status
from app.business.automation.services.history.run_sums import ended_runs_of_rules
from app.business.base import UtcDateTime
from app.business.periods import Period
from app.business.plain_rows import plain_rows
from app.business.time_zones import start_of_day

DAYS = 28
LATEST = 12
LISTS = 16
"""Lists of rules for which a process keeps the query."""


@dataclass(frozen=True)
class DayEnds:
    """How many runs of a rule that were due on one day ended how."""

    completed: int = 0
    failed: int = 0
    skipped: int = 0


@dataclass(frozen=True)
class End:
    """How one run ended; practised: it was skipped because its rule practises."""

    status: str
    practised: bool


def ends_by_day(
    session: Session, scope: Scope, rule_ids: Sequence[int], period: Period, zone: str, now: datetime
) -> dict[int, dict[date, DayEnds]]:
    """Rule -> day -> the ends of its runs. One query of the daily sums."""
    counted = _by_day(scope, tuple(rule_ids), tuple(period.dates), zone)
    counts: dict[int, dict[date, dict[str, int]]] = {}
    for rule_id, on, status, number in plain_rows(session, counted, {"now": now}):
        counts.setdefault(rule_id, {}).setdefault(on, {})[status] = int(number)
    return {
        rule_id: {on: DayEnds(**{str(status): n for status, n in ends.items()}) for on, ends in days.items()}
        for rule_id, days in counts.items()
    }


@lru_cache(maxsize=LISTS)
def _by_day(
    scope: Scope, rule_ids: tuple[int, ...], dates: tuple[date, ...], zone: str
) -> Select[int, date, str, int]:
    """Kept for the day. Its parameter is the moment."""
    moment, period = bindparam("now", type_=UtcDateTime()), Period(dates, start_of_day(dates[0], zone))
    of = ended_runs_of_rules(scope, rule_ids, period, zone, moment).c
    key = (of.rule_id, of.on, of.status)
    return select(*key, func.sum(of.runs)).group_by(*key).having(func.sum(of.runs) != 0)


def latest_ends(
    session: Session, scope: Scope, rule_ids: Sequence[int], each: int = LATEST
) -> dict[int, list[End]]:
    """Rule -> how its last runs ended, oldest first. One query: a few rows of the index for each rule and status."""
    if not rule_ids:
        return {}
    found: dict[int, list[End]] = {}
    for rule_id, status, reason in plain_rows(session, _latest_of(scope, tuple(rule_ids), each)):
        found.setdefault(rule_id, []).append(End(status, reason == Reason.SHADOW))
    return {rule_id: ends[-each:] for rule_id, ends in found.items()}


@lru_cache(maxsize=LISTS)
def _latest_of(scope: Scope, rule_ids: tuple[int, ...], each: int) -> Select[int, str, str | None]:
    """Kept, for with its many parts it takes longer to build than to answer."""
    parts = [_latest(scope, rule_id, status, each) for rule_id in rule_ids for status in CLOSED]
    newest = union_all(*(select(part.subquery()) for part in parts)).subquery().c
    return select(newest.automation_rule_id, newest.status, newest.reason).order_by(
        newest.scheduled_at, newest.id
    )


def _latest(
    scope: Scope, rule_id: int, status: Status, each: int
) -> Select[int, str, str | None, datetime, int]:
    run = ScheduledTask
    return (
        select(run.automation_rule_id, run.status, run.reason, run.scheduled_at, run.id)
        .where(scope.sees(run), run.automation_rule_id == rule_id, run.status == status)
        .order_by(run.scheduled_at.desc(), run.id.desc())
        .limit(each)
    )
