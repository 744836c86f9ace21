"""Tells people something: in the console, and by mail those who want it there."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Role, User
from app.business.accounts.services.notice_choices import NoticeKind, Way, choices_of
from app.business.accounts.services.notices import add_notice
from app.business.accounts.services.scope import scope_of
from app.business.outlets.services import mails
from app.business.outlets.services.mails import Entry, Recipient


@dataclass(frozen=True)
class Message:
    """What is told. key: of the notice that a repeated message renews · role: for people of it and above · path, label:
    where its mail leads · site_id: what it is about, for people who choose by site.
    """

    kind: NoticeKind
    level: str
    title: str
    body: str
    key: str
    path: str = "/notices"
    label: str = "Open the notices"
    role: Role | None = None
    run_id: int | None = None
    rule_id: int | None = None
    incident_id: int | None = None
    site_id: int | None = None


def notify(session: Session, account_id: int, message: Message, now: datetime) -> None:
    """A notice, and a mail to everybody who wants this kind by mail."""
    add_notice(
        session,
        account_id=account_id,
        kind=message.kind,
        level=message.level,
        title=message.title,
        body=message.body,
        key=message.key,
        role=message.role,
        run_id=message.run_id,
        rule_id=message.rule_id,
        incident_id=message.incident_id,
        about_site_id=message.site_id,
        now=now,
    )
    entry = Entry(message.title, message.body, message.path, message.label)
    for user in _mailed(session, account_id, message):
        mails.gather(session, account_id, Recipient(user.email, user.id), message.kind, entry, now)


def _mailed(session: Session, account_id: int, message: Message) -> list[User]:
    roles = [one for one in Role if one.allows(message.role or Role.VIEWER)]
    query = select(User).where(User.account_id == account_id, User.is_active, User.role.in_(roles))
    users = session.scalars(query.order_by(User.id)).all()
    choices = choices_of(session, users)
    return [
        user
        for user in users
        if scope_of(user).holds(message.site_id)
        and choices[user.id].way(message.kind, message.site_id) == Way.MAIL
    ]
