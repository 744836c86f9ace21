"""The messages of other systems that arrived lately, and the runs that they started."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask
from app.business.events import Event
from app.business.outlets.incoming_models import IncomingMessage
from app.business.outlets.services.incoming import RECORD_TYPE


@dataclass(frozen=True)
class ArrivedMessage:
    """said: as JSON, empty once it is no longer kept · runs: of each rule that listens, matching or not."""

    message: IncomingMessage
    said: str
    runs: list[ScheduledTask] = field(default_factory=list)


def arrived_messages(session: Session, account_id: int, limit: int = 10) -> Sequence[ArrivedMessage]:
    """The account's latest messages, newest first."""
    message = IncomingMessage
    its_event = and_(
        Event.account_id == account_id, Event.record_type == RECORD_TYPE, Event.record_id == message.id
    )
    latest = (
        select(message, Event.batch_id, Event.data)
        .outerjoin(Event, its_event)
        .where(message.account_id == account_id)
        .order_by(message.received_at.desc(), message.id.desc())
        .limit(limit)
    )
    found = [
        (batch_id, ArrivedMessage(row, json.dumps(said, ensure_ascii=False) if said else ""))
        for row, batch_id, said in session.execute(latest).all()
    ]
    by_batch: dict[int | None, ArrivedMessage] = {id: arrived for id, arrived in found if id is not None}
    runs = select(ScheduledTask).where(
        ScheduledTask.account_id == account_id, ScheduledTask.batch_id.in_(by_batch)
    )
    for run in session.scalars(runs.order_by(ScheduledTask.id)):
        by_batch[run.batch_id].runs.append(run)
    return [arrived for _, arrived in found]
