"""Numbers of ended runs by the local day on which they were due: kept as daily sums, and read from them.

Sums and the changes that are not yet part of them are complete from `since_day` on. Older days, and all days after a
change of the account's zone, are counted from the runs until the sweep has come to them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Subquery,
    case,
    cast,
    delete,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import CLOSED, ScheduledTask
from app.business.automation.total_models import RunChange, RunDay, RunDayState
from app.business.base import Id, UtcDateTime
from app.business.local_days import on_day
from app.business.periods import Period, day_of
from app.business.time_zones import start_of_day
from app.business.upsert import insert_missing, upsert

MOST_CHANGES = 2000
"""Changes in a transaction: it takes some milliseconds, and others can write in between."""
MOST_TURNS = 50
"""Transactions for an account in one sweep."""
FIRST, NONE = date.min, date.max
NEVER = datetime(9999, 12, 31, tzinfo=UTC)
KEY = ("local_day", "site_id", "status", "reason")

Key = tuple[date, int, str, str]
Transaction = Callable[[], AbstractContextManager[Session]]


def ended_runs(scope: Scope, period: Period, zone: str, now: datetime | ColumnElement[datetime]) -> Subquery:
    """Ended runs in scope that were due in the period until `now`: on, status, reason, runs. One moment's numbers."""
    first, today = period.dates[0], period.dates[-1]
    is_complete = exists().where(
        RunDayState.account_id == scope.account_id, RunDayState.zone == zone, RunDayState.since_day <= first
    )
    run, change, end = ScheduledTask, RunChange, start_of_day(today + timedelta(days=1), zone)
    # As a bound and not as a condition, for SQLite would check a condition at every run.
    uncounted_from = select(
        case((is_complete, literal(NEVER, UtcDateTime())), else_=literal(period.start, UtcDateTime()))
    ).scalar_subquery()
    run_columns = (run.status, func.coalesce(run.reason, ""))
    ended = (scope.sees(run), run.status.in_(CLOSED))
    return union_all(
        select(RunDay.local_day.label("on"), RunDay.status, RunDay.reason, RunDay.runs).where(
            scope.sees(RunDay), RunDay.local_day >= first, RunDay.local_day <= today, is_complete
        ),
        select(
            on_day(change.scheduled_at, zone, period.dates), change.status, change.reason, change.runs
        ).where(
            scope.sees(change), change.scheduled_at >= period.start, change.scheduled_at < end, is_complete
        ),
        # Cancelled before it was due: not counted until then.
        select(literal(today), *run_columns, literal(-1)).where(
            *ended, run.scheduled_at > now, run.scheduled_at < end, is_complete
        ),
        select(on_day(run.scheduled_at, zone, period.dates), *run_columns, literal(1)).where(
            *ended, run.scheduled_at >= uncounted_from, run.scheduled_at <= now
        ),
    ).subquery()


def keep_sums(transaction: Transaction) -> None:
    """Add what changed to the daily sums of every account, and count older days that they do not contain yet."""
    with transaction() as session:
        behind = accounts_behind(session)
    for account_id, zone in behind:
        for _ in range(MOST_TURNS):
            with transaction() as session:
                if not bring_on(session, account_id, zone):
                    break


def accounts_behind(session: Session) -> Sequence[tuple[int, str]]:
    """Accounts, with their zones, whose sums are not complete, or are of another zone."""
    state = RunDayState
    has_changes = exists().where(RunChange.account_id == Account.id)
    is_behind = or_(has_changes, state.id.is_(None), state.zone != Account.timezone, state.since_day != FIRST)
    query = select(Account.id, Account.timezone).outerjoin(state, state.account_id == Account.id)
    return [(row.id, row.timezone) for row in session.execute(query.where(is_behind).order_by(Account.id))]


def bring_on(session: Session, account_id: int, zone: str, most: int = MOST_CHANGES) -> bool:
    """One step for the account: add the oldest changes, and count one more day. False when nothing is left."""
    mine = RunDayState.account_id == account_id
    insert_missing(session, RunDayState, {"account_id": account_id, "zone": zone, "since_day": NONE})
    state = session.execute(
        select(RunDayState.zone, RunDayState.since_day).where(mine).with_for_update()
    ).one()
    since = state.since_day
    if state.zone != zone:
        session.execute(delete(RunDay).where(RunDay.account_id == account_id))
        since = NONE
    changes = _add_changes(session, account_id, zone, since, most)
    before = since
    if since != FIRST:
        since = _count_day_before(session, account_id, zone, since)
    session.execute(update(RunDayState).where(mine).values(zone=zone, since_day=since))
    return changes == most or since != before


