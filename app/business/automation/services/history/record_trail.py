"""The origin of a record: the unit of the run that created it, and its price."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.run_models import ActionRun
from app.business.planner.models import Record


@dataclass(frozen=True)
class RecordOrigin:
    """Credits of the unit that created a record, and the number of records of this type it created."""

    credits: int
    together: int


def origin_of(session: Session, record: Record, record_type: str) -> RecordOrigin | None:
    """None for records that a person created, or whose run has no receipts any more."""
    if record.made_by_run_id is None:
        return None
    units = session.execute(
        select(ActionRun.credits, ActionRun.made).where(
            ActionRun.account_id == record.account_id, ActionRun.run_id == record.made_by_run_id
        )
    )
    for credits, made in units:
        together = made.get(record_type, [])
        if record.id in together:
            return RecordOrigin(credits, len(together))
    return None
