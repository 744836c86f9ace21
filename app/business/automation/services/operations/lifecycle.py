"""The lifecycle of operations: requested, claimed by a worker, observed, cancelled, claimed again after a lost
worker."""

import logging
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope, owned
from app.business.automation.operation_models import ENDED, Operation, OperationState
from app.business.automation.services.rule_parts import JsonObject, Stored
from app.business.automation.services.runs.opening import LONG_QUEUE
from app.business.automation.services.transactions import Clock, Transaction
from app.business.base import RowValues
from app.business.database_faults import is_passing
from app.business.errors import Conflict, NotFound, Refusal
from app.business.events import wake

LEASE = timedelta(seconds=60)
MOST_ATTEMPTS = 3
LOST = "The worker stopped answering several times. Ask for it again, or tell your administrator."
BROKEN = "Something went wrong on our side. Ask for it again; if it happens again, tell your administrator its number."

log = logging.getLogger(__name__)


class OperationLost(Exception):
    """Another worker has claimed the operation; this one must stop without writing."""


class OperationCancelled(Exception):
    """A person cancelled it. `result`: what it has achieved."""

    def __init__(self, result: JsonObject | None = None) -> None:
        super().__init__()
        self.result = result or {}


class OperationHandedBack(Exception):
    """This worker shuts down; another one executes the operation again."""


@dataclass(frozen=True)
class Progress:
    """The handler's connection to its row, and its heartbeat: call it at least every 30 seconds, or the lease
    expires."""

    transaction: Transaction
    clock: Clock
    draining: Callable[[], bool]
    operation_id: int
    token: str

    def report(self, done: int, total: int | None = None) -> None:
        """Record the progress and renew the lease, in a separate transaction.

        Raises OperationCancelled, OperationLost, OperationHandedBack.
        """
        self.hand_back_if_draining()
        with self.transaction() as session:
            cancelled = self.hold(session, done, total)
        if cancelled:
            raise OperationCancelled

    def hand_back_if_draining(self) -> None:
        """Raises OperationHandedBack when this worker shuts down."""
        if self.draining():
            raise OperationHandedBack

    def hold(self, session: Session, done: int, total: int | None = None, *, gets_on: bool = False) -> bool:
        """Like `report`, in the caller's transaction, which is then valid only while the operation is ours.

        `gets_on`: the transaction's changes are not repeated later, so the number of attempts starts anew. Returns
        whether it was cancelled. Raises OperationLost.
        """
        values: RowValues = {"done": done, "lease_until": self.clock() + LEASE}
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
class OperationOutcome:
    """What an attempt came to. result: None leaves the one that is there."""

    state: OperationState
    result: JsonObject | None = None
    error_message: str = ""


@dataclass(frozen=True)
class OperationRequest:
    """The input of a handler: account, requesting person, and parameters."""

    id: int
    account_id: int
    user_id: int | None
    params: Stored


Handler = Callable[[Transaction, OperationRequest, Progress, Clock], JsonObject]
"""Executes operations of one kind and returns the result.

It may be interrupted and executed again at any point, so it must be idempotent.
"""


def begin_operation(
    session: Session,
    *,
    account_id: int,
    kind: str,
    params: JsonObject,
    user_id: int | None,
    sites: Collection[int | None],
    now: datetime,
) -> Operation:
    """Add the row, and wake the step workers after the commit.

    `sites`: those of everything that it touches; None among them is the whole account.
    """
    operation = _add(session, account_id, kind, params, user_id, sites, now)
    wake(session, [LONG_QUEUE])
    return operation


def begin_here(
    session: Session,
    *,
    account_id: int,
    kind: str,
    params: JsonObject,
    user_id: int | None,
    sites: Collection[int | None],
    now: datetime,
) -> Operation:
    """Add an operation that this process executes itself (`execute_here`) after the commit.

    If the process dies, a worker continues it like any other.
    """
    operation = _add(session, account_id, kind, params, user_id, sites, now)
    operation.state, operation.attempts, operation.started_at = OperationState.RUNNING, 1, now
    operation.lease_token, operation.lease_until = secrets.token_hex(8), now + LEASE
    session.flush()
    return operation


