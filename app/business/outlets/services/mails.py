"""Mails: written in the transaction of the change that they report, batched by kind, and sent by workers."""

import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Self

from pydantic import JsonValue, TypeAdapter
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Role, User
from app.business.accounts.services.notices import add_notice
from app.business.events import wake
from app.business.outlets.mail_models import Mail
from app.business.outlets.outgoing_models import OutgoingStatus
from app.business.outlets.services import outgoing
from app.business.outlets.services.outgoing import DELIVERIES_QUEUE, KEPT, MOST_TRIES, SendAttempt
from app.business.outlets.services.refusals import GATHERED, is_refused

INVITATION, PASSWORD_LINK = "invitation", "password_link"
PAUSE = timedelta(hours=1)
HOST = "mail"
"""All mails use one server; at most one worker is connected to it."""
LOST = "Its worker stopped each time it was being sent."
NO_SERVER = "This installation sends no mail: SMTP_URL is not set."
UNWANTED = "Not sent: this address has unsubscribed."
LEFT = "Not sent: this person can no longer sign in."
PRUNED_AT_ONCE = 1_000
Seal = Callable[[str], str]


@dataclass(frozen=True)
class MailItem:
    """One item of a mail. path: an address of the console, with the label of its button · site_id: what it is about."""

    title: str
    text: str
    path: str = ""
    label: str = ""
    key: str = ""
    site_id: int | None = None

    @classmethod
    def of(cls, stored: JsonValue) -> Self:
        """As it is kept with its mail."""
        return TypeAdapter(cls).validate_python(stored)


@dataclass(frozen=True)
class Recipient:
    """Recipient of a mail. user_id: None for an address that belongs to no user of the account."""

    address: str
    user_id: int | None = None


@dataclass(frozen=True)
class ClaimedMail:
    """One claimed mail, as plain data for the sender."""

    id: int
    account_id: int
    account_name: str
    token: str
    address: str
    kind: str
    subject: str
    entries: tuple[MailItem, ...]
    link_sealed: str = field(repr=False)
    message_id: str
    created_at: datetime


@dataclass(frozen=True)
class Sent:
    """Result of one attempt. message: why it failed, as a sentence · is_final: another attempt cannot succeed ·
    is_outage: the mail server itself is the cause, so other mails would fail as well.
    """

    message: str = ""
    is_final: bool = False
    is_outage: bool = False


def write(
    session: Session,
    account_id: int,
    recipient: Recipient,
    kind: str,
    entry: MailItem,
    *,
    link_sealed: str = "",
    now: datetime,
) -> None:
    """Write a separate mail, sent at once. link_sealed: replaces the path of its entry."""
    session.add(_row(account_id, recipient, kind, [entry], now, link_sealed=link_sealed))
    session.flush()
    wake(session, [DELIVERIES_QUEUE])


def gather(
    session: Session, account_id: int, recipient: Recipient, kind: str, entry: MailItem, now: datetime
) -> bool:
    """Send the entry within an hour: at once, or in the next mail of this kind. False if the recipient unsubscribed."""
    if is_refused(session, account_id, recipient.address, kind):
        return False
    group = _group(kind, recipient.address)
    while not _add_to_open(session, account_id, group, entry):
        last = session.scalar(
            select(func.max(Mail.begun_at)).where(Mail.account_id == account_id, Mail.group_key == group)
        )
        at = max(now, last + PAUSE) if last else now
        row = _row(account_id, recipient, kind, [entry], now, group=group, at=at)
        try:
            with session.begin_nested():
                session.add(row)
                session.flush()
        except IntegrityError:
            # Another transaction has opened a mail of this group concurrently.
            continue
        if at > now:
            outgoing.wake_at(session, at)
        else:
            wake(session, [DELIVERIES_QUEUE])
        break
    return True


def take_next(session: Session, now: datetime) -> ClaimedMail | None:
    """Claim the mail that has been due longest; it takes no further entries after that."""
    while row := outgoing.claim_next(session, Mail, now):
        if row.is_open:
            row.is_open, row.begun_at = False, now
        reason = _reason_against(session, row)
        if reason is None:
            session.flush()
            return _letter(session, row)
        outgoing.note_attempt(row, SendAttempt(at=now, message=reason))
        _give_up(session, row, reason, now)
        session.flush()
    return None


def record(session: Session, mail: ClaimedMail, sent: Sent, now: datetime) -> bool:
    """Record the attempt; False where another worker has taken the mail over."""
    row = outgoing.hold(session, Mail, mail.id, mail.token)
    if row is None:
        return False
    outgoing.note_attempt(row, SendAttempt(at=now, message=sent.message))
    if not sent.message:
        outgoing.end(row, OutgoingStatus.DELIVERED, now)
        row.link_sealed = ""
    elif sent.is_final or not outgoing.try_later(session, row, now, None):
        _give_up(session, row, sent.message, now)
    elif sent.is_outage:
        outgoing.hold_back(session, row, row.begun_at or row.created_at, now)
    session.flush()
    return True


