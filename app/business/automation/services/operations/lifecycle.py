"""The life of an operation: asked for, taken by one worker, watched, cancelled, taken again when its worker is lost."""

import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope, owned
from app.business.automation.operation_models import ENDED, Operation, OperationState
from app.business.automation.services.runs.opening import LONG_QUEUE
from app.business.automation.services.transactions import Clock, Transaction
from app.business.database_faults import is_passing
from app.business.errors import Conflict, Refusal
from app.business.events import wake

LEASE = timedelta(seconds=60)
MOST_ATTEMPTS = 3
LOST = "The worker stopped answering several times. Ask for it again, or tell your administrator."
BROKEN = "Something went wrong on our side. Ask for it again; if it happens again, tell your administrator its number."

log = logging.getLogger(__name__)


class OperationLost(Exception):
    """Another worker has taken the operation over; this one must stop without a trace."""


class OperationCancelled(Exception):
    """A person asked it to stop. `result`: what came of it all the same."""

    def __init__(self, result: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.result = result or {}


class OperationHandedBack(Exception):
    """This worker is going away; another one begins the operation again."""


@dataclass(frozen=True)
class Progress:
    """The handler's line to its row. To be called at least every half minute, or the worker counts as lost."""

    transaction: Transaction
    clock: Clock
    draining: Callable[[], bool]
    operation_id: int
    token: str

    def tell(self, done: int, total: int | None = None) -> None:
        """Write how far the work is, in a transaction of its own.

        Raises OperationCancelled, OperationLost, OperationHandedBack.
        """
        self.hand_back_if_draining()
        with self.transaction() as session:
            cancelled = self.hold(session, done, total)
        if cancelled:
            raise OperationCancelled

    def hand_back_if_draining(self) -> None:
        """Raises OperationHandedBack when this worker is going away."""
        if self.draining():
            raise OperationHandedBack

    def hold(self, session: Session, done: int, total: int | None = None, *, gets_on: bool = False) -> bool:
        """The same in the caller's transaction, whose other writes count only while the operation is ours.

        `gets_on`: what this transaction writes is not done again, so a worker lost later counts as the first.
        Returns whether somebody wants it cancelled. Raises OperationLost.
        """
        values: dict[str, Any] = {"done": done, "lease_until": self.clock() + LEASE}
        if gets_on:
            values["attempts"] = 1
        row = session.execute(
            update(Operation)
            .where(_held(self.operation_id, self.token))
            .values(values if total is None else values | {"total": total})
            .returning(Operation.cancel_requested_at)
            .execution_options(synchronize_session=False)
        ).one_or_none()
        if row is None:
            raise OperationLost
        return row[0] is not None


@dataclass(frozen=True)
class OperationRequest:
    """What a handler works from: whose operation it is, who asked, and for what."""

    id: int
    account_id: int
    user_id: int | None
    params: Mapping[str, Any]


Handler = Callable[[Transaction, OperationRequest, Progress, Clock], dict[str, Any]]
"""Does the work of one kind, gives its result. It may be begun again at any point: what it changes it changes once."""


def begin_operation(
    session: Session,
    *,
    account_id: int,
    kind: str,
    params: dict[str, Any],
    user_id: int | None,
    now: datetime,
) -> Operation:
    """Add the row and ask the step workers for a look after the commit."""
    operation = _add(session, account_id, kind, params, user_id, now)
    wake(session, [LONG_QUEUE])
    return operation


def begin_here(
    session: Session,
    *,
    account_id: int,
    kind: str,
    params: dict[str, Any],
    user_id: int | None,
    now: datetime,
) -> Operation:
    """Add the row of one that this process executes itself (`execute_here`) once the transaction is committed.

    If it dies, a worker continues it as any other.
    """
    operation = _add(session, account_id, kind, params, user_id, now)
    operation.state, operation.attempts, operation.started_at = OperationState.RUNNING, 1, now
    operation.lease_token, operation.lease_until = secrets.token_hex(8), now + LEASE
    session.flush()
    return operation


def _add(
    session: Session, account_id: int, kind: str, params: dict[str, Any], user_id: int | None, now: datetime
) -> Operation:
    operation = Operation(
        account_id=account_id, kind=kind, params=params, user_id=user_id, created_at=now, result={}
    )
    session.add(operation)
    session.flush()
    return operation


def find_operation(session: Session, scope: Scope, id: int) -> Operation:
    """The account's operation. Raises NotFound."""
    return owned(session, Operation, id, scope)


def cancel_operation(session: Session, operation: Operation, now: datetime) -> None:
    """Stop it: at once where it has not begun, else at its next word. Raises Conflict when it has ended.

    One that waits to be taken again is stopped by the worker that takes it: what it has done may have to be ended.
    """
    if operation.state in ENDED:
        raise Conflict("It has ended already.")
    mine = update(Operation).where(Operation.id == operation.id)
    session.execute(
        mine.where(Operation.state == OperationState.PENDING, Operation.attempts == 0).values(
            state=OperationState.CANCELLED, finished_at=now, cancel_requested_at=now
        )
    )
    session.execute(mine.where(Operation.state.not_in(ENDED)).values(cancel_requested_at=now))
    session.refresh(operation)


def execute_next(
    transaction: Transaction,
    handlers: Mapping[str, Handler],
    clock: Clock,
    draining: Callable[[], bool] = lambda: False,
) -> bool:
    """Take the oldest operation that waits to its end. False when none waits.

    One at a time: runs that came due meanwhile have their turn before the next one.
    """
    with transaction() as session:
        taken = _take(session, clock())
    if taken is None:
        return False
    asked, kind, token = taken
    progress = Progress(transaction, clock, draining, asked.id, token)
    _end(progress, _outcome(transaction, handlers[kind], asked, progress, clock))
    with transaction() as session:
        if any_waiting(session):
            wake(session, [LONG_QUEUE])
    return True


def execute_here(transaction: Transaction, operation: Operation, handler: Handler, clock: Clock) -> None:
    """Execute one of `begin_here` to its end, in the process that has begun it."""
    asked = OperationRequest(operation.id, operation.account_id, operation.user_id, operation.params)
    progress = Progress(transaction, clock, lambda: False, operation.id, operation.lease_token or "")
    _end(progress, _outcome(transaction, handler, asked, progress, clock))


def any_waiting(session: Session) -> bool:
    """Whether an operation waits for a worker."""
    return bool(session.scalar(select(exists().where(Operation.state == OperationState.PENDING))))


def rescue_operations(session: Session, now: datetime) -> int:
    """Set operations of silent workers going again, at most three times; returns the number taken back."""
    silent = (Operation.state == OperationState.RUNNING) & (
        (Operation.lease_until < now) | (Operation.lease_until > now + 2 * LEASE)
    )
    free = {"lease_token": None, "lease_until": None}
    given_up = update(Operation).where(silent, Operation.attempts >= MOST_ATTEMPTS)
    session.execute(given_up.values(**free, state=OperationState.FAILED, error_message=LOST, finished_at=now))
    again = update(Operation).where(silent).values(**free, state=OperationState.PENDING)
    taken_back = session.scalars(again.returning(Operation.id)).all()
    if taken_back:
        wake(session, [LONG_QUEUE])
    return len(taken_back)


def _take(session: Session, now: datetime) -> tuple[OperationRequest, str, str] | None:
    oldest = select(Operation.id).where(Operation.state == OperationState.PENDING).order_by(Operation.id)
    token = secrets.token_hex(8)
    row = session.execute(
        update(Operation)
        .where(Operation.id == oldest.limit(1).scalar_subquery(), Operation.state == OperationState.PENDING)
        .values(
            state=OperationState.RUNNING,
            lease_token=token,
            lease_until=now + LEASE,
            attempts=Operation.attempts + 1,
            started_at=now,
            done=0,
        )
        .returning(Operation.id, Operation.account_id, Operation.user_id, Operation.params, Operation.kind)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return (
        (OperationRequest(row.id, row.account_id, row.user_id, row.params), row.kind, token) if row else None
    )


def _outcome(
    transaction: Transaction, handler: Handler, asked: OperationRequest, progress: Progress, clock: Clock
) -> dict[str, Any] | None:
    """What to write into the row at the end; None where it is no longer ours."""
    try:
        return {"state": OperationState.DONE, "result": handler(transaction, asked, progress, clock)}
    except OperationLost:
        return None
    except OperationHandedBack:
        return {"state": OperationState.PENDING}
    except OperationCancelled as cancelled:
        return {"state": OperationState.CANCELLED, "result": cancelled.result}
    except Exception as error:
        if is_passing(error):
            # As after the death of its worker: the sweep sets it going again.
            raise
        return _after_fault(asked, error)


def _after_fault(asked: OperationRequest, error: Exception) -> dict[str, Any]:
    if isinstance(error, Refusal):
        return {"state": OperationState.FAILED, "error_message": error.message}
    log.error("operation %d failed", asked.id, exc_info=error)
    return {"state": OperationState.FAILED, "error_message": BROKEN}


def _end(progress: Progress, outcome: dict[str, Any] | None) -> None:
    if outcome is None:
        return
    finished_at = progress.clock() if outcome["state"] in ENDED else None
    with progress.transaction() as session:
        session.execute(
            update(Operation)
            .where(_held(progress.operation_id, progress.token))
            .values(**outcome, lease_token=None, lease_until=None, finished_at=finished_at)
            .execution_options(synchronize_session=False)
        )
        if outcome["state"] == OperationState.PENDING:
            wake(session, [LONG_QUEUE])


def _held(operation_id: int, token: str) -> ColumnElement[bool]:
    return (
        (Operation.id == operation_id)
        & (Operation.lease_token == token)
        & (Operation.state == OperationState.RUNNING)
    )
