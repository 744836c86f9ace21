"""Keeps the daily sums of ended runs by the local day on which they were due: `run_sums` reads them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Row,
    and_,
    cast,
    delete,
    exists,
    false,
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
from app.business.automation.run_models import CLOSED, ScheduledTask
from app.business.automation.services.auditing.counted_columns import columns_of
from app.business.automation.total_models import KEYS, RunChange, RunDayState, RunSum
from app.business.base import Id, RowValues
from app.business.periods import day_of
from app.business.row_sets import add_each
from app.business.time_zones import start_of_day
from app.business.upsert import insert_missing

MOST_CHANGES = 800
"""Changes in a transaction: it takes about 40 milliseconds, and others can write in between."""
MOST_TURNS = 50
"""Transactions for each account in one sweep."""
TOGETHER = 50
"""Accounts whose changes are added in one transaction."""
FIRST, NONE = date.min, date.max

Values = tuple[date | int | str, ...]
"""The account, and what tells its sums of one kind apart."""
Sums = dict[RunSum, Counter[Values]]
NAMES = tuple(columns_of(ScheduledTask))
Transaction = Callable[[], AbstractContextManager[Session]]


def keep_sums(transaction: Transaction) -> None:
    """Add what changed to the daily sums of every account, and count older days that they do not contain yet."""
    with transaction() as session:
        behind = accounts_behind(session)
    for account_id, zone in behind.incomplete.items():
        for _ in range(MOST_TURNS):
            with transaction() as session:
                if not bring_on(session, account_id, zone):
                    break
    for start in range(0, len(behind.changed), TOGETHER):
        zones = dict(islice(behind.changed.items(), start, start + TOGETHER))
        for _ in range(MOST_TURNS * len(zones)):
            with transaction() as session:
                if not add_changes(session, zones):
                    break


class Behind(NamedTuple):
    """Accounts with their zones: those whose sums lack changes only, and those with days that are not counted so."""

    changed: Mapping[int, str]
    incomplete: Mapping[int, str]


def accounts_behind(session: Session) -> Behind:
    """In one query."""
    state = RunDayState
    has_changes = exists().where(RunChange.account_id == Account.id)
    is_complete = func.coalesce(and_(state.zone == Account.timezone, state.since_day == FIRST), false())
    query = select(Account.id, Account.timezone, is_complete).outerjoin(state, state.account_id == Account.id)
    zones: dict[bool, dict[int, str]] = {True: {}, False: {}}
    rows = session.execute(query.where(or_(has_changes, ~is_complete)).order_by(Account.id))
    for account_id, zone, complete in rows:
        zones[bool(complete)][account_id] = zone
    return Behind(changed=zones[True], incomplete=zones[False])


def add_changes(session: Session, zones: Mapping[int, str], most: int = MOST_CHANGES) -> bool:
    """Add the oldest changes of these accounts, whose sums are complete. False when none is left."""
    state = RunDayState
    complete = select(state.account_id, state.zone).where(
        state.account_id.in_(zones), state.since_day == FIRST
    )
    locked = session.execute(complete.order_by(state.account_id).with_for_update()).all()
    mine = [account_id for account_id, zone in locked if zone == zones[account_id]]
    taken = _take_changes(session, RunChange.account_id.in_(mine), most)
    sums = _no_sums()
    for change in taken:
        _note(sums, change.account_id, change, day_of(change.scheduled_at, zones[change.account_id]))
    _add(session, sums)
    return len(taken) == most


def bring_on(session: Session, account_id: int, zone: str, most: int = MOST_CHANGES) -> bool:
    """One step for the account: add the oldest changes, and count one more day. False when nothing is left."""
    mine = RunDayState.account_id == account_id
    insert_missing(session, RunDayState, {"account_id": account_id, "zone": zone, "since_day": NONE})
    state = session.execute(
        select(RunDayState.zone, RunDayState.since_day).where(mine).with_for_update()
    ).one()
    since = state.since_day
    if state.zone != zone:
        for kind in KEYS:
            session.execute(delete(kind).where(kind.account_id == account_id))
        since = NONE
    changes = _add_changes(session, account_id, zone, since, most)
    before = since
    if since != FIRST:
        since = _count_day_before(session, account_id, zone, since)
    session.execute(update(RunDayState).where(mine).values(zone=zone, since_day=since))
    return changes == most or since != before


def _add_changes(session: Session, account_id: int, zone: str, since: date, most: int) -> int:
    """Those of days that are not counted yet are dropped: the runs will be counted as they are then."""
    taken = _take_changes(session, RunChange.account_id == account_id, most)
    sums = _no_sums()
    for change in taken:
        if (on := day_of(change.scheduled_at, zone)) >= since:
            _note(sums, account_id, change, on)
    _add(session, sums)
    return len(taken)


def _take_changes(session: Session, whose: ColumnElement[bool], most: int) -> Sequence[Row[Any]]:
    """The oldest of them, which are there no more."""
    change = RunChange
    oldest = select(change.id).where(whose).order_by(change.id).limit(most)
    named = (getattr(change, name) for name in NAMES)
    return session.execute(
        delete(change)
        .where(whose, change.id.in_(oldest))
        .returning(change.account_id, change.scheduled_at, change.runs, *named)
        .execution_options(synchronize_session=False)
    ).all()


def _count_day_before(session: Session, account_id: int, zone: str, since: date) -> date:
    """Count the runs of the last day with any before `since`. Returns that day, or FIRST when there is none."""
    run = ScheduledTask
    end = start_of_day(since, zone)
    last = select(func.max(run.scheduled_at)).where(run.account_id == account_id, run.scheduled_at < end)
    last_at = session.scalar(last)
    on = day_of(last_at, zone) if last_at else FIRST
    rows = session.execute(_as_they_are(account_id, zone, on, end)).all()
    _forget(session, account_id, [row.change_id for row in rows if row.change_id is not None])
    sums = _no_sums()
    for row in rows:
        if row.change_id is None:
            _note(sums, account_id, row, day_of(row.scheduled_at, zone) if row.scheduled_at else on)
    _add(session, sums)
    return on


def _as_they_are(account_id: int, zone: str, on: date, end: datetime) -> CompoundSelect[Any]:
    """The numbers of ended runs of that day, each run of later days until `end` (there are none, unless one has just
    been added), and which changes all these contain. One statement, so that they are of the same moment."""
    run, change = ScheduledTask, RunChange
    named = [column.label(name) for name, column in columns_of(run).items()]
    ended = (run.account_id == account_id, run.status.in_(CLOSED))
    start, next_start = (
        None if on == FIRST else start_of_day(day, zone) for day in (on, on + timedelta(days=1))
    )
    later = select(
        *named, literal(1).label("runs"), run.scheduled_at, cast(null(), Id).label("change_id")
    ).where(*ended, *_within(run.scheduled_at, next_start, end))
    nothing = (cast(null(), column.type) for column in named)
    noted = select(*nothing, literal(0), null(), change.id).where(
        change.account_id == account_id, *_within(change.scheduled_at, start, end)
    )
    if next_start is None:
        return union_all(later, noted)
    counted = select(*named, func.count(), null(), null())
    of_day = counted.where(*ended, *_within(run.scheduled_at, start, next_start))
    return union_all(later, noted, of_day.group_by(*(column.name for column in named)))


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


def _no_sums() -> Sums:
    return {kind: Counter() for kind in KEYS}


def _note(sums: Sums, account_id: int, row: Row[Any], on: date) -> None:
    """Add the row, which has the columns of a change, to a sum of each kind."""
    for kind, names in KEYS.items():
        key = (on if name == "local_day" else getattr(row, name) for name in names)
        sums[kind][account_id, *key] += row.runs


def _add(session: Session, sums: Sums) -> None:
    """In the order of keys, like every writer of them."""
    for kind, of_kind in sums.items():
        unique = ("account_id", *KEYS[kind])
        rows: list[RowValues] = [
            {**dict(zip(unique, key, strict=True)), "runs": runs}
            for key, runs in sorted(of_kind.items())
            if runs
        ]
        add_each(session, kind, rows, unique=unique, add=("runs",))
