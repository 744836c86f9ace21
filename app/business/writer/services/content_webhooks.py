"""Tells webhooks of content: made, approved, published."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy.orm import Session

from app.business.events import EventType, Origin
from app.business.outlets.services.webhook_messages import announce
from app.business.writer.models import ContentStatus
from app.business.writer.services.record_json import records_json

OF_STATUS: dict[str, str] = {
    ContentStatus.APPROVED: "content.approved",
    ContentStatus.PUBLISHED: "content.published",
}


def announce_content(
    session: Session,
    event: EventType,
    ids: Sequence[int],
    origin: Origin,
    now: datetime,
    data: Mapping[str, JsonValue],
) -> None:
    """Write the messages about these items, in the transaction of their change."""
    webhook_event = (
        "content.generated"
        if event == EventType.CONTENT_GENERATED
        else OF_STATUS.get(str(data.get("to", "")))
    )
    if webhook_event:
        announce(
            session,
            origin.account_id,
            webhook_event,
            lambda: [{"content": shown} for shown in records_json(session, "content", ids)],
            now,
        )
