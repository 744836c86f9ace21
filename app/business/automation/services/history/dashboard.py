"""Figures of the dashboard: rules by state, outcomes of runs by day or hour, and how late planned runs start."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate
from math import ceil
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    func,
    literal,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import CLOSED, Reason, ScheduledTask, Status
from app.business.automation.services.auditing.counted_columns import Columns
from app.business.automation.services.history.run_sums import ended_by_day, planned_starts
from app.business.automation.total_models import PACES
from app.business.base import UtcDateTime
from app.business.kept_queries import kept_queries
from app.business.periods import Period
from app.business.plain_rows import AnyUnion, plain_rows
from app.business.time_zones import start_of_day
from app.business.words_as_text import words_as_text

DAY = 24
NOW = "now"
MOMENT = bindparam(NOW, type_=UtcDateTime())
KEPT = 64
"""Periods and scopes for which a process keeps the query."""


class Outcomes(NamedTuple):
    """Runs that have ended, by outcome. The success rate excludes skipped and practice runs."""

    completed: int = 0
    failed: int = 0
    skipped: int = 0
    practised: int = 0

    @property
    def total(self) -> int:
        return self.completed + self.failed + self.skipped + self.practised

    @property
    def success_rate(self) -> float | None:
        """Completed of completed and failed; None without either."""
        tried = self.completed + self.failed
        return self.completed / tried if tried else None


@dataclass(frozen=True)
class RuleCounts:
    """Number of rules by state."""

    active: int
    off: int
    practice: int
    archived: int


@dataclass(frozen=True)
class Lateness:
    """Seconds within which half, and 99 of 100, of the planned runs started, as finely as they are counted."""

    starts: int
    median: float
    p99: float


def rule_counts(scope: Scope) -> Select[int, int, int, int]:
    """The query of a `RuleCounts`."""
    here = AutomationRule.archived_at.is_(None)
    live = AutomationRule.mode == literal_column("'live'")
    return select(
        func.count().filter(here, AutomationRule.is_active, live),
        func.count().filter(here, ~AutomationRule.is_active),
        func.count().filter(here, AutomationRule.is_active, ~live),
        func.count().filter(~here),
    ).where(scope.sees(AutomationRule))


def outcomes_by_day(
    session: Session, scope: Scope, period: Period, zone: str, now: datetime
) -> dict[date, Outcomes]:
    """Of each day of the period, oldest first; one query of the daily sums."""
    found = {on: [0, 0, 0, 0] for on in period.dates}
    for on, *sums in plain_rows(session, _by_day(scope, tuple(period.dates), zone), {NOW: now}):
        for place, runs in enumerate(sums if on in found else ()):
            found[on][place] += int(runs or 0)
    return {on: Outcomes(*of_day) for on, of_day in found.items()}


@kept_queries(KEPT)
def _by_day(scope: Scope, dates: tuple[date, ...], zone: str) -> AnyUnion:
    """Kept for the day: building it takes longer than its answer. Its parameter is the moment."""
    period = Period(dates, start_of_day(dates[0], zone))
    return words_as_text(ended_by_day(scope, period, zone, MOMENT, _outcomes))


def _outcomes(ended: Columns) -> Sequence[ColumnElement[int | None]]:
    """In the order of `Outcomes`."""
    is_practised = and_(ended.status == Status.SKIPPED, ended.reason == Reason.SHADOW)
    is_skipped = and_(ended.status == Status.SKIPPED, ended.reason != Reason.SHADOW)
    tried = (ended.status == status for status in (Status.COMPLETED, Status.FAILED))
    return [func.sum(ended.runs).filter(clause) for clause in (*tried, is_skipped, is_practised)]


def outcomes_by_hour(session: Session, scope: Scope, now: datetime) -> dict[datetime, Outcomes]:
    """Of each of the last 24 hours, oldest first; one query of the runs themselves."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    hours = [this_hour - timedelta(hours=back) for back in reversed(range(DAY))]
    counted = plain_rows(session, _by_hour(scope, tuple(hours)), {NOW: now})
    return {
        hours[number]: Outcomes(completed, failed, skipped - practised, practised)
        for number, completed, failed, skipped, practised in counted
    }


@kept_queries(KEPT)
def _by_hour(scope: Scope, hours: tuple[datetime, ...]) -> Select[int, int, int, int, int]:
    """Kept for the hour. Each number is that of the entries between two places of an index: that takes a tenth of the
    time in which the runs of the day could be told apart."""
    ends = [*(literal(hour - timedelta(microseconds=1), UtcDateTime()) for hour in hours[1:]), MOMENT]
    spans = (
        select(
            literal(number).label("number"),
            literal(start, UtcDateTime()).label("start_at"),
            end.label("end_at"),
        )
        for number, (start, end) in enumerate(zip(hours, ends, strict=True))
    )
    hour = union_all(*spans).subquery().c
    run = ScheduledTask

    def number_of(*clauses: ColumnElement[bool]) -> ScalarSelect[int]:
        in_hour = run.scheduled_at.between(hour.start_at, hour.end_at)
        return (
            select(func.count()).select_from(run).where(scope.sees(run), *clauses, in_hour).scalar_subquery()
        )

    ended = (number_of(run.status == status) for status in CLOSED)
    practised = number_of(run.status == Status.SKIPPED, run.reason == Reason.SHADOW)
    return words_as_text(select(hour.number, *ended, practised).order_by(hour.number))


def lateness(session: Session, scope: Scope, period: Period, zone: str, now: datetime) -> Lateness | None:
    """Of the planned runs of the period that were completed at the first attempt; None without any."""
    rows = plain_rows(session, _by_lateness(scope, tuple(period.dates), zone), {NOW: now})
    starts = Counter({late: int(runs) for late, runs in rows})
    if starts.total() <= 0:
        return None
    return Lateness(starts.total(), *(_reached(starts, share) for share in (0.5, 0.99)))


@kept_queries(KEPT)
def _by_lateness(scope: Scope, dates: tuple[date, ...], zone: str) -> Select[int, int]:
    """Kept for the day."""
    of = planned_starts(scope, Period(dates, start_of_day(dates[0], zone)), zone, MOMENT).c
    return words_as_text(select(of.late, func.sum(of.runs)).group_by(of.late).order_by(of.late))


def _reached(starts: Counter[int], share: float) -> float:
    """The seconds within which that share of the starts lies: where its class ends."""
    wanted = ceil(starts.total() * share)
    below = accumulate(starts[number] for number in range(len(PACES)))
    return next((most for most, found in zip(PACES, below, strict=True) if found >= wanted), PACES[-1])
