"""What happened to one record: how it came, and each change of its status, with who or which run did it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from app.business.accounts.models import User
from app.business.automation.run_models import ScheduledTask
from app.business.events import Event, EventBatch, EventType
from app.business.planner.models import Record


@dataclass(frozen=True)
class PastEvent:
    """before, after: its status, empty where it was made · person, or run_id of rule_name: who did it, if known."""

    at: datetime
    before: str
    after: str
    person: str
    run_id: int | None
    rule_name: str


def past_events(session: Session, record: Record, record_type: str, limit: int) -> list[PastEvent]:
    """The newest first."""
    same_account = EventBatch.account_id == Event.account_id
    found = session.execute(
        select(
            EventBatch.created_at, EventBatch.type, Event.data, User.name, User.email, EventBatch.run_id,
            ScheduledTask.rule_name,
        )
        .join(EventBatch, and_(EventBatch.id == Event.batch_id, same_account))
        .outerjoin(User, and_(User.id == EventBatch.user_id, User.account_id == Event.account_id))
        .outerjoin(
            ScheduledTask,
            and_(ScheduledTask.id == EventBatch.run_id, ScheduledTask.account_id == Event.account_id),
        )
        .where(
            Event.account_id == record.account_id,
            Event.record_type == record_type,
            Event.record_id == record.id,
        )
        .order_by(Event.id.desc())
        .limit(limit)
    )  # fmt: skip
    return [
        PastEvent(
            at,
            str((data or {}).get("from", "")) if type == EventType.STATUS_CHANGED else "",
            str((data or {}).get("to", "")) if type == EventType.STATUS_CHANGED else "",
            name or email or "",
            run_id,
            rule_name or "",
        )
        for at, type, data, name, email, run_id, rule_name in found
    ]
