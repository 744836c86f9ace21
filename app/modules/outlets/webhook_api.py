"""REST: webhooks and the messages to them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal

from flask import Response
from pydantic import Field, StringConstraints
from sqlalchemy import select

from app.business.errors import Conflict
from app.business.outlets.outgoing_models import OutgoingStatus
from app.business.outlets.services import deliveries, webhooks
from app.business.outlets.services.webhooks import NAME_LIMIT, URL_LIMIT, WebhookValues
from app.business.outlets.webhook_models import Webhook, WebhookDelivery
from app.business.paging import keyset_page
from app.infrastructure.database import db
from app.modules.access import OWNER_OF_ALL, current_person, owned_or_404
from app.modules.api.bodies import Changes
from app.modules.api.declaration import ApiBlueprint
from app.modules.api.models import ApiModel
from app.modules.api.records import ListOf, Readable, RowId, row_to_change, show
from app.modules.api.resource import (
    Listed,
    Query,
    Schema,
    Window,
    answer,
    listed,
    report,
    require_match,
    saved,
)
from app.modules.outlets import webhook_setup
from app.modules.quotas import WEBHOOK_TESTS

api = ApiBlueprint("webhooks_api", __name__, url_prefix="/api/outlets")
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_LIMIT)]
Url = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=URL_LIMIT)]
Events = Annotated[list[str], Field(max_length=len(webhooks.EVENTS))]


class WebhookShown(Readable):
    """An address that messages are posted to. `off_reason`: why it was switched off, where nobody did it."""

    id: int
    name: str
    url: str
    events: list[str]
    is_active: bool
    failing_since: datetime | None
    off_reason: str
    created_at: datetime
    updated_at: datetime


class WebhookMade(WebhookShown):
    """With its `secret`, which is shown only this once."""

    secret: str


class WebhookNew(Schema):
    """`events`: which it is told of; a rule can post to it without any."""

    name: Name
    url: Url
    events: Events = Field(default_factory=list)
    is_active: bool = True


class WebhookChanges(Schema):
    """Keys left out stay as they are."""

    name: Name = ""
    url: Url = ""
    events: Events = Field(default_factory=list)
    is_active: bool = True


class WebhookTested(ApiModel):
    """What came of a test; `delivery`: its message."""

    ok: bool
    message: str
    response_status: int | None
    delivery: int


class DeliveryShown(Readable):
    """A message to a webhook. `next_at`: when it is tried next; null once it has ended."""

    id: int
    webhook: int = Field(validation_alias="webhook_id")
    event: str
    status: OutgoingStatus
    attempts: int
    next_at: datetime | None
    response_status: int | None
    created_at: datetime


class DeliveryQuery(Query):
    """Filters of the list of messages."""

    webhook: RowId | None = None
    status: Annotated[list[OutgoingStatus], ListOf] = Field(default_factory=list)
    ordering: Literal["created_at", "-created_at"] = "-created_at"


@api.call("GET", "/webhooks/", OWNER_OF_ALL, answers={200: Listed[WebhookShown]})
def list_webhooks(window: Window) -> Response:
    """Webhooks, newest first."""
    query = select(Webhook).where(Webhook.account_id == current_person().account.id)
    page = keyset_page(db.session(), query, keys=[Webhook.id], cursor=window.cursor, limit=window.limit)
    return listed(window, page, lambda row: show(WebhookShown, row))


@api.call("POST", "/webhooks/", OWNER_OF_ALL, answers={201: WebhookMade}, errors=(Conflict,))
def create_webhook(body: WebhookNew) -> Response:
    """A new webhook. Its secret is only in this answer."""
    row, secret = webhook_setup.add(WebhookValues(**body.model_dump()))
    return saved(answer(_made(row, secret), 201, version=row.version))


@api.call("GET", "/webhooks/<int:id>/", OWNER_OF_ALL, answers={200: WebhookShown}, if_match=True)
def get_webhook(id: int) -> Response:
    """One webhook."""
    row = owned_or_404(Webhook, id)
    return answer(show(WebhookShown, row), version=row.version)


@api.call("PATCH", "/webhooks/<int:id>/", OWNER_OF_ALL, answers={200: WebhookShown}, if_match=True)
def change_webhook(id: int, body: Changes[WebhookChanges]) -> Response:
    """Change one webhook. Switched off, what waits for it is not sent."""
    row = row_to_change(Webhook, id)
    changes = body.of(row, show(WebhookShown, row))
    webhook_setup.change(row, replace(webhook_setup.values_of(row), **changes))
    return saved(answer(show(WebhookShown, row), version=row.version))


@api.call("DELETE", "/webhooks/<int:id>/", OWNER_OF_ALL, answers={204: None}, if_match=True)
def remove_webhook(id: int) -> tuple[str, int]:
    """Delete a webhook with its secret and its messages."""
    row = row_to_change(Webhook, id)
    require_match(show(WebhookShown, row), row.version)
    webhooks.remove(db.session(), row, current_person().actor, datetime.now(UTC))
    db.session.commit()
    return "", 204


@api.call(
    "POST", "/webhooks/<int:id>/rotate-secret/", OWNER_OF_ALL, answers={200: WebhookMade}, if_match=True
)
def rotate_secret(id: int) -> Response:
    """A new secret, only in this answer. For a day messages are signed with the one before as well."""
    row = row_to_change(Webhook, id)
    require_match(show(WebhookShown, row), row.version)
    secret = webhook_setup.rotate(row)
    return saved(answer(_made(row, secret), version=row.version))


@api.call("POST", "/webhooks/<int:id>/test/", OWNER_OF_ALL, answers={200: WebhookTested}, quota=WEBHOOK_TESTS)
def test_webhook(id: int) -> Response:
    """Post a message of type `webhook.test` now, once."""
    delivery, came = webhook_setup.test(owned_or_404(Webhook, id))
    tested = WebhookTested(
        ok=came.is_accepted,
        message=webhook_setup.sentence_of(came),
        response_status=came.status,
        delivery=delivery,
    )
    return report(tested)


@api.call("GET", "/deliveries/", OWNER_OF_ALL, answers={200: Listed[DeliveryShown]})
def list_deliveries(query: DeliveryQuery, window: Window) -> Response:
    """Messages to webhooks, newest first."""
    page = deliveries.page_of_deliveries(
        db.session(),
        current_person().account.id,
        webhook_id=query.webhook,
        statuses=query.status,
        cursor=window.cursor,
        limit=window.limit,
        oldest=query.ordering == "created_at",
    )
    return listed(window, page, lambda row: show(DeliveryShown, row))


@api.call(
    "POST", "/deliveries/<int:id>/resend/", OWNER_OF_ALL, answers={202: DeliveryShown}, errors=(Conflict,)
)
def resend_delivery(id: int) -> Response:
    """Send a message that has ended again, with the same `webhook-id`."""
    row = owned_or_404(WebhookDelivery, id)
    deliveries.resend(db.session(), row, datetime.now(UTC))
    return saved(answer(show(DeliveryShown, row), 202))


def _made(row: Webhook, secret: str) -> WebhookMade:
    return WebhookMade(**show(WebhookShown, row).model_dump(), secret=secret)
