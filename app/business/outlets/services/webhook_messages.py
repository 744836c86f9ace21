"""Writes messages to webhooks, in the transaction of what they report; workers send them after its commit."""

import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from pydantic import JsonValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.base import RowValues
from app.business.events import wake
from app.business.outlets.outgoing_models import OutgoingStatus
from app.business.outlets.services.outgoing import DELIVERIES_QUEUE
from app.business.outlets.webhook_models import Webhook, WebhookDelivery
from app.business.upsert import insert_many_new

ACTION_EVENT, TEST_EVENT = "rule.action", "webhook.test"


def announce(
    session: Session,
    account_id: int,
    event: str,
    data: Callable[[], Iterable[Mapping[str, JsonValue]]],
    now: datetime,
) -> None:
    """Write a message for each of `data` and each active webhook that is subscribed to `event`.

    data: what is reported; called only if a webhook is subscribed.
    """
    subscribed = subscribers(session, account_id, event)
    if not subscribed:
        return
    rows = [message_row(webhook, event, one, now) for one in data() for webhook in subscribed]
    if rows:
        insert_many_new(session, WebhookDelivery, rows, WebhookDelivery.id)
        wake(session, [DELIVERIES_QUEUE])


def subscribers(session: Session, account_id: int, event: str) -> list[Webhook]:
    """Active webhooks of the account that are subscribed to `event`."""
    active = select(Webhook).where(Webhook.account_id == account_id, Webhook.is_active)
    return [webhook for webhook in session.scalars(active.order_by(Webhook.id)) if event in webhook.events]


def post(
    session: Session, webhook: Webhook, event: str, data: Mapping[str, JsonValue], *, key: str, now: datetime
) -> None:
    """Write one message; a second call with the same key writes nothing."""
    insert_many_new(
        session, WebhookDelivery, [message_row(webhook, event, data, now, key)], WebhookDelivery.id
    )
    wake(session, [DELIVERIES_QUEUE])


def host_of(url: str) -> str:
    """Host and port of an address."""
    return urlsplit(url).netloc.lower()[:255]


def message_row(
    webhook: Webhook, event: str, data: Mapping[str, JsonValue], now: datetime, key: str | None = None
) -> RowValues:
    return {
        "account_id": webhook.account_id,
        "webhook_id": webhook.id,
        "event": event,
        "message_id": f"msg_{secrets.token_hex(16)}",
        "key": key,
        "body": _body(event, data, now),
        "status": OutgoingStatus.PENDING,
        "host": host_of(webhook.url),
        "attempts": 0,
        "tries": 0,
        "next_at": now,
        "log": [],
        "created_at": now,
    }


def _body(event: str, data: Mapping[str, JsonValue], now: datetime) -> str:
    at = now.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return json.dumps(
        {"type": event, "timestamp": at, "data": data}, ensure_ascii=False, separators=(",", ":")
    )
