"""The receipts of units: begun, done, left out or failed. One row for each unit, whatever happens in between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.orm import Session

from app.business.automation.run_documents import PendingWork
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.steps import Step
from app.business.automation.unit_models import ActionRun
from app.business.base import Assigned, RowValues
from app.business.language_model import ModelUse
from app.business.outlets.services import ai_spending
from app.business.row_sets import insert_each

SKIPPED = "The step's own condition does not hold for it."


@dataclass(frozen=True)
class Unit:
    """One step's work on one record, on one sector's records, or (notices, pauses) once for the run."""

    step: Step
    record_type: str
    record_id: int
    ids: tuple[int, ...]
    key: str
    is_new: bool = False
    """Whether it certainly has no receipt yet."""


@dataclass(frozen=True)
class Done:
    """The result of a unit: ids of created rows by type, number of records placed, credits to charge, a short
    sentence.

    near_doubles: number of ideas not made because they would compete with other pages.
    """

    made: dict[str, list[int]] = field(default_factory=dict)
    records: int = 1
    credits: int = 0
    message: str = ""
    use: ModelUse | None = None
    near_doubles: int = 0


@dataclass(frozen=True)
class LeftOut:
    """The record is not in a state that this action accepts; nothing is done and nothing is charged."""

    message: str


@dataclass(frozen=True)
class Failure:
    """Why a unit failed: `reason` code, plain sentence, technical detail, and whether the fault is transient.

    use: what an AI service counted nevertheless · unused: it did no work for the unit · call_key: of the call that
    failed, where that is not the unit's own · fault: the class of the fault · of_service: an AI service's fault.
    """

    unit: Unit
    reason: str
    message: str
    detail: str = ""
    is_passing: bool = False
    retry_after: float | None = None
    use: ModelUse | None = None
    unused: bool = False
    call_key: str = ""
    fault: str = "fault"
    of_service: bool = False


@dataclass(frozen=True)
class Later:
    """The record's turn comes at `until`, and why; the run goes on with the others, and waits for that then."""

    message: str
    until: datetime


@dataclass(frozen=True)
class Ask:
    """A person is asked about the record, and answers by `until` or never; the run waits for it after the others.

    who: roles, and ids of people, who may answer.
    """

    message: str
    until: datetime
    who: tuple[int | str, ...]


@dataclass
class Outcome:
    """The result of a run's steps: failed units, work for a follow-up, notes for the result.

    not_begun: step -> number of units that were not tried because the external service had stopped answering ·
    later: units that can be done on another day · asks: units that wait for a person · ended: why the steps after one
    that decides are not executed.
    """

    failures: list[Failure] = field(default_factory=list)
    not_begun: dict[int, int] = field(default_factory=dict)
    rest: list[PendingWork] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    later: list[Later] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    ended: str = ""

    def put_off(self, unit: Later | Ask) -> None:
        """Note a unit that cannot be done now."""
        if isinstance(unit, Later):
            self.later.append(unit)
        else:
            self.asks.append(unit)


class Refused(Exception):
    """Raised by a handler that detects while writing that the record is left out: its writes are rolled back."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.reason = LeftOut(message)


def unit_key(run_id: int, step: int, record_id: int) -> str:
    """The idempotency key of a unit for provider, ledger and created records; the same in every attempt."""
    return f"r{run_id}-s{step}-{record_id}"


def begin(session: Session, context: RunContext, unit: Unit, now: datetime) -> None:
    """Record that work on the unit begins; another attempt increases its count."""
    known = None if unit.is_new else _receipt(session, context, unit)
    if known is None:
        session.execute(insert(ActionRun), [_row(context, unit, now) | {"status": "started"}])
    else:
        known.status, known.attempts, known.message = "started", known.attempts + 1, ""
        session.flush()


def finish(
    session: Session, context: RunContext, unit: Unit, done: Done, credits: int, now: datetime
) -> None:
    """Write the unit's receipt, in the transaction of its results and its charge."""
    _write(session, context, unit, {**_done(done, credits), **added_use(done.use)}, now)
    if done.use:
        ai_spending.settle(session, context.account, unit.key, done.use, unused=False, now=now)


def finish_at_once(
    session: Session, context: RunContext, unit: Unit, done: Done, credits: int, now: datetime
) -> None:
    """The receipt of a unit that was begun in the same transaction."""
    _write_at_once(session, context, unit, _done(done, credits), now)


def receipt_of_done(account_id: int, run_id: int, unit: Unit, done: Done, now: datetime) -> RowValues:
    """The row of a new unit that is done, and is charged what it costs."""
    return _new_row(account_id, run_id, unit, now) | {"finished_at": now} | _done(done, done.credits)


def finish_all_at_once(
    session: Session,
    context: RunContext,
    units: Sequence[Unit],
    ends: Sequence[Done | LeftOut],
    now: datetime,
) -> None:
    """The receipts of new units that are done free of charge, or left out."""
    common: RowValues = {"finished_at": now, "credits": 0, "near_doubles": 0}
    rows = [_row(context, unit, now) | common | _ended(end) for unit, end in zip(units, ends, strict=True)]
    insert_each(session, ActionRun, rows)


