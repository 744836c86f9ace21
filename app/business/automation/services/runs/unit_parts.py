"""The parts of a unit that an AI service answers one by one: each is kept, so that a crash repeats one part."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.unit_receipts import Unit, added_use, receipt_clause
from app.business.automation.unit_models import ActionRun, UnitPart
from app.business.language_model import ModelUse
from app.business.outlets.services import ai_spending


@dataclass(frozen=True)
class Part:
    """What one call came to. use: what the service counted for it; None where none was called."""

    kind: str
    data: JsonObject
    use: ModelUse | None = None


def part_key(unit: Unit, number: int) -> str:
    """The idempotency key of a part for the provider; the same in every attempt."""
    return f"{unit.key}-p{number}"


def parts_of(session: Session, context: RunContext, unit: Unit) -> list[UnitPart]:
    """The parts that are there, in their order."""
    query = select(UnitPart).where(*_of(context, unit)).order_by(UnitPart.number)
    return list(session.scalars(query))


def keep(session: Session, context: RunContext, unit: Unit, part: Part, now: datetime) -> None:
    """Keep the part as the next one, with what was counted for it."""
    last = session.scalar(select(func.max(UnitPart.number)).where(*_of(context, unit))) or 0
    row = UnitPart(
        account_id=context.run.account_id,
        run_id=context.run.id,
        step=unit.step.index,
        record_id=unit.record_id,
        number=last + 1,
        key=part_key(unit, last + 1),
        attempt=context.run.attempt,
        kind=part.kind,
        data=part.data,
        created_at=now,
    )
    session.add(row)
    session.flush()
    if part.use:
        used = update(ActionRun).where(*receipt_clause(context, unit)).values(added_use(part.use))
        session.execute(used.execution_options(synchronize_session="fetch"))
    ai_spending.settle(session, context.account, row.key, part.use, unused=part.use is None, now=now)


def forget(session: Session, context: RunContext, unit: Unit) -> None:
    """The unit is done: what it made stands elsewhere."""
    session.execute(delete(UnitPart).where(*_of(context, unit)))


def _of(context: RunContext, unit: Unit) -> tuple[ColumnElement[bool], ...]:
    return (
        UnitPart.account_id == context.run.account_id,
        UnitPart.run_id == context.run.id,
        UnitPart.step == unit.step.index,
        UnitPart.record_id == unit.record_id,
    )
