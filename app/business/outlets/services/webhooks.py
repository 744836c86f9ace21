"""The account's webhooks and their signing secrets, which are shown once."""

import base64
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.business.accounts.services import audit_log
from app.business.accounts.services.audit_log import AuditActor
from app.business.base import RowValues
from app.business.errors import Conflict, Invalid
from app.business.outlets.outgoing_models import OutgoingStatus
from app.business.outlets.services import incidents
from app.business.outlets.services.outgoing import end
from app.business.outlets.services.webhook_messages import host_of
from app.business.outlets.webhook_models import Webhook, WebhookDelivery
from app.business.plain_characters import fault_of_line

EVENTS: Mapping[str, str] = {
    "run.completed": "A run was completed",
    "run.failed": "A run failed",
    "content.generated": "Content was made",
    "content.approved": "Content was approved",
    "content.published": "Content was published",
    "credits.low": "Credits are low",
    "incident.opened": "Failures of one cause began",
    "incident.recovered": "What had failed works again",
}
"""Events that a webhook can subscribe to: name and description."""
MOST_WEBHOOKS = 20
SECRET_PREFIX = "whsec_"  # noqa: S105
SECRET_BYTES = 32
OVERLAP = timedelta(hours=24)
"""How long messages are signed with the previous secret as well."""
NAME_LIMIT, URL_LIMIT = 255, 2000
SWITCHED_OFF = "Not sent: the webhook was switched off."
SECRETS = ("secret_sealed", "old_secret_sealed")
Seal = Callable[[str], str]


@dataclass(frozen=True)
class WebhookValues:
    """What an owner enters."""

    name: str
    url: str
    events: Sequence[str] = ()
    is_active: bool = True


def webhooks_of(session: Session, account_id: int) -> Sequence[Webhook]:
    """By name."""
    return session.scalars(
        select(Webhook).where(Webhook.account_id == account_id).order_by(Webhook.name, Webhook.id)
    ).all()


