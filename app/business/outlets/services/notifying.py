"""Tells people something: in the console, and by mail those who want it there."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Role, User
from app.business.accounts.services.notice_choices import NoticeKind, Way, choices_of
from app.business.accounts.services.notices import add_notice
from app.business.accounts.services.scope import scope_of
from app.business.outlets.services import mails
from app.business.outlets.services.mails import MailItem, Recipient


@dataclass(frozen=True)
class Message:
    """What is told. key: of the notice that a repeated message renews · role: for people of it and above ·
    people: ids of those who are told, beside the role's if there is one · path, label: where its mail leads ·
    site_id: what it is about, for people who choose by site.
    """

    kind: NoticeKind
    level: str
    title: str
    body: str
    key: str
    path: str = "/notices"
    label: str = "Open the notices"
    role: Role | None = None
    people: tuple[int, ...] = ()
    run_id: int | None = None
    rule_id: int | None = None
    incident_id: int | None = None
    site_id: int | None = None


def notify(session: Session, account_id: int, message: Message, now: datetime) -> None:
    """A notice, and a mail to everybody who wants this kind by mail."""
    users = _told(session, account_id, message)
    if message.role or not message.people:
        _add(session, account_id, message, message.key, None, now)
    for user in users:
        if user.id in message.people and not (message.role and Role(user.role).allows(message.role)):
            _add(session, account_id, message, f"{message.key}-{user.id}", user.id, now)
    choices = choices_of(session, users)
    entry = MailItem(message.title, message.body, message.path, message.label, site_id=message.site_id)
    for user in users:
        if choices[user.id].way(message.kind, message.site_id) == Way.MAIL:
            recipient = Recipient(user.email, user.id)
            mails.gather(session, account_id, recipient, message.kind, entry, now)


def _add(
    session: Session, account_id: int, message: Message, key: str, user_id: int | None, now: datetime
) -> None:
    add_notice(
        session,
        account_id=account_id,
        kind=message.kind,
        level=message.level,
        title=message.title,
        body=message.body,
        key=key,
        user_id=user_id,
        role=message.role if user_id is None else None,
        run_id=message.run_id,
        rule_id=message.rule_id,
        incident_id=message.incident_id,
        about_site_id=message.site_id,
        now=now,
    )


def _told(session: Session, account_id: int, message: Message) -> list[User]:
    """People of the role, or everybody, and those who are named; of those who see its site."""
    lowest = message.role or (None if message.people else Role.VIEWER)
    roles = [one for one in Role if lowest and one.allows(lowest)]
    query = select(User).where(
        User.account_id == account_id,
        User.is_active,
        or_(User.role.in_(roles), User.id.in_(message.people)),
    )
    users = session.scalars(query.order_by(User.id))
    return [user for user in users if scope_of(user).holds(message.site_id)]
