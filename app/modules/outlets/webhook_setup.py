"""Saving and testing webhooks and renewing their secrets, for their pages and the API."""

from datetime import UTC, datetime

from app.business.errors import Invalid
from app.business.outlets.services import deliveries, webhooks
from app.business.outlets.services.deliveries import AttemptResult
from app.business.outlets.services.webhooks import WebhookValues
from app.business.outlets.webhook_models import Webhook
from app.infrastructure.database import db
from app.infrastructure.outbound.policy import OutboundPolicy, OutboundRefused
from app.infrastructure.secret_box import SecretBox
from app.infrastructure.webhooks.sender import send
from app.modules.access import current_person
from app.modules.outlets.connection import settings

ACCEPTED = "It answered {status}: the message was accepted."


def add(values: WebhookValues) -> tuple[Webhook, str]:
    """Create a webhook; returns it and its secret. Raises Conflict; Invalid, also for a forbidden address."""
    _check_address(values.url)
    person, now = current_person(), datetime.now(UTC)
    seal = SecretBox.of(settings()).seal
    return webhooks.create(db.session(), person.account.id, person.actor, values, seal=seal, now=now)


def change(row: Webhook, values: WebhookValues) -> None:
    """Raises Invalid."""
    if values.url != row.url:
        _check_address(values.url)
    webhooks.change(db.session(), row, current_person().actor, values, datetime.now(UTC))


def rotate(row: Webhook) -> str:
    """The new secret."""
    seal = SecretBox.of(settings()).seal
    return webhooks.rotate(db.session(), row, current_person().actor, seal=seal, now=datetime.now(UTC))


def test(row: Webhook) -> tuple[int, AttemptResult]:
    """Send a test message now; returns its id and the result. No transaction is open during the call."""
    sending = deliveries.begin_test(db.session(), row, datetime.now(UTC))
    db.session.commit()
    answer = send(sending, SecretBox.of(settings()), OutboundPolicy.of(settings()), datetime.now(UTC))
    deliveries.record(db.session(), sending, answer, datetime.now(UTC))
    db.session.commit()
    return sending.id, answer


def sentence_of(answer: AttemptResult) -> str:
    """The result of a test as a sentence."""
    return ACCEPTED.format(status=answer.status) if answer.is_accepted else answer.message


def values_of(row: Webhook) -> WebhookValues:
    """The stored values."""
    return WebhookValues(row.name, row.url, row.events, row.is_active)


def _check_address(url: str) -> None:
    try:
        OutboundPolicy.of(settings()).check(url.strip())
    except OutboundRefused as refusal:
        raise Invalid({"url": [str(refusal)]}) from None