def _add(
    session: Session,
    account_id: int,
    kind: str,
    params: JsonObject,
    user_id: int | None,
    sites: Collection[int | None],
    now: datetime,
) -> Operation:
    operation = Operation(
        account_id=account_id,
        kind=kind,
        params=params,
        user_id=user_id,
        site_ids=None if None in sites else sorted(site for site in {*sites} if site),
        created_at=now,
        result={},
    )
    session.add(operation)
    session.flush()
    return operation


def find_operation(session: Session, scope: Scope, id: int) -> Operation:
    """The account's operation, for people limited to sites if all it touches lies in them. Raises NotFound."""
    operation = owned(session, Operation, id, Scope(scope.account_id))
    if scope.sites is not None and (
        operation.site_ids is None or not scope.sites.issuperset(operation.site_ids)
    ):
        raise NotFound()
    return operation


def cancel_operation(session: Session, operation: Operation, now: datetime) -> None:
    """Cancel it: immediately if it has not begun, else at its next progress report. Raises Conflict when it has ended.

    An operation between two attempts is cancelled by the worker that claims it, because its changes may have to be
    settled.
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
    """Execute the oldest waiting operation to its end. False when none waits.

    One at a time, so that runs which became due in the meantime come before the next operation.
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
    """Execute an operation of `begin_here` to its end, in the process that created it."""
    asked = OperationRequest(operation.id, operation.account_id, operation.user_id, operation.params)
    progress = Progress(transaction, clock, lambda: False, operation.id, operation.lease_token or "")
    _end(progress, _outcome(transaction, handler, asked, progress, clock))


def any_waiting(session: Session) -> bool:
    """Whether an operation waits for a worker."""
    return bool(session.scalar(select(exists().where(Operation.state == OperationState.PENDING))))


def rescue_operations(session: Session, now: datetime) -> int:
    """Release operations with expired leases, for at most three attempts; returns the number released."""
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
) -> OperationOutcome | None:
    """The row's final values; None where the operation is not ours any more."""
    try:
        return OperationOutcome(OperationState.DONE, handler(transaction, asked, progress, clock))
    except OperationLost:
        return None
    except OperationHandedBack:
        return OperationOutcome(OperationState.PENDING)
    except OperationCancelled as cancelled:
        return OperationOutcome(OperationState.CANCELLED, cancelled.result)
    except Exception as error:
        if is_passing(error):
            # Like the death of a worker: the sweep releases the operation.
            raise
        return _after_fault(asked, error)


def _after_fault(asked: OperationRequest, error: Exception) -> OperationOutcome:
    if isinstance(error, Refusal):
        return OperationOutcome(OperationState.FAILED, error_message=error.message)
    log.error("operation %d failed", asked.id, exc_info=error)
    return OperationOutcome(OperationState.FAILED, error_message=BROKEN)


def _end(progress: Progress, outcome: OperationOutcome | None) -> None:
    if outcome is None:
        return
    finished_at = progress.clock() if outcome.state in ENDED else None
    ended: RowValues = {"lease_token": None, "lease_until": None, "finished_at": finished_at}
    ended |= {"state": outcome.state}
    if outcome.result is not None:
        ended["result"] = outcome.result
    if outcome.error_message:
        ended["error_message"] = outcome.error_message
    with progress.transaction() as session:
        session.execute(
            update(Operation)
            .where(_held(progress.operation_id, progress.token))
            .values(ended)
            .execution_options(synchronize_session=False)
        )
        if outcome.state == OperationState.PENDING:
            wake(session, [LONG_QUEUE])


def _held(operation_id: int, token: str) -> ColumnElement[bool]:
    return (
        (Operation.id == operation_id)
        & (Operation.lease_token == token)
        & (Operation.state == OperationState.RUNNING)
    )
