"""The lease of a run: only the holder of its token may write, until the lease expires.

A replaced worker writes nothing.
"""

import secrets
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, SessionTransaction, aliased

from app.business.automation.run_models import Cause, RunAttempt, ScheduledTask, Status, Waiting
from app.business.base import RowValues

LEASE = timedelta(seconds=60)
HEARTBEAT_SECONDS = 15
SERIAL_CAUSES = (Cause.EVENT, Cause.BACKFILL)


class LeaseLost(Exception):
    """Another worker has claimed the run; this one must stop without writing."""


@dataclass(frozen=True)
class Lease:
    """The right to write for one run: its fencing token."""

    run_id: int
    token: str


def claim_run(
    session: Session, run_id: int, worker: str, now: datetime, reserved: str = ""
) -> ScheduledTask | None:
    """Claim a due pending run: guarded update with a fresh token. None when another worker has it, or it must wait.

    Event and backfill runs of one rule run one at a time; the others wait for the previous one.
    reserved: the token of this worker's reservation.
    """
    token = secrets.token_hex(8)
    try:
        with _alone(session):
            run = _take(session, run_id, worker, token, now, reserved)
    except IntegrityError:
        run = None
    if run is None:
        run = session.get(ScheduledTask, run_id, populate_existing=True)
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


def _alone(session: Session) -> AbstractContextManager[SessionTransaction | None]:
    """SQLite has one writer at a time, so the claim cannot violate the unique key concurrently."""
    return session.begin_nested() if session.get_bind().dialect.name == "postgresql" else nullcontext()


def _take(
    session: Session, run_id: int, worker: str, token: str, now: datetime, reserved: str
) -> ScheduledTask | None:
    by = {"run": run_id, "by": worker, "token": token, "now": now, "until": now + LEASE}
    return session.scalar(_CLAIM, by | {"reserved": reserved, "too_late": now + 2 * LEASE})


def _running_of_rule(run: ScheduledTask | type[ScheduledTask]) -> Select[int]:
    other = aliased(ScheduledTask)
    return select(other.id).where(
        other.automation_rule_id == run.automation_rule_id,
        other.status == Status.RUNNING,
        other.cause.in_(SERIAL_CAUSES),
    )


def _wait_for_previous(session: Session, run: ScheduledTask, now: datetime) -> None:
    session.execute(
        update(ScheduledTask)
        .where(
            ScheduledTask.id == run.id,
            ScheduledTask.status == Status.PENDING,
            ScheduledTask.waiting_for.is_(None),
            _running_of_rule(run).exists(),
        )
        .values(
            waiting_for=Waiting.PREVIOUS,
            waits_for_run_id=None,
            lease_token=None,
            lease_until=None,
            waiting_since=func.coalesce(ScheduledTask.waiting_since, now),
        )
        .execution_options(synchronize_session=False)
    )


def renew(session: Session, lease: Lease, now: datetime) -> datetime | None:
    """Renew the lease at the start of every write; returns the time at which cancellation was requested.

    Raises LeaseLost when the run has another token.
    """
    row = session.execute(_RENEWED, _of_lease(lease, now)).one_or_none()
    if row is None:
        raise LeaseLost
    return row[0]


def renew_and_read(session: Session, lease: Lease, now: datetime) -> ScheduledTask:
    """Like `renew`, and returns the whole row as it is now. Raises LeaseLost."""
    run = session.scalar(_RENEWED_AND_READ, _of_lease(lease, now))
    if run is None:
        raise LeaseLost
    return run


def _of_lease(lease: Lease, now: datetime) -> RowValues:
    return {"run": lease.run_id, "token": lease.token, "until": now + LEASE}


_RENEWAL = (
    update(ScheduledTask)
    .where(
        ScheduledTask.id == bindparam("run"),
        ScheduledTask.lease_token == bindparam("token"),
        ScheduledTask.status == Status.RUNNING,
    )
    .values(lease_until=bindparam("until"))
    # No page shows the lease, and there are several of these writes per minute.
    .execution_options(synchronize_session=False, is_shown=False)
)
_RENEWED = _RENEWAL.returning(ScheduledTask.cancel_requested_at)
_RENEWED_AND_READ = _RENEWAL.returning(ScheduledTask).execution_options(populate_existing=True)


def expired(now: datetime) -> ColumnElement[bool]:
    """Clause: running rows whose worker has missed its heartbeats, or whose clock was wrong."""
    return (ScheduledTask.status == Status.RUNNING) & or_(
        ScheduledTask.lease_until < now, ScheduledTask.lease_until > now + 2 * LEASE
    )


def not_reserved(
    now: datetime | BindParameter[datetime], too_late: BindParameter[datetime] | None = None
) -> ColumnElement[bool]:
    """Clause over pending runs: no worker has reserved it, or that is over."""
    return or_(
        ScheduledTask.lease_until.is_(None),
        ScheduledTask.lease_until < now,
        ScheduledTask.lease_until > (now + 2 * LEASE if too_late is None else too_late),
    )


_CLAIM = (
    update(ScheduledTask)
    .where(
        ScheduledTask.id == bindparam("run"),
        ScheduledTask.status == Status.PENDING,
        ScheduledTask.waiting_for.is_(None),
        func.coalesce(ScheduledTask.not_before, ScheduledTask.scheduled_at) <= bindparam("now"),
        or_(
            ScheduledTask.lease_token == bindparam("reserved"),
            not_reserved(bindparam("now"), bindparam("too_late")),
        ),
        or_(ScheduledTask.cause.not_in(SERIAL_CAUSES), ~_running_of_rule(ScheduledTask).exists()),
    )
    .values(
        status=Status.RUNNING,
        lease_token=bindparam("token"),
        lease_until=bindparam("until"),
        worker=bindparam("by"),
        attempt=ScheduledTask.attempt + 1,
        started_at=func.coalesce(ScheduledTask.started_at, bindparam("now")),
    )
    .returning(ScheduledTask)
    # Open pages are notified by the row of the attempt, written in the same transaction.
    .execution_options(is_shown=False, synchronize_session=False, populate_existing=True)
)
