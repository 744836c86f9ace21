"""Reads numbers of ended runs from the daily sums and the changes that those do not contain yet.

Both are complete from `since_day` on; older days, and all days after a change of the account's zone, are counted from
the runs until the sweep has come to them.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Subquery,
    case,
    exists,
    literal,
    select,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute

from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import CLOSED, ScheduledTask
from app.business.automation.services.auditing.counted_columns import Columns, columns_of
from app.business.automation.total_models import (
    NO_PACE,
    RuleRunDay,
    RunChange,
    RunDay,
    RunDayState,
    RunPaceDay,
    RunSum,
)
from app.business.base import UtcDateTime
from app.business.local_days import on_day
from app.business.periods import Period
from app.business.plain_rows import AnyColumns, AnyUnion
from app.business.time_zones import start_of_day

NEVER = datetime(9999, 12, 31, tzinfo=UTC)
Moment = datetime | ColumnElement[datetime]

Narrowing = Callable[[Mapping[str, Columns]], Sequence[ColumnElement[bool]]]
Sums = Callable[[Columns], Sequence[ColumnElement[int | None]]]
"""Makes sums of the columns of ended runs, which are null without any."""


def ended_runs(scope: Scope, period: Period, zone: str, now: Moment) -> Subquery:
    """Ended runs in scope that were due in the period until `now`: on, status, reason, runs. One moment's numbers."""
    return union_all(*_of_period(RunDay, ("status", "reason"), scope, period, zone, now)).subquery()


def ended_by_day(scope: Scope, period: Period, zone: str, now: Moment, sums: Sums) -> AnyUnion:
    """Sums of the same by day: on, and each of them. A day may have several rows, which add up.

    Daily sums, of which there are most, are added up in the order of their index: that takes a third of the time that
    all parts together would.
    """
    parts = _of_period(RunDay, ("status", "reason"), scope, period, zone, now)
    columns = (part.subquery().c for part in parts)
    return union_all(*(select(of.on, *sums(of)).group_by(of.on) for of in columns))


def ended_runs_of_rules(
    scope: Scope, rule_ids: Sequence[int], period: Period, zone: str, now: Moment
) -> Subquery:
    """The same for each of the rules: on, rule_id, status, runs."""

    def of_rules(columns: Mapping[str, Columns]) -> Sequence[ColumnElement[bool]]:
        return (columns["rule_id"].in_(rule_ids),)

    return union_all(
        *_of_period(RuleRunDay, ("rule_id", "status"), scope, period, zone, now, of_rules)
    ).subquery()


def planned_starts(scope: Scope, period: Period, zone: str, now: Moment) -> Subquery:
    """Planned runs that were completed at the first attempt, by how late they started: on, late (class), runs."""

    def planned(columns: Mapping[str, Columns]) -> Sequence[ColumnElement[bool]]:
        return (columns["late"] != NO_PACE,)

    return union_all(*_of_period(RunPaceDay, ("late",), scope, period, zone, now, planned)).subquery()


def _of_period(
    kept: RunSum,
    names: Sequence[str],
    scope: Scope,
    period: Period,
    zone: str,
    now: Moment,
    narrowed: Narrowing = lambda _columns: (),
) -> Sequence[AnyColumns]:
    """The daily sums, the changes, and the runs that belong to neither."""
    run, change = ScheduledTask, RunChange
    of_kept, of_change = columns_of(kept), columns_of(change)
    first, today = period.dates[0], period.dates[-1]
    end = start_of_day(today + timedelta(days=1), zone)
    is_complete = exists().where(
        RunDayState.account_id == scope.account_id, RunDayState.zone == zone, RunDayState.since_day <= first
    )
    # As a bound and not as a condition, for SQLite would check a condition at every run.
    uncounted_from = select(
        case((is_complete, literal(NEVER, UtcDateTime())), else_=literal(period.start, UtcDateTime()))
    ).scalar_subquery()
    ended = (scope.sees(run), run.status.in_(CLOSED))
    early = _runs(names, *ended, run.scheduled_at > now, run.scheduled_at < end, is_complete)
    uncounted = _runs(names, *ended, run.scheduled_at >= uncounted_from, run.scheduled_at <= now)
    return (
        select(kept.local_day.label("on"), *_named(of_kept, names), kept.runs).where(
            scope.sees(kept),
            kept.local_day >= first,
            kept.local_day <= today,
            *narrowed(of_kept),
            is_complete,
        ),
        select(
            on_day(change.scheduled_at, zone, period.dates).label("on"),
            *_named(of_change, names),
            change.runs,
        ).where(
            scope.sees(change),
            change.scheduled_at >= period.start,
            change.scheduled_at < end,
            *narrowed(of_change),
            is_complete,
        ),
        # Cancelled before it was due: not counted until then.
        select(literal(today).label("on"), *_named(early, names), literal(-1).label("runs")).where(
            *narrowed(early)
        ),
        select(
            on_day(uncounted["scheduled_at"], zone, period.dates).label("on"),
            *_named(uncounted, names),
            literal(1).label("runs"),
        ).where(*narrowed(uncounted)),
    )


def _runs(names: Sequence[str], *clauses: ColumnElement[bool]) -> Mapping[str, Columns]:
    """What runs are counted by, and their times; each written once, for a class of lateness is long."""
    columns = (ScheduledTask.scheduled_at, *_named(columns_of(ScheduledTask), names))
    return dict(select(*columns).where(*clauses).subquery().c.items())


def _named(columns: Mapping[str, Columns], names: Sequence[str]) -> list[InstrumentedAttribute[Columns]]:
    return [columns[name].label(name) for name in names]
