"""What the pages and the API share of webhooks: saving, testing and renewing their secrets."""

from datetime import UTC, datetime

from app.business.errors import Invalid
from app.business.outlets.services import deliveries, webhooks
from app.business.outlets.services.deliveries import Answer
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
    """The webhook and its secret. Raises Invalid, for an address that may not be reached too; Conflict."""
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


def test(row: Webhook) -> tuple[int, Answer]:
    """Send a test message now: its id and what came of it. No transaction is open meanwhile."""
    sending = deliveries.begin_test(db.session(), row, datetime.now(UTC))
    db.session.commit()
    answer = send(sending, SecretBox.of(settings()), OutboundPolicy.of(settings()), datetime.now(UTC))
    deliveries.record(db.session(), sending, answer, datetime.now(UTC))
    db.session.commit()
    return sending.id, answer


def sentence_of(answer: Answer) -> str:
    """What came of a test, in words."""
    return ACCEPTED.format(status=answer.status) if answer.is_accepted else answer.message


def values_of(row: Webhook) -> WebhookValues:
    """What is stored."""
    return WebhookValues(row.name, row.url, row.events, row.is_active)


def _check_address(url: str) -> None:
    try:
        OutboundPolicy.of(settings()).check(url.strip())
    except OutboundRefused as refusal:
        raise Invalid({"url": [str(refusal)]}) from None