def leave_out(session: Session, context: RunContext, unit: Unit, reason: LeftOut, now: datetime) -> None:
    """Record that the action does not accept the record; counted in the result."""
    _write_at_once(session, context, unit, {"status": "left_out", "message": reason.message}, now)


def fail_at_once(session: Session, context: RunContext, failure: Failure, now: datetime) -> None:
    """The failure of a unit that was begun in the same transaction."""
    _write_at_once(session, context, failure.unit, {"status": "failed", "message": failure.message}, now)


def skip(session: Session, context: RunContext, step: Step, ids: Sequence[int], now: datetime) -> None:
    """Record that the step's condition excludes these records, so that a later attempt does not check it again."""
    if rows := receipts_of_skipped(context.account.id, context.run.id, step, ids, now):
        session.execute(insert(ActionRun), rows)


def receipts_of_skipped(
    account_id: int, run_id: int, step: Step, ids: Sequence[int], now: datetime
) -> list[RowValues]:
    """The rows of records that the step's condition excludes."""
    return [
        {
            "account_id": account_id,
            "run_id": run_id,
            "step": step.index,
            "type": step.entry.key,
            "record_type": step.record_type,
            "record_id": record_id,
            "status": "left_out",
            "provider_key": unit_key(run_id, step.index, record_id),
            "records": 0,
            "made": {},
            "credits": 0,
            "message": SKIPPED,
            "started_at": now,
            "finished_at": now,
        }
        for record_id in ids
    ]


def fail(session: Session, context: RunContext, failure: Failure, now: datetime) -> None:
    """The unit failed and costs nothing; a retry does it again with the same key."""
    values: dict[str, Assigned] = {"status": "failed", "message": failure.message, **added_use(failure.use)}
    _write(session, context, failure.unit, values, now)
    if failure.unit.step.entry.asks_model or failure.unit.step.entry.may_ask_model:
        key = failure.call_key or failure.unit.key
        ai_spending.settle(session, context.account, key, failure.use, unused=failure.unused, now=now)


def added_use(use: ModelUse | None) -> dict[str, Assigned]:
    """Columns of what the AI service counted, added to what earlier calls took."""
    if use is None:
        return {}
    return {
        "model": use.model,
        "prompt_version": use.prompt_version,
        "tokens_in": ActionRun.tokens_in + use.tokens_in,
        "tokens_out": ActionRun.tokens_out + use.tokens_out,
        "ai_cost": ActionRun.ai_cost.expression
        if use.cost is None
        else func.coalesce(ActionRun.ai_cost, 0) + use.cost,
    }


def _row(context: RunContext, unit: Unit, now: datetime) -> RowValues:
    return _new_row(context.account.id, context.run.id, unit, now)


def _new_row(account_id: int, run_id: int, unit: Unit, now: datetime) -> RowValues:
    return {
        "account_id": account_id,
        "run_id": run_id,
        "step": unit.step.index,
        "type": unit.step.entry.key,
        "record_type": unit.record_type,
        "record_id": unit.record_id,
        "provider_key": unit.key,
        "started_at": now,
    }


def _done(done: Done, credits: int) -> RowValues:
    return {
        "status": "done",
        "made": done.made,
        "records": done.records,
        "credits": credits,
        "message": done.message,
        "near_doubles": done.near_doubles,
    }


def _ended(end: Done | LeftOut) -> RowValues:
    if isinstance(end, Done):
        return _done(end, 0)
    return {"status": "left_out", "made": {}, "records": 0, "message": end.message}


def _write_at_once(
    session: Session, context: RunContext, unit: Unit, values: RowValues, now: datetime
) -> None:
    if unit.is_new:
        row = _row(context, unit, now) | {"finished_at": now} | values
        session.execute(insert(ActionRun), [row])
        return
    begin(session, context, unit, now)
    _write(session, context, unit, values, now)


def _write(
    session: Session, context: RunContext, unit: Unit, values: Mapping[str, Assigned], now: datetime
) -> None:
    session.execute(
        update(ActionRun)
        .where(*receipt_clause(context, unit))
        .values(finished_at=now, **values)
        .execution_options(synchronize_session="fetch")
    )


def _receipt(session: Session, context: RunContext, unit: Unit) -> ActionRun | None:
    return session.scalar(select(ActionRun).where(*receipt_clause(context, unit)))


def left_out_of_step(session: Session, context: RunContext, step: Step) -> str:
    """Why the unit of a step that has one for the whole run is left out; empty where it is not."""
    query = select(ActionRun.message).where(
        ActionRun.account_id == context.run.account_id,
        ActionRun.run_id == context.run.id,
        ActionRun.step == step.index,
        ActionRun.record_type == "run",
        ActionRun.status == "left_out",
    )
    return session.scalar(query) or ""


def receipt_clause(context: RunContext, unit: Unit) -> tuple[ColumnElement[bool], ...]:
    """The unit's receipt."""
    return (
        ActionRun.account_id == context.run.account_id,
        ActionRun.run_id == context.run.id,
        ActionRun.step == unit.step.index,
        ActionRun.record_type == unit.record_type,
        ActionRun.record_id == unit.record_id,
    )
