"""Reservations: a worker keeps due pending runs for itself for a moment, so that other workers take others.

A reservation decides nothing: whoever claims a run still does so by a guarded update.
"""

import secrets
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    bindparam,
    func,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session, aliased

from app.business.accounts.models import Account
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.runs.lease import LEASE, not_reserved
from app.business.base import RowValues
from app.business.billing.models import Plan

RESERVED_FOR = timedelta(seconds=15)
"""Longer than a drain executes runs together."""
LEAST_SHARE = 5
"""Runs of one account's turn, at least: those of one rule are executed together."""
TURNS_PER_SECOND = 16


@dataclass
class Reservation:
    """Runs in the order in which they are to be executed, with the ids of their rules.

    left_behind: those that a worker had reserved before and never came to: it may have died of one of them.
    """

    token: str
    rules: dict[int, int] = field(default_factory=dict)
    left_behind: set[int] = field(default_factory=set)

    def columns(self, now: datetime) -> RowValues:
        """What the row of a reserved run says."""
        return {"lease_token": self.token, "lease_until": now + RESERVED_FOR}


@dataclass
class Turns:
    """The account that a worker came to last, by queue: where there are more than one turn holds, it goes on behind
    it."""

    last: dict[str, int] = field(default_factory=dict)

    def next_accounts(self, queue: str, accounts: Sequence[int], most: int, now: datetime) -> list[int]:
        """The accounts whose turn comes next."""
        # A worker that has just begun, as step workers do for each job, begins anywhere.
        anywhere = int(now.timestamp() * TURNS_PER_SECOND) % max(len(accounts), 1)
        last = self.last.get(queue)
        first = anywhere if last is None else bisect_right(accounts, last)
        chosen = [*accounts[first:], *accounts[:first]][:most]
        if chosen:
            self.last[queue] = chosen[-1]
        return chosen


def in_turn(
    session: Session,
    queue: str,
    most: int,
    now: datetime,
    except_for: Collection[int] = (),
    turns: Turns | None = None,
) -> list[int]:
    """Ids of the due runs to be executed next: accounts take turns, so that nobody waits for all runs of another.

    Each account has its share of them, its most urgent ones. except_for: accounts whose turn it is not.
    """
    allowed = _allowed(session, queue, now, except_for)
    if not allowed:
        return []
    if len(allowed) == 1 and not except_for:
        return list(session.scalars(ready(queue, now).limit(most)))
    return _shared(session, queue, most, now, allowed, turns)


def _allowed(session: Session, queue: str, now: datetime, except_for: Collection[int]) -> dict[int, int]:
    """The accounts with due runs whose turn it may be, and the runs that their plan allows a day."""
    rows = session.execute(_DUE_ACCOUNTS, _of_moment(queue, now))
    return {account_id: runs_a_day for account_id, runs_a_day in rows if account_id not in except_for}


