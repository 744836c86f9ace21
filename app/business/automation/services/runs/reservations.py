"""Reservations: a worker keeps due pending runs for itself for a moment, so that other workers take others.

A reservation decides nothing: whoever claims a run still does so by a guarded update.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, func, select, union_all, update
from sqlalchemy.orm import Session, aliased

from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.runs.lease import not_reserved

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


def in_turn(
    session: Session, queue: str, most: int, now: datetime, except_for: Collection[int] = ()
) -> list[int]:
    """Ids of the due runs to be executed next: accounts take turns, so that nobody waits for all runs of another.

    Each account has an equal share of them, its most urgent ones. except_for: accounts whose turn it is not.
    """
    accounts = [key for key in due_accounts(session, queue, now) if key not in except_for]
    if len(accounts) < 2 and not except_for:
        return list(session.scalars(ready(queue, now).limit(most)))
    # There may be more accounts than shares: begin with another one each time.
    first = int(now.timestamp() * TURNS_PER_SECOND) % max(len(accounts), 1)
    accounts = [*accounts[first:], *accounts[:first]][: max(most // LEAST_SHARE, 1)]
    share = -(-most // max(len(accounts), 1))
    parts = [select(_first_of(queue, account_id, share, now).subquery()) for account_id in accounts]
    rows = session.execute(union_all(*parts)).all() if parts else []
    places = {account_id: place for place, account_id in enumerate(accounts)}
    rows = sorted(rows, key=lambda row: (places[row.account_id], row.priority, row.scheduled_at, row.id))
    return [row.id for row in rows[:most]]


def due_accounts(session: Session, queue: str, now: datetime) -> list[int]:
    """Accounts with due runs in the queue; reads one row for each account, however many runs it has."""
    return list(session.scalars(due_accounts_query(queue, now)))


def due_accounts_query(queue: str, now: datetime) -> Select[int]:
    """Steps from account to account in the index."""
    run, other = ScheduledTask, aliased(ScheduledTask)
    first = select(func.min(run.account_id).label("id")).where(*_pending_in(run, queue))
    found = first.cte("account_in_turn", recursive=True)
    behind = select(func.min(other.account_id)).where(
        *_pending_in(other, queue), other.account_id > found.c.id
    )
    found = found.union_all(select(behind.scalar_subquery()).where(found.c.id.is_not(None)))
    # In the order of the index, so that it is the one that is read.
    first_due = ready(queue, now).where(run.account_id == found.c.id).limit(1).scalar_subquery()
    return select(found.c.id).where(found.c.id.is_not(None), first_due.is_not(None))


def _pending_in(run: type[ScheduledTask], queue: str) -> tuple[ColumnElement[bool], ...]:
    return run.queue == queue, run.status == Status.PENDING, run.waiting_for.is_(None)


def _first_of(queue: str, account_id: int, most: int, now: datetime) -> Select[int, int, int, datetime]:
    run = ScheduledTask
    mine = ready(queue, now).where(run.account_id == account_id).limit(most)
    return mine.add_columns(run.account_id, run.priority, run.scheduled_at)


def ready(queue: str, now: datetime) -> Select[int]:
    """Ids of the due runs of a queue that nobody has reserved, by priority, then oldest first."""
    return (
        select(ScheduledTask.id)
        .where(
            ScheduledTask.queue == queue,
            ScheduledTask.status == Status.PENDING,
            ScheduledTask.waiting_for.is_(None),
            func.coalesce(ScheduledTask.not_before, ScheduledTask.scheduled_at) <= now,
            not_reserved(now),
        )
        .order_by(ScheduledTask.priority, ScheduledTask.scheduled_at, ScheduledTask.id)
    )


def reserve(
    session: Session, queue: str, most: int, now: datetime, except_for: Collection[int] = ()
) -> Reservation:
    """Reserve the next due runs of the queue, except those that another worker is reserving or changing."""
    run, mine = ScheduledTask, Reservation(secrets.token_hex(8))
    ids = in_turn(session, queue, most, now, except_for)
    found = _lock(session, ready(queue, now).where(run.id.in_(ids))) if ids else {}
    if ids and not found and not except_for:
        # Another worker is reserving exactly these: take what comes behind them.
        found = _lock(session, ready(queue, now).limit(most))
        ids = list(found)
    for run_id in ids:
        if run_id in found:
            mine.rules[run_id], token = found[run_id]
            if token is not None:
                mine.left_behind.add(run_id)
    if mine.rules:
        session.execute(
            update(run)
            .where(run.id.in_(mine.rules), run.status == Status.PENDING)
            .values(lease_token=mine.token, lease_until=now + RESERVED_FOR)
            # No page shows a reservation.
            .execution_options(synchronize_session=False, is_shown=False)
        )
    return mine


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
