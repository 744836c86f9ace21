"""Addresses that have unsubscribed from a kind of mail."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.business.accounts.models import User
from app.business.accounts.services.notice_choices import (
    GENERAL,
    KINDS,
    NoticeKind,
    Way,
    choices_of,
    choose,
    sites_with_choices,
)
from app.business.base import RowValues
from app.business.outlets.mail_models import MailRefusal
from app.business.upsert import insert_missing

DIGEST = "digest"
KIND_WORDS: Mapping[str, str] = {
    NoticeKind.INCIDENT: "mails about failures",
    NoticeKind.RULE: "messages of rules",
    NoticeKind.CREDITS: "mails about credits",
    NoticeKind.LATE: "mails about what stands still",
    NoticeKind.ATTENTION: "mails about other things to look at",
    NoticeKind.MORNING: "the morning line",
    DIGEST: "the daily mail",
}
GATHERED = tuple(KIND_WORDS)
"""Kinds that people can unsubscribe from; at most one mail of each is sent in an hour."""


def refuse(session: Session, account_id: int, address: str, kind: str, now: datetime) -> None:
    """Unsubscribe the address from this kind; pending mails of it are not sent either."""
    values: RowValues = {
        "account_id": account_id,
        "address": address.lower(),
        "kind": kind,
        "created_at": now,
    }
    insert_missing(session, MailRefusal, values)


def accept_again(session: Session, account_id: int, address: str, kind: str) -> None:
    """Send mails of this kind there again."""
    session.execute(
        delete(MailRefusal).where(
            MailRefusal.account_id == account_id,
            MailRefusal.address == address.lower(),
            MailRefusal.kind == kind,
        )
    )


def refused_kinds(session: Session, account_id: int, address: str) -> set[str]:
    """Kinds that the address has unsubscribed from."""
    query = select(MailRefusal.kind).where(
        MailRefusal.account_id == account_id, MailRefusal.address == address.lower()
    )
    return set(session.scalars(query))


def is_refused(session: Session, account_id: int, address: str, kind: str) -> bool:
    """Whether the address has unsubscribed from this kind."""
    query = select(MailRefusal.id).where(
        MailRefusal.account_id == account_id,
        MailRefusal.address == address.lower(),
        MailRefusal.kind == kind,
    )
    return session.scalar(query) is not None


def stands_against(kind: str, way: str, refused: set[str]) -> bool:
    """Whether one of the refusals holds back what the person is told of this kind in this way."""
    return (way == Way.MAIL and kind in refused) or (way == Way.DIGEST and DIGEST in refused)


def keep_as_choices(session: Session, user: User) -> None:
    """What the person has unsubscribed from is, from now on, chosen without mail, in general and for each site: so
    choosing mail for one site brings no mails about the others back.
    """
    refused = refused_kinds(session, user.account_id, user.email)
    choices = choices_of(session, [user])[user.id]
    for site_id in {GENERAL, *sites_with_choices(session, user)} if refused else ():
        here: dict[NoticeKind, str] = {
            kind: choices.way(kind) if site_id == GENERAL else choices.chosen.get((kind, site_id), "")
            for kind in KINDS
        }
        without = [kind for kind, way in here.items() if stands_against(kind, way, refused)]
        choose(session, user, dict.fromkeys(without, Way.CONSOLE), site_id)
    for kind in refused:
        accept_again(session, user.account_id, user.email, kind)
