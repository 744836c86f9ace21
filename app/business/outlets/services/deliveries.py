"""Messages to webhooks: written in the transaction of the change that they report, sent by workers; every attempt is
recorded."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import JsonValue
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from app.business.errors import Conflict
from app.business.outlets.outgoing_models import OutgoingStatus
from app.business.outlets.services import incidents, outgoing, webhooks
from app.business.outlets.services.incidents import FailureCause, Touched
from app.business.outlets.services.outgoing import KEPT, MOST_TRIES, SendAttempt
from app.business.outlets.services.webhook_messages import TEST_EVENT, message_row
from app.business.outlets.services.webhooks import clear_failures, give_up_waiting, place_of
from app.business.outlets.webhook_models import Webhook, WebhookDelivery
from app.business.paging import Page, keyset_page

GONE = 410
LONGEST_FAILURE = timedelta(days=3)
ANSWER_KEPT = 1_000
LOST = "Its worker stopped each time it was being sent."
PRUNED_AT_ONCE = 1_000


@dataclass(frozen=True)
class ClaimedDelivery:
    """One claimed message, as plain data for the sender. sealed: its encrypted secrets, the current one first."""

    id: int
    webhook_id: int
    token: str
    url: str
    sealed: tuple[str, ...] = field(repr=False)
    message_id: str
    body: str


@dataclass(frozen=True)
class AttemptResult:
    """Result of one attempt. status: None without an answer · message: why it failed, as a sentence."""

    status: int | None
    message: str = ""
    text: str = ""
    seconds: float = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after: timedelta | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300


def begin_test(session: Session, webhook: Webhook, now: datetime) -> ClaimedDelivery:
    """A test message, which this process sends itself, once, even if the webhook is switched off."""
    data: dict[str, JsonValue] = {
        "webhook": webhook.id,
        "message": f"A test of the webhook “{webhook.name}”.",
    }
    values = message_row(webhook, TEST_EVENT, data, now) | outgoing.lease(now)
    row = WebhookDelivery(**values | {"host": None, "attempts": 1, "tries": MOST_TRIES})
    session.add(row)
    session.flush()
    return _sending(row, webhook, now)


def take_next(session: Session, now: datetime) -> ClaimedDelivery | None:
    """Claim the message that has been due longest; None when none can be sent now."""
    while row := outgoing.claim_next(session, WebhookDelivery, now):
        webhook = session.get_one(Webhook, row.webhook_id, populate_existing=True)
        if row.tries <= MOST_TRIES and (webhook.is_active or row.event == TEST_EVENT):
            return _sending(row, webhook, now)
        lost = row.tries > MOST_TRIES
        note = LOST if lost else webhooks.SWITCHED_OFF
        outgoing.note_attempt(row, SendAttempt(at=now, message=note))
        outgoing.end(row, OutgoingStatus.FAILED, now)
        if lost:
            _notify_of_loss(session, webhook, row, note, now)
        session.flush()
    return None


def record(session: Session, sending: ClaimedDelivery, answer: AttemptResult, now: datetime) -> bool:
    """Record the attempt; False where the message was taken over by another worker, or is deleted."""
    # Lock the webhook before its message, in the same order as an edit, so that they cannot deadlock.
    webhook = session.scalar(
        select(Webhook)
        .where(Webhook.id == sending.webhook_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    row = outgoing.hold(session, WebhookDelivery, sending.id, sending.token)
    if webhook is None or row is None:
        return False
    outgoing.note_attempt(row, _logged(answer, now))
    row.response_status = answer.status
    if answer.is_accepted:
        outgoing.end(row, OutgoingStatus.DELIVERED, now)
        clear_failures(session, webhook, now)
    elif row.event == TEST_EVENT:
        outgoing.end(row, OutgoingStatus.FAILED, now)
    else:
        _after_failure(session, webhook, row, answer, now)
    session.flush()
    return True


def resend(session: Session, row: WebhookDelivery, now: datetime) -> None:
    """Send it again, with the same id. Raises Conflict."""
    webhook = session.get_one(Webhook, row.webhook_id)
    if not webhook.is_active:
        raise Conflict(f"The webhook “{webhook.name}” is switched off. Switch it on first.")
    if row.event == TEST_EVENT:
        raise Conflict("A test is not sent again. Test the webhook once more.")
    if not outgoing.send_again(session, row, now):
        raise Conflict("It is being sent already.")


def page_of_deliveries(
    session: Session,
    account_id: int,
    *,
    webhook_id: int | None = None,
    statuses: Collection[OutgoingStatus] = (),
    cursor: str | None,
    limit: int,
    oldest: bool = False,
) -> Page[WebhookDelivery]:
    """Messages of the account, newest first, or oldest first. Raises Invalid for a damaged cursor."""
    query = select(WebhookDelivery).where(WebhookDelivery.account_id == account_id)
    if webhook_id is not None:
        query = query.where(WebhookDelivery.webhook_id == webhook_id)
    if statuses:
        query = query.where(WebhookDelivery.status.in_(list(statuses)))
    return keyset_page(session, query, keys=[WebhookDelivery.id], cursor=cursor, limit=limit, oldest=oldest)


def waiting_by_webhook(session: Session, account_id: int) -> Mapping[int, int]:
    """Number of pending messages by webhook."""
    query = (
        select(WebhookDelivery.webhook_id, func.count())
        .where(WebhookDelivery.account_id == account_id, WebhookDelivery.status == OutgoingStatus.PENDING)
        .group_by(WebhookDelivery.webhook_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def prune(session: Session, now: datetime) -> int:
    """Delete messages that ended a month ago; returns their number."""
    old = select(WebhookDelivery.id).where(WebhookDelivery.finished_at < now - KEPT).limit(PRUNED_AT_ONCE)
    ids = session.scalars(old).all()
    if ids:
        session.execute(delete(WebhookDelivery).where(WebhookDelivery.id.in_(ids)))
    return len(ids)


def _after_failure(
    session: Session, webhook: Webhook, row: WebhookDelivery, answer: AttemptResult, now: datetime
) -> None:
    webhook.failing_since = webhook.failing_since or now
    if not webhook.is_active:
        outgoing.end(row, OutgoingStatus.FAILED, now)
    elif answer.status == GONE:
        outgoing.end(row, OutgoingStatus.FAILED, now)
        _switch_off(session, webhook, row, "It answered “410 Gone”: it wants no more messages.", now)
    elif now - webhook.failing_since >= LONGEST_FAILURE:
        outgoing.end(row, OutgoingStatus.FAILED, now)
        _switch_off(
            session, webhook, row, f"It has failed for three days. The last time: {answer.message}", now
        )
    elif not outgoing.try_later(session, row, now, answer.retry_after):
        outgoing.end(row, OutgoingStatus.FAILED, now)
        _notify_of_loss(session, webhook, row, answer.message, now)
    else:
        outgoing.hold_back(session, row, webhook.failing_since, now)


def _switch_off(session: Session, webhook: Webhook, row: WebhookDelivery, reason: str, now: datetime) -> None:
    webhook.is_active, webhook.off_reason = False, reason[:500]
    webhook.updated_at, webhook.version = now, webhook.version + 1
    give_up_waiting(session, webhook, now)
    _note(session, webhook, "switched_off", row, reason, now)


def _notify_of_loss(
    session: Session, webhook: Webhook, row: WebhookDelivery, message: str, now: datetime
) -> None:
    said = f"A message was given up after {row.attempts} attempts. The last time: {message}"
    _note(session, webhook, "given_up", row, said, now)


def _note(
    session: Session, webhook: Webhook, fault: str, row: WebhookDelivery, message: str, now: datetime
) -> None:
    cause = FailureCause(place_of(webhook), fault, f"The webhook “{webhook.name[:200]}”")
    incidents.note_failure(session, webhook.account_id, cause, Touched(f"delivery-{row.id}"), message, now)


def _sending(row: WebhookDelivery, webhook: Webhook, now: datetime) -> ClaimedDelivery:
    overlaps = webhook.old_secret_until is not None and now < webhook.old_secret_until
    old = (webhook.old_secret_sealed,) if overlaps and webhook.old_secret_sealed else ()
    return ClaimedDelivery(
        id=row.id,
        webhook_id=webhook.id,
        token=row.lease_token or "",
        url=webhook.url,
        sealed=(webhook.secret_sealed, *old),
        message_id=row.message_id,
        body=row.body,
    )


def _logged(answer: AttemptResult, now: datetime) -> SendAttempt:
    return SendAttempt(
        at=now,
        status=answer.status,
        message=answer.message,
        answer=answer.text[:ANSWER_KEPT],
        seconds=round(answer.seconds, 2),
        headers=dict(answer.headers),
    )
