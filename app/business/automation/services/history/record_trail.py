"""The origin of a record: the unit of the run that created it, and its price."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

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


def uses_in(units: Iterable[ActionRun]) -> list[ModelUse]:
    """What these units asked of each model, all together. A cost that is not known is left out."""
    found: dict[tuple[str, str], list[ActionRun]] = defaultdict(list)
    for unit in units:
        if unit.model:
            found[unit.model, unit.prompt_version].append(unit)
    return [
        ModelUse(
            model,
            version,
            sum(unit.tokens_in for unit in asked),
            sum(unit.tokens_out for unit in asked),
            _sum_of_known(unit.ai_cost for unit in asked),
        )
        for (model, version), asked in sorted(found.items())
    ]


def _sum_of_known(costs: Iterable[int | None]) -> int | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None