def _shared(
    session: Session,
    queue: str,
    most: int,
    now: datetime,
    allowed: Mapping[int, int],
    turns: Turns | None,
) -> list[int]:
    at_once = max(most // LEAST_SHARE, 1)
    accounts = (turns or Turns()).next_accounts(queue, list(allowed), at_once, now)
    shares = shares_of({account_id: allowed[account_id] for account_id in accounts}, most)
    values: RowValues = {f"account_{place}": account_id for place, account_id in enumerate(accounts)}
    values |= {f"share_{place}": shares[account_id] for place, account_id in enumerate(accounts)}
    rows = session.execute(_first_of_each(len(accounts)), values | _of_moment(queue, now)).all()
    places = {account_id: place for place, account_id in enumerate(accounts)}
    rows = sorted(rows, key=lambda row: (places[row.account_id], row.priority, row.scheduled_at, row.id))
    return [row.id for row in rows[:most]]


def shares_of(runs_a_day: Mapping[int, int], most: int) -> dict[int, int]:
    """How many of `most` runs each account has a turn for: some for everybody, the rest in proportion to the runs that
    its plan allows a day."""
    least = max(min(LEAST_SHARE, most // len(runs_a_day)), 1)
    rest, total = max(most - least * len(runs_a_day), 0), sum(runs_a_day.values()) or 1
    return {account_id: least + rest * runs // total for account_id, runs in runs_a_day.items()}


def due_accounts(session: Session, queue: str, now: datetime) -> list[int]:
    """Accounts with due runs in the queue; reads one row for each account, however many runs it has."""
    return list(session.scalars(_DUE_ACCOUNTS, _of_moment(queue, now)))


def is_any_due(session: Session, queue: str, now: datetime) -> bool:
    """Whether the queue has a due run that nobody has reserved."""
    return bool(session.scalar(_IS_ANY_READY, _of_moment(queue, now)))


def ready(queue: str, now: datetime) -> Select[int]:
    """Ids of the due runs of a queue that nobody has reserved, by priority, then oldest first."""
    return _READY.params(**_of_moment(queue, now))


def _of_moment(queue: str, now: datetime) -> RowValues:
    return {"queue": queue, "now": now, "too_late": now + 2 * LEASE}


_READY = (
    select(ScheduledTask.id)
    .where(
        ScheduledTask.queue == bindparam("queue"),
        ScheduledTask.status == Status.PENDING,
        ScheduledTask.waiting_for.is_(None),
        func.coalesce(ScheduledTask.not_before, ScheduledTask.scheduled_at) <= bindparam("now"),
        not_reserved(bindparam("now"), bindparam("too_late")),
    )
    .order_by(ScheduledTask.priority, ScheduledTask.scheduled_at, ScheduledTask.id)
)


_IS_ANY_READY = select(_READY.exists())


def _due_accounts() -> Select[int, int]:
    """Accounts with due runs, by id, and the runs that their plan allows a day. Steps from account to account in the
    index."""
    run, other = ScheduledTask, aliased(ScheduledTask)
    first = select(func.min(run.account_id).label("id")).where(*_pending_in(run))
    found = first.cte("account_in_turn", recursive=True)
    behind = select(func.min(other.account_id)).where(*_pending_in(other), other.account_id > found.c.id)
    found = found.union_all(select(behind.scalar_subquery()).where(found.c.id.is_not(None)))
    # In the order of the index, so that it is the one that is read.
    first_due = _READY.where(run.account_id == found.c.id).limit(1).scalar_subquery()
    return (
        select(Account.id, func.coalesce(Plan.most_runs_per_day, 0))
        .join(found, found.c.id == Account.id)
        .outerjoin(Plan, Plan.id == Account.plan_id)
        .where(first_due.is_not(None))
        .order_by(Account.id)
    )


def _pending_in(run: type[ScheduledTask]) -> tuple[ColumnElement[bool], ...]:
    return run.queue == bindparam("queue"), run.status == Status.PENDING, run.waiting_for.is_(None)


_DUE_ACCOUNTS = _due_accounts()


@lru_cache(maxsize=128)
def _first_of_each(accounts: int) -> CompoundSelect[int, int, int, datetime]:
    """The most urgent runs of so many accounts; built once, because that takes longer than the reading."""
    return union_all(*(select(_first_of(place).subquery()) for place in range(accounts)))


def _first_of(place: int) -> Select[int, int, int, datetime]:
    run = ScheduledTask
    mine = _READY.where(run.account_id == bindparam(f"account_{place}")).limit(
        bindparam(f"share_{place}", type_=Integer)
    )
    return mine.add_columns(run.account_id, run.priority, run.scheduled_at)


def reserve(
    session: Session,
    queue: str,
    most: int,
    now: datetime,
    except_for: Collection[int] = (),
    turns: Turns | None = None,
) -> Reservation:
    """Reserve the next due runs of the queue, except those that another worker is reserving or changing."""
    run, mine = ScheduledTask, Reservation(secrets.token_hex(8))
    allowed = _allowed(session, queue, now, except_for)
    if not allowed:
        return mine
    if len(allowed) == 1 and not except_for:
        found = _lock(session, ready(queue, now).limit(most))
        _reserve(session, mine, list(found), found, now)
        return mine
    ids = _shared(session, queue, most, now, allowed, turns)
    found = _lock(session, ready(queue, now).where(run.id.in_(ids)))
    if not found and not except_for:
        # Another worker is reserving exactly these: take what comes behind them.
        found = _lock(session, ready(queue, now).limit(most))
        ids = list(found)
    _reserve(session, mine, ids, found, now)
    return mine


def reserve_these(session: Session, queue: str, ids: Sequence[int], now: datetime) -> Reservation:
    """Reserve these runs of the queue, in this order, except those that another worker has or that are not due."""
    mine = Reservation(secrets.token_hex(8))
    found = _lock(session, ready(queue, now).where(ScheduledTask.id.in_(ids)))
    _reserve(session, mine, ids, found, now)
    return mine


def _reserve(
    session: Session,
    mine: Reservation,
    ids: Iterable[int],
    found: Mapping[int, tuple[int, str | None]],
    now: datetime,
) -> None:
    run = ScheduledTask
    for run_id in ids:
        if run_id in found:
            mine.rules[run_id], token = found[run_id]
            if token is not None:
                mine.left_behind.add(run_id)
    if mine.rules:
        session.execute(
            update(run)
            .where(run.id.in_(mine.rules), run.status == Status.PENDING)
            .values(**mine.columns(now))
            # No page shows a reservation.
            .execution_options(synchronize_session=False, is_shown=False)
        )


def _lock(session: Session, chosen: Select[int]) -> dict[int, tuple[int, str | None]]:
    run = ScheduledTask
    rows = session.execute(
        chosen.add_columns(run.automation_rule_id, run.lease_token).with_for_update(
            skip_locked=True, key_share=True
        )
    )
    return {run_id: (rule_id, token) for run_id, rule_id, token in rows}


def release(session: Session, reservation: Reservation, run_ids: Collection[int]) -> None:
    """Let other workers have runs of the reservation that were not claimed."""
    run = ScheduledTask
    session.execute(
        update(run)
        .where(run.id.in_(run_ids), run.status == Status.PENDING, run.lease_token == reservation.token)
        .values(lease_token=None, lease_until=None)
        .execution_options(synchronize_session=False, is_shown=False)
    )