def withdraw(session: Session, account_id: int, address: str, kind: str, site_id: int, now: datetime) -> None:
    """Take what is about this site out of the mail of this kind that waits to be sent there."""
    row = _open_mail(session, account_id, _group(kind, address))
    if row is None:
        return
    row.entries = [entry for entry in row.entries if MailItem.of(entry).site_id != site_id]
    if row.entries:
        row.subject = MailItem.of(row.entries[0]).title[:255]
    else:
        outgoing.note_attempt(row, SendAttempt(at=now, message=UNWANTED))
        _give_up(session, row, UNWANTED, now)
    session.flush()


def prune(session: Session, now: datetime) -> int:
    """Delete mails that ended a month ago; returns their number."""
    old = select(Mail.id).where(Mail.finished_at < now - KEPT).limit(PRUNED_AT_ONCE)
    ids = session.scalars(old).all()
    if ids:
        session.execute(delete(Mail).where(Mail.id.in_(ids)))
    return len(ids)


def end_all(session: Session, now: datetime) -> int:
    """End all pending mails, because there is no mail server; returns their number."""
    ended = session.scalars(
        update(Mail)
        .where(Mail.status == OutgoingStatus.PENDING, Mail.lease_token.is_(None))
        .values(
            status=OutgoingStatus.FAILED,
            next_at=None,
            finished_at=now,
            is_open=False,
            link_sealed="",
            log=[{"at": now.isoformat(), "message": NO_SERVER}],
        )
        .returning(Mail.id)
        .execution_options(synchronize_session=False)
    ).all()
    return len(ended)


def _group(kind: str, address: str) -> str:
    return f"{kind}:{address.lower()}"


def _open_mail(session: Session, account_id: int, group: str) -> Mail | None:
    """The mail of this group that still takes entries, locked."""
    query = select(Mail).where(Mail.account_id == account_id, Mail.group_key == group, Mail.is_open)
    return session.scalar(query.with_for_update().execution_options(populate_existing=True))


def _add_to_open(session: Session, account_id: int, group: str, entry: MailItem) -> bool:
    row = _open_mail(session, account_id, group)
    if row is None:
        return False
    if not entry.key or all(MailItem.of(known).key != entry.key for known in row.entries):
        row.entries = [*row.entries, asdict(entry)]
        session.flush()
    return True


def _row(
    account_id: int,
    recipient: Recipient,
    kind: str,
    entries: list[MailItem],
    now: datetime,
    *,
    group: str | None = None,
    at: datetime | None = None,
    link_sealed: str = "",
) -> Mail:
    return Mail(
        account_id=account_id,
        user_id=recipient.user_id,
        address=recipient.address,
        kind=kind,
        group_key=group,
        is_open=group is not None,
        subject=entries[0].title[:255],
        entries=[asdict(entry) for entry in entries],
        link_sealed=link_sealed,
        message_id=secrets.token_hex(16),
        host=HOST,
        next_at=at or now,
        created_at=now,
    )


def _reason_against(session: Session, row: Mail) -> str | None:
    """The reason why it must no longer be sent, if any."""
    if row.tries > MOST_TRIES:
        return LOST
    if row.kind in GATHERED and is_refused(session, row.account_id, row.address, row.kind):
        return UNWANTED
    if row.user_id is not None:
        may = session.scalar(select(User.is_active).where(User.id == row.user_id))
        return None if may else LEFT
    return None


def _give_up(session: Session, row: Mail, message: str, now: datetime) -> None:
    outgoing.end(row, OutgoingStatus.FAILED, now)
    row.link_sealed, row.is_open = "", False
    if message in (UNWANTED, LEFT):
        return
    add_notice(
        session,
        account_id=row.account_id,
        level="warning",
        title=f"A mail to {row.address} could not be sent"[:255],
        body=f"“{row.subject}”: {message}",
        role=Role.OWNER,
        key=f"mail-{row.kind}-{row.address.lower()}"[:128],
        now=now,
    )


def _letter(session: Session, row: Mail) -> ClaimedMail:
    account = session.get_one(Account, row.account_id)
    return ClaimedMail(
        id=row.id,
        account_id=row.account_id,
        account_name=account.name,
        token=row.lease_token or "",
        address=row.address,
        kind=row.kind,
        subject=row.subject,
        entries=tuple(MailItem.of(entry) for entry in row.entries),
        link_sealed=row.link_sealed,
        message_id=row.message_id,
        created_at=row.created_at,
    )


def sealed_links(session: Session) -> dict[int, str]:
    """Every encrypted link by mail id, to be encrypted again with another secret."""
    query = select(Mail.id, Mail.link_sealed).where(Mail.link_sealed != "")
    return {row.id: row.link_sealed for row in session.execute(query)}


def replace_sealed(session: Session, mail_id: int, old: str, new: str) -> None:
    """Replace the encrypted link, unless the mail was sent meanwhile."""
    session.execute(
        update(Mail)
        .where(Mail.id == mail_id, Mail.link_sealed == old)
        .values(link_sealed=new)
        .execution_options(synchronize_session=False)
    )
