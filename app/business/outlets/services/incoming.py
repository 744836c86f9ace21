"""Messages from other systems, which start rules with the trigger `incoming`, and the address that takes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import JsonValue
from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AccountStatus
from app.business.accounts.services import audit_log
from app.business.accounts.services.audit_log import AuditActor
from app.business.accounts.services.tokens import new_secret
from app.business.base import RowValues
from app.business.errors import Forbidden, NotFound
from app.business.events import EventType, Origin, close_batch, open_batch, record_events
from app.business.outlets.incoming_models import IncomingAddress, IncomingMessage
from app.business.outlets.services.webhooks import Seal, new_signing_secret
from app.business.upsert import insert_new

KEPT_FOR = timedelta(days=90)
"""How long the id of a message is remembered, so that it starts rules once."""
USED_EVERY = timedelta(minutes=1)
RECORD_TYPE = "incoming"


@dataclass(frozen=True)
class Receiver:
    """The account that takes messages at an address, and the secret that signs them."""

    address_id: int
    account_id: int
    secret_sealed: str


def address_of(session: Session, account_id: int) -> IncomingAddress | None:
    """The account's address; None: it takes no messages."""
    return session.scalar(select(IncomingAddress).where(IncomingAddress.account_id == account_id))


def renew(
    session: Session, account_id: int, actor: AuditActor, *, seal: Seal, now: datetime
) -> tuple[IncomingAddress, str]:
    """A new address with a new secret, which is not shown again. The one before ends."""
    before = _end(session, account_id)
    secret = new_signing_secret()
    row = IncomingAddress(
        account_id=account_id, name=new_secret(), secret_sealed=seal(secret), created_at=now, used_at=None
    )
    session.add(row)
    session.flush()
    action = "incoming.renewed" if before else "incoming.made"
    audit_log.record(session, account_id, actor, action, row, None, now)
    return row, secret


def end(session: Session, account_id: int, actor: AuditActor, now: datetime) -> None:
    """End the address: messages to it are refused from now on. Raises NotFound."""
    row = address_of(session, account_id)
    if row is None:
        raise NotFound()
    audit_log.record(session, account_id, actor, "incoming.ended", row, None, now)
    _end(session, account_id)


def receiver(session: Session, name: str) -> Receiver:
    """Who takes messages at the address with this name. Raises NotFound, Forbidden."""
    query = (
        select(IncomingAddress, Account.status)
        .join(Account, Account.id == IncomingAddress.account_id)
        .where(IncomingAddress.name == name, Account.status != AccountStatus.CLOSED)
    )
    found = session.execute(query).one_or_none()
    if found is None:
        raise NotFound()
    address, status = found
    if status != AccountStatus.ACTIVE:
        raise Forbidden("This account is suspended: it takes no messages.")
    return Receiver(address.id, address.account_id, address.secret_sealed)


def receive(
    session: Session, to: Receiver, message_id: str, message: Mapping[str, JsonValue], now: datetime
) -> bool:
    """Start the account's rules with this message; whether it is the first one with its id."""
    session.execute(
        delete(IncomingMessage).where(
            IncomingMessage.account_id == to.account_id, IncomingMessage.received_at < now - KEPT_FOR
        )
    )
    values: RowValues = {"account_id": to.account_id, "message_id": message_id, "received_at": now}
    row_id = session.scalar(insert_new(session, IncomingMessage, [values]).returning(IncomingMessage.id))
    if row_id is None:
        return False
    batch = open_batch(session, EventType.INCOMING, Origin(to.account_id), now)
    place = {"record_id": row_id, "site_id": None, "sector_id": None}
    record_events(session, batch, RECORD_TYPE, [place | {"data": dict(message)}])
    close_batch(session, batch, now)
    _note_use(session, to.address_id, now)
    return True


def _note_use(session: Session, address_id: int, now: datetime) -> None:
    long_ago = or_(IncomingAddress.used_at.is_(None), IncomingAddress.used_at <= now - USED_EVERY)
    session.execute(
        update(IncomingAddress).where(IncomingAddress.id == address_id, long_ago).values(used_at=now)
    )


def _end(session: Session, account_id: int) -> bool:
    ended = delete(IncomingAddress).where(IncomingAddress.account_id == account_id)
    return session.scalar(ended.returning(IncomingAddress.id)) is not None


def sealed_secrets(session: Session) -> Mapping[int, str]:
    """Every encrypted secret by address, to be encrypted again with another key."""
    rows = session.execute(select(IncomingAddress.id, IncomingAddress.secret_sealed))
    return {row[0]: row[1] for row in rows}


def replace_sealed(session: Session, address_id: int, old: str, new: str) -> None:
    """Replace the encrypted secret, unless it was renewed meanwhile."""
    session.execute(
        update(IncomingAddress)
        .where(IncomingAddress.id == address_id, IncomingAddress.secret_sealed == old)
        .values(secret_sealed=new)
        .execution_options(synchronize_session=False)
    )
