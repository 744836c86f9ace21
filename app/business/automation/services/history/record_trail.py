"""Where a record comes from: the unit of the run that made it, and what that cost."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.run_models import ActionRun
from app.business.planner.models import Record


@dataclass(frozen=True)
class RecordOrigin:
    """Credits of the piece of work that made a record, and how many of its kind were made together."""

    credits: int
    together: int


def origin_of(session: Session, record: Record, record_type: str) -> RecordOrigin | None:
    """None for what a person made, or where the run's receipts are gone."""
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
