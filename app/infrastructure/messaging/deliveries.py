"""Sends pending messages: claims each, sends it outside any transaction, records the result. Done by step workers,
before runs."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from app.business.database_faults import in_one_line
from app.business.outlets.mail_models import Mail
from app.business.outlets.outgoing_models import Outgoing
from app.business.outlets.services import deliveries, mails, outgoing
from app.business.outlets.webhook_models import WebhookDelivery
from app.infrastructure.database import only_reading, transaction
from app.infrastructure.mail.message import message_of
from app.infrastructure.mail.server import MailServer
from app.infrastructure.messaging.engine import utc_now
from app.infrastructure.outbound.policy import OutboundPolicy
from app.infrastructure.secret_box import SecretBox, Unreadable
from app.infrastructure.webhooks.sender import send
from app.settings import Settings

MODELS: tuple[type[Outgoing], ...] = (Mail, WebhookDelivery)
PAUSE = timedelta(seconds=1)
"""Between two drains, so that workers also execute runs while many messages are pending."""
FAULT = "Something went wrong on our side."
UNREADABLE = "Its stored link cannot be read any more. Make a new one on the page Team."

log = structlog.get_logger(__name__)


def drain(
    settings: Settings,
    *,
    most_seconds: float,
    stopping: Callable[[], bool],
    clock: Callable[[], datetime] = utc_now,
) -> int:
    """Send due messages one by one for at most `most_seconds`; returns the number of attempts."""
    sent, until = 0, time.monotonic() + most_seconds
    server = _mail_server(settings, clock)
    while not stopping():
        if time.monotonic() >= until:
            _continue_later(clock)
            break
        if not ((server and _send_mail(settings, server, clock)) or _send_webhook(settings, clock)):
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
        answer = deliveries.AttemptResult(None, FAULT)
    with transaction() as session:
        if not deliveries.record(session, sending, answer, clock()):
            log.warning("delivery_taken_over", delivery=sending.id)
    return True


def _mail_server(settings: Settings, clock: Callable[[], datetime]) -> MailServer | None:
    """None without SMTP_URL; pending mails are then ended, not kept."""
    if url := settings.smtp_url.get_secret_value():
        return MailServer.of(url)
    with only_reading(), transaction() as session:
        waiting = outgoing.any_due(session, (Mail,), clock())
    if waiting:
        with transaction() as session:
            mails.end_all(session, clock())
    return None


def _send_mail(settings: Settings, server: MailServer, clock: Callable[[], datetime]) -> bool:
    with transaction() as session:
        mail = mails.take_next(session, clock())
    if mail is None:
        return False
    try:
        sent = server.send(message_of(mail, settings))
    except Unreadable:
        sent = mails.Sent(UNREADABLE, is_final=True)
    except Exception as error:
        # One mail must not stop the others.
        log.exception("mail_not_sent", mail=mail.id, error=in_one_line(error))
        sent = mails.Sent(FAULT)
    with transaction() as session:
        if not mails.record(session, mail, sent, clock()):
            log.warning("mail_taken_over", mail=mail.id)
    return True


def _continue_later(clock: Callable[[], datetime]) -> None:
    with only_reading(), transaction() as session:
        if outgoing.any_due(session, MODELS, clock()):
            outgoing.wake_at(session, clock() + PAUSE)
