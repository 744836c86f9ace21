"""Sends what waits to leave: claimed, sent outside any transaction, recorded. Step workers do it, before runs."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from app.business.database_faults import in_one_line
from app.business.outlets.outgoing_models import Outgoing
from app.business.outlets.services import deliveries, outgoing
from app.business.outlets.webhook_models import WebhookDelivery
from app.infrastructure.database import only_reading, transaction
from app.infrastructure.messaging.engine import utc_now
from app.infrastructure.outbound.policy import OutboundPolicy
from app.infrastructure.secret_box import SecretBox
from app.infrastructure.webhooks.sender import send
from app.settings import Settings

MODELS: tuple[type[Outgoing], ...] = (WebhookDelivery,)
PAUSE = timedelta(seconds=1)
"""Between two drains, so that a worker takes a run in between while there is much to send."""
FAULT = "Something went wrong on our side."

log = structlog.get_logger(__name__)


def drain(
    settings: Settings,
    *,
    most_seconds: float,
    stopping: Callable[[], bool],
    clock: Callable[[], datetime] = utc_now,
) -> int:
    """Send what is due, one after the other, for that long; returns the number of attempts."""
    sent, until = 0, time.monotonic() + most_seconds
    while not stopping():
        if time.monotonic() >= until:
            _continue_later(clock)
            break
        if not _send_webhook(settings, clock):
            break
        sent += 1
    return sent


def _send_webhook(settings: Settings, clock: Callable[[], datetime]) -> bool:
    with transaction() as session:
        sending = deliveries.take_next(session, clock())
    if sending is None:
        return False
    try:
        answer = send(sending, SecretBox.of(settings), OutboundPolicy.of(settings), clock())
    except Exception as error:
        # One message must not stop the others.
        log.exception("webhook_not_sent", delivery=sending.id, error=in_one_line(error))
        answer = deliveries.Answer(None, FAULT)
    with transaction() as session:
        if not deliveries.record(session, sending, answer, clock()):
            log.warning("delivery_taken_over", delivery=sending.id)
    return True


def _continue_later(clock: Callable[[], datetime]) -> None:
    with only_reading(), transaction() as session:
        if outgoing.any_due(session, MODELS, clock()):
            outgoing.wake_at(session, clock() + PAUSE)