def _add_changes(session: Session, account_id: int, zone: str, since: date, most: int) -> int:
    """Those of days that are not counted yet are dropped: the runs will be counted as they are then."""
    oldest = select(RunChange.id).where(RunChange.account_id == account_id).order_by(RunChange.id).limit(most)
    taken = session.execute(
        delete(RunChange)
        .where(RunChange.account_id == account_id, RunChange.id.in_(oldest))
        .returning(
            RunChange.scheduled_at, RunChange.site_id, RunChange.status, RunChange.reason, RunChange.runs
        )
        .execution_options(synchronize_session=False)
    ).all()
    sums: Counter[Key] = Counter()
    for change in taken:
        if (on := day_of(change.scheduled_at, zone)) >= since:
            sums[on, change.site_id, change.status, change.reason] += change.runs
    _add(session, account_id, sums)
    return len(taken)


def _count_day_before(session: Session, account_id: int, zone: str, since: date) -> date:
    """Count the runs of the last day with any before `since`. Returns that day, or FIRST when there is none."""
    run = ScheduledTask
    end = start_of_day(since, zone)
    last = select(func.max(run.scheduled_at)).where(run.account_id == account_id, run.scheduled_at < end)
    last_at = session.scalar(last)
    on = day_of(last_at, zone) if last_at else FIRST
    rows = session.execute(_as_they_are(account_id, zone, on, end)).all()
    _forget(session, account_id, [row.change_id for row in rows if row.change_id is not None])
    sums: Counter[Key] = Counter()
    for row in rows:
        if row.change_id is None:
            day = day_of(row.scheduled_at, zone) if row.scheduled_at else on
            sums[day, row.site_id, row.status, row.reason] += row.runs
    _add(session, account_id, sums)
    return on


def _as_they_are(account_id: int, zone: str, on: date, end: datetime) -> CompoundSelect[Any]:
    """The numbers of ended runs of that day, each run of later days until `end` (there are none, unless one has just
    been added), and which changes all these contain. One statement, so that they are of the same moment."""
    run, change = ScheduledTask, RunChange
    site_id, reason = (
        func.coalesce(run.site_id, 0).label("site_id"),
        func.coalesce(run.reason, "").label("reason"),
    )
    ended = (run.account_id == account_id, run.status.in_(CLOSED))
    start, next_start = (
        None if on == FIRST else start_of_day(day, zone) for day in (on, on + timedelta(days=1))
    )
    later = select(
        site_id,
        run.status,
        reason,
        literal(1).label("runs"),
        run.scheduled_at,
        cast(null(), Id).label("change_id"),
    ).where(*ended, *_within(run.scheduled_at, next_start, end))
    noted = select(literal(0), literal(""), literal(""), literal(0), null(), change.id).where(
        change.account_id == account_id, *_within(change.scheduled_at, start, end)
    )
    if next_start is None:
        return union_all(later, noted)
    counted = select(site_id, run.status, reason, func.count(), null(), null())
    of_day = counted.where(*ended, *_within(run.scheduled_at, start, next_start))
    return union_all(later, noted, of_day.group_by("site_id", run.status, "reason"))


def _within(
    at: InstrumentedAttribute[datetime], start: datetime | None, end: datetime
) -> list[ColumnElement[bool]]:
    return [at < end] if start is None else [at >= start, at < end]


def _forget(session: Session, account_id: int, ids: Sequence[int]) -> None:
    for start in range(0, len(ids), MOST_CHANGES):
        session.execute(
            delete(RunChange)
            .where(RunChange.account_id == account_id, RunChange.id.in_(ids[start : start + MOST_CHANGES]))
            .execution_options(synchronize_session=False)
        )


def _add(session: Session, account_id: int, sums: dict[Key, int]) -> None:
    """In the order of keys, like every writer of them."""
    for key, runs in sorted(sums.items()):
        if runs:
            upsert(
                session,
                RunDay,
                {**dict(zip(KEY, key, strict=True)), "account_id": account_id, "runs": runs},
                unique=("account_id", *KEY),
                change={"runs": RunDay.runs + runs},
            )
