"""The undo of a run as an operation: looked at, asked for, carried out in parts, resumed after interruptions.

The result grows in the transaction of each part, so it is true whenever the work is interrupted; carried out again,
records that are undone already are left out.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import Update, select, update
from sqlalchemy.orm import Session

from app.business.accounts.services import audit_log
from app.business.accounts.services.audit_log import AuditActor
from app.business.automation.models import RuleRecord
from app.business.automation.operation_models import ENDED, Operation
from app.business.automation.run_models import CLOSED, ScheduledTask
from app.business.automation.services.automation_service import Actor
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.operations.lifecycle import (
    OperationCancelled,
    OperationRequest,
    Progress,
    begin_operation,
)
from app.business.automation.services.operations.undo.footprint import (
    UndoneRun,
    chunks,
    footprint_of,
    undone,
)
from app.business.automation.services.operations.undo.verdicts import Foreseen, decide
from app.business.automation.services.operations.undo.writing import Tally, Undoing, undo_some
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.transactions import Clock, Transaction
from app.business.errors import Conflict

KIND = "undo"
RECORDS_AT_ONCE = 20
NOTHING = "This run made nothing and set no status, so there is nothing to undo."


class UndoParams(BaseModel):
    """The run to undo, and the key that asked for it."""

    run: int
    api_key: int | None = None


def refusal(session: Session, run: ScheduledTask) -> str:
    """Why the run cannot be undone now, and what to do; empty where it can."""
    if run.status not in CLOSED:
        return "This run has not ended. Cancel it first, or wait until it is done."
    if run.retry_at is not None:
        return "This run is tried again by itself when its service answers. Retry it or switch its rule off first."
    if run.undo_id and session.get_one(Operation, run.undo_id, populate_existing=True).state not in ENDED:
        return "This run is being undone already."
    for follower in followers_of(session, run):
        if follower.status not in CLOSED:
            return f"Run {follower.id} goes on with its work and has not ended. Cancel that one first, or wait for it."
    return "" if footprint_of(session, undone(run)) else NOTHING


def followers_of(session: Session, run: ScheduledTask) -> Sequence[ScheduledTask]:
    """The runs that went on with the run's work, in order."""
    found: list[ScheduledTask] = []
    next_id: int | None = run.id
    while next_id:
        later = session.scalar(select(ScheduledTask).where(ScheduledTask.follows_id == next_id))
        found += [later] if later else []
        next_id = later.id if later else None
    return found


def foresee(session: Session, run: ScheduledTask) -> Tally:
    """What undoing the run would do now; nothing is changed."""
    tally, foreseen, one = Tally(), Foreseen(), undone(run)
    for record_type, all_ids in footprint_of(session, one).items():
        model = MODELS[record_type]
        for ids in chunks(all_ids):
            own = model.account_id == run.account_id, model.id.in_(ids)
            records = session.scalars(select(model).where(*own).order_by(model.id)).all()
            for verdict in decide(session, one, record_type, records, foreseen):
                foreseen.add(record_type, verdict)
                tally.note(record_type, verdict)
    return tally


def begin_undo(session: Session, run: ScheduledTask, actor: Actor, now: datetime) -> Operation:
    """Request it. From now on the run is not retried, and its records stay handled. Raises Conflict."""
    if why := refusal(session, run):
        raise Conflict(why)
    operation = begin_operation(
        session,
        account_id=run.account_id,
        kind=KIND,
        params=UndoParams(run=run.id, api_key=actor.api_key_id).model_dump(),
        user_id=actor.user_id,
        sites={run.site_id},
        now=now,
    )
    _mark(session, run, operation)
    _keep_handled(session, run, now)
    who = AuditActor(actor.user_id, actor.api_key_id)
    audit_log.record(session, run.account_id, who, "run.undone", run, {"operation": operation.id}, now)
    return operation


def run_undo(
    transaction: Transaction, asked: OperationRequest, progress: Progress, clock: Clock
) -> JsonObject:
    """Undo the run's records, children before their parents."""
    params = UndoParams.model_validate(asked.params)
    run = UndoneRun(asked.account_id, params.run)
    undoing = Undoing(run, asked.id, AuditActor(asked.user_id, params.api_key))
    with transaction() as session:
        parts = _parts(footprint_of(session, run))
    done, total = 0, sum(len(ids) for _, ids in parts)
    progress.report(0, total)
    for record_type, ids in parts:
        done += len(ids)
        progress.hand_back_if_draining()
        with transaction() as session:
            cancelled = progress.hold(session, done, gets_on=True)
            tally = _tally(session, asked.id)
            if cancelled:
                raise OperationCancelled(tally.as_result())
            undo_some(session, undoing, record_type, ids, tally, clock())
            session.execute(_own(asked.id).values(result=tally.as_result()))
    with transaction() as session:
        return _tally(session, asked.id).as_result()


def _parts(footprint: Mapping[str, Sequence[int]]) -> list[tuple[str, Sequence[int]]]:
    return [(name, ids) for name, all_ids in footprint.items() for ids in chunks(all_ids, RECORDS_AT_ONCE)]


def _tally(session: Session, operation_id: int) -> Tally:
    return Tally.read(session.scalars(select(Operation.result).where(Operation.id == operation_id)).one())


def _own(operation_id: int) -> Update:
    mine = update(Operation).where(Operation.id == operation_id)
    return mine.execution_options(synchronize_session=False)


def _mark(session: Session, run: ScheduledTask, operation: Operation) -> None:
    """Guarded: of two requests at once only one gets it, and a run that is retried meanwhile is not undone."""
    row = ScheduledTask
    marked = session.execute(
        update(row)
        .where(
            row.id == run.id,
            row.status.in_(CLOSED),
            row.retry_at.is_(None),
            row.undo_id.is_(None) if run.undo_id is None else row.undo_id == run.undo_id,
        )
        .values(undo_id=operation.id)
        .returning(row.id)
        .execution_options(synchronize_session=False)
    )
    if marked.first() is None:
        raise Conflict("This run was retried or undone meanwhile. Look at it once more.")
    session.refresh(run)


def _keep_handled(session: Session, run: ScheduledTask, now: datetime) -> None:
    """Nobody works on its records again without being asked, also where it had not finished them."""
    row = RuleRecord
    session.execute(
        update(row)
        .where(row.account_id == run.account_id, row.run_id == run.id, row.state.in_(("free", "set_aside")))
        .values(state="handled", handled_at=now, failures=0, unfinished_run_id=None, updated_at=now)
        .execution_options(synchronize_session=False)
    )
