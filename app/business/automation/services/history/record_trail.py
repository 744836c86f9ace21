"""The origin of a record: the unit of the run that created it, and its price."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask
from app.business.automation.unit_models import ActionRun
from app.business.language_model import ModelUse
from app.business.planner.models import Record

USE = (
    ActionRun.model,
    ActionRun.prompt_version,
    ActionRun.tokens_in,
    ActionRun.tokens_out,
    ActionRun.ai_cost,
)


@dataclass(frozen=True)
class RecordOrigin:
    """Credits of the unit that created a record, the number of records of this type it created, and the model."""

    credits: int
    together: int
    use: ModelUse | None


def origin_of(session: Session, record: Record, record_type: str) -> RecordOrigin | None:
    """None for records that a person created, or whose run has no receipts any more."""
    if record.made_by_run_id is None:
        return None
    units = session.execute(
        select(ActionRun.credits, ActionRun.made, *USE).where(
            ActionRun.account_id == record.account_id, ActionRun.run_id == record.made_by_run_id
        )
    )
    for credits, made, model, version, sent, written, cost in units:
        together = made.get(record_type, [])
        if record.id in together:
            use = ModelUse(model, version, sent, written, cost) if model else None
            return RecordOrigin(credits, len(together), use)
    return None


def uses_of(session: Session, run: ScheduledTask) -> list[ModelUse]:
    """What the run asked of each model, in all its units together."""
    model, version, sent, written, cost = USE
    query = (
        select(model, version, func.sum(sent), func.sum(written), func.sum(cost))
        .where(ActionRun.account_id == run.account_id, ActionRun.run_id == run.id, model != "")
        .group_by(model, version)
        .order_by(model, version)
    )
    return [
        ModelUse(name, used, int(sent), int(written), None if cost is None else int(cost))
        for name, used, sent, written, cost in session.execute(query)
    ]