def create(
    session: Session, account_id: int, actor: AuditActor, values: WebhookValues, *, seal: Seal, now: datetime
) -> tuple[Webhook, str]:
    """A new webhook and its secret, which is not shown again. Raises Invalid, Conflict."""
    _check(session, account_id, values)
    if len(webhooks_of(session, account_id)) >= MOST_WEBHOOKS:
        raise Conflict(f"There are {MOST_WEBHOOKS} webhooks, which is the most. Delete one you do not need.")
    secret = new_signing_secret()
    row = Webhook(
        account_id=account_id,
        name=values.name,
        url=values.url,
        events=list(values.events),
        is_active=values.is_active,
        secret_sealed=seal(secret),
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    audit_log.record(session, account_id, actor, "webhook.made", row, _data(row), now)
    return row, secret


def change(session: Session, row: Webhook, actor: AuditActor, values: WebhookValues, now: datetime) -> None:
    """Pending messages go to the new address; those of a webhook that is switched off are ended. Raises Invalid."""
    _check(session, row.account_id, values, row)
    wanted: RowValues = {
        "name": values.name,
        "url": values.url,
        "events": list(values.events),
        "is_active": values.is_active,
    }
    changed = {name: value for name, value in wanted.items() if getattr(row, name) != value}
    if not changed:
        return
    said = audit_log.differences({name: getattr(row, name) for name in changed}, changed)
    for name, value in changed.items():
        setattr(row, name, value)
    row.updated_at, row.version = now, row.version + 1
    if "url" in changed:
        _redirect_waiting(session, row)
    if "url" in changed or changed.get("is_active"):
        clear_failures(session, row, now, is_quiet=True)
    if changed.get("is_active") is False:
        give_up_waiting(session, row, now)
    session.flush()
    audit_log.record(session, row.account_id, actor, "webhook.changed", row, said, now)


def rotate(session: Session, row: Webhook, actor: AuditActor, *, seal: Seal, now: datetime) -> str:
    """Make a new secret; for a day messages are signed with the previous one as well."""
    secret = new_signing_secret()
    row.old_secret_sealed, row.old_secret_until = row.secret_sealed, now + OVERLAP
    row.secret_sealed = seal(secret)
    row.updated_at, row.version = now, row.version + 1
    session.flush()
    audit_log.record(session, row.account_id, actor, "webhook.secret_rotated", row, None, now)
    return secret


def remove(session: Session, row: Webhook, actor: AuditActor, now: datetime) -> None:
    """Delete it with its secrets and messages."""
    audit_log.record(session, row.account_id, actor, "webhook.removed", row, _data(row), now)
    mine = (
        WebhookDelivery.account_id == row.account_id,
        WebhookDelivery.webhook_id == row.id,
    )
    session.execute(delete(WebhookDelivery).where(*mine))
    session.execute(delete(Webhook).where(Webhook.account_id == row.account_id, Webhook.id == row.id))
    incidents.recover_place(session, row.account_id, place_of(row), now, is_quiet=True)


def clear_failures(session: Session, row: Webhook, now: datetime, *, is_quiet: bool = False) -> None:
    """Its failures are over: it has answered, or (is_quiet) somebody has repaired it."""
    if row.failing_since or row.off_reason:
        row.failing_since, row.off_reason = None, ""
    incidents.recover_place(session, row.account_id, place_of(row), now, is_quiet=is_quiet)


def give_up_waiting(session: Session, row: Webhook, now: datetime) -> None:
    """End its pending messages; each can be sent again. One being sent at the moment ends by itself."""
    waiting = select(WebhookDelivery).where(
        WebhookDelivery.account_id == row.account_id,
        WebhookDelivery.webhook_id == row.id,
        WebhookDelivery.status == OutgoingStatus.PENDING,
        WebhookDelivery.lease_token.is_(None),
    )
    for delivery in session.scalars(waiting.with_for_update(key_share=True)):
        delivery.log = [*delivery.log, {"at": now.isoformat(), "message": SWITCHED_OFF}]
        end(delivery, OutgoingStatus.FAILED, now)


def place_of(row: Webhook) -> str:
    """Its place in incidents."""
    return f"webhook-{row.id}"


def sealed_secrets(session: Session) -> Mapping[tuple[int, str], str]:
    """Every encrypted secret by webhook and column, to be encrypted again with another secret."""
    rows = session.execute(select(Webhook.id, Webhook.secret_sealed, Webhook.old_secret_sealed))
    return {
        (id, name): sealed
        for id, *values in rows
        for name, sealed in zip(SECRETS, values, strict=True)
        if sealed
    }


def replace_sealed(session: Session, place: tuple[int, str], old: str, new: str) -> None:
    """Replace the encrypted secret, unless it was changed meanwhile."""
    id, name = place
    session.execute(
        update(Webhook)
        .where(Webhook.id == id, getattr(Webhook, name) == old)
        .values({name: new})
        .execution_options(synchronize_session=False)
    )


def _redirect_waiting(session: Session, row: Webhook) -> None:
    session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.account_id == row.account_id,
            WebhookDelivery.webhook_id == row.id,
            WebhookDelivery.status == OutgoingStatus.PENDING,
            WebhookDelivery.lease_token.is_(None),
        )
        .values(host=host_of(row.url))
        .execution_options(synchronize_session=False)
    )


def _check(session: Session, account_id: int, values: WebhookValues, row: Webhook | None = None) -> None:
    faults: dict[str, list[str]] = {}
    for name, limit in (("name", NAME_LIMIT), ("url", URL_LIMIT)):
        text = getattr(values, name)
        fault = fault_of_line(text) or (f"Use at most {limit:,} characters." if len(text) > limit else None)
        if not text.strip():
            fault = "Enter a name." if name == "name" else "Enter the address."
        if fault:
            faults[name] = [fault]
    if unknown := [event for event in values.events if event not in EVENTS]:
        faults["events"] = [f"There is no event “{unknown[0][:64]}”. Possible: {', '.join(EVENTS)}."]
    names = select(Webhook.name).where(Webhook.account_id == account_id, Webhook.id != (row.id if row else 0))
    if "name" not in faults and values.name.casefold() in map(str.casefold, session.scalars(names)):
        faults["name"] = ["There is a webhook of this name already. Choose another."]
    if faults:
        raise Invalid(faults)


def new_signing_secret() -> str:
    """A secret in the form of Standard Webhooks."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _data(row: Webhook) -> RowValues:
    return {"name": row.name, "url": row.url, "events": row.events}
