"""Who may write for a run: the holder of its token, while its lease lasts. A replaced worker writes nothing."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from app.business.automation.run_models import Cause, RunAttempt, ScheduledTask, Status, Waiting

LEASE = timedelta(seconds=60)
HEARTBEAT_SECONDS = 15
SERIAL_CAUSES = (Cause.EVENT, Cause.BACKFILL)


class LeaseLost(Exception):
    """Another worker has taken the run over; this one must stop without a trace."""


@dataclass(frozen=True)
class Lease:
    """The right to write for one run: its fencing token."""

    run_id: int
    token: str


def claim_run(session: Session, run_id: int, worker: str, now: datetime) -> ScheduledTask | None:
    """Take a due pending run: guarded update with a fresh token. None when somebody else has it, or must wait.

    Of a rule's event and backfill runs one runs at a time; the loser waits for the previous one.
    """
    token = secrets.token_hex(8)
    try:
        with session.begin_nested():
            taken = _take(session, run_id, worker, token, now)
    except IntegrityError:
        taken = False
    run = session.get(ScheduledTask, run_id, populate_existing=True)
    if run is None or not taken:
        if run is not None and run.cause in SERIAL_CAUSES:
            _wait_for_previous(session, run, now)
        return None
    session.add(
        RunAttempt(
            account_id=run.account_id, run_id=run.id, number=run.attempt, worker=worker, started_at=now
        )
    )
    session.flush()
    return run


def _take(session: Session, run_id: int, worker: str, token: str, now: datetime) -> bool:
    return _changed(
        session,
        update(ScheduledTask)
        .where(
            ScheduledTask.id == run_id,
            ScheduledTask.status == Status.PENDING,
            ScheduledTask.waiting_for.is_(None),
            func.coalesce(ScheduledTask.not_before, ScheduledTask.scheduled_at) <= now,
        )
        .values(
            status=Status.RUNNING,
            lease_token=token,
            lease_until=now + LEASE,
            worker=worker,
            attempt=ScheduledTask.attempt + 1,
            started_at=func.coalesce(ScheduledTask.started_at, now),
        )
        # The attempt that is written beside it tells open pages.
        .execution_options(is_shown=False),
    )


def _wait_for_previous(session: Session, run: ScheduledTask, now: datetime) -> None:
    other = aliased(ScheduledTask)
    running = select(other.id).where(
        other.automation_rule_id == run.automation_rule_id,
        other.status == Status.RUNNING,
        other.cause.in_(SERIAL_CAUSES),
    )
    _changed(
        session,
        update(ScheduledTask)
        .where(
            ScheduledTask.id == run.id,
            ScheduledTask.status == Status.PENDING,
            ScheduledTask.waiting_for.is_(None),
            running.exists(),
        )
        .values(
            waiting_for=Waiting.PREVIOUS,
            waits_for_run_id=None,
            waiting_since=func.coalesce(ScheduledTask.waiting_since, now),
        ),
    )


def renew(session: Session, lease: Lease, now: datetime) -> datetime | None:
    """Prolong the lease at the start of every write; gives the time a cancel was asked for.

    Raises LeaseLost when the token is no longer the run's.
    """
    row = session.execute(
        update(ScheduledTask)
        .where(
            ScheduledTask.id == lease.run_id,
            ScheduledTask.lease_token == lease.token,
            ScheduledTask.status == Status.RUNNING,
        )
        .values(lease_until=now + LEASE)
        .returning(ScheduledTask.cancel_requested_at)
        # No page shows the lease, and every minute has several of these writes.
        .execution_options(synchronize_session=False, is_shown=False)
    ).one_or_none()
    if row is None:
        raise LeaseLost
    return row[0]


def expired(now: datetime) -> Any:
    """Clause: running rows whose worker has sent no heartbeat in time, or whose clock was wrong."""
    return (ScheduledTask.status == Status.RUNNING) & or_(
        ScheduledTask.lease_until < now, ScheduledTask.lease_until > now + 2 * LEASE
    )


def _changed(session: Session, statement: Any) -> bool:
    result = cast(CursorResult[Any], session.execute(statement.execution_options(synchronize_session=False)))
    return result.rowcount == 1
