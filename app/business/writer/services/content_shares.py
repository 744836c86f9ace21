"""Share links of articles: made by staff, opened by anybody who has them, ended by time or by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AccountStatus, User
from app.business.accounts.services import audit_log
from app.business.accounts.services.audit_log import AuditActor
from app.business.accounts.services.tokens import fingerprint, new_secret
from app.business.errors import Conflict, NotFound
from app.business.writer.models import Content
from app.business.writer.share_models import ContentShare

VALID_FOR = timedelta(days=30)
MOST = 20
"""Open links of one article."""


@dataclass(frozen=True)
class MadeShare:
    """A share link with the name of the person who made it."""

    share: ContentShare
    maker: str


@dataclass(frozen=True)
class OpenedShare:
    """What a link leads to. content: None once the link has ended."""

    content: Content | None
    until: datetime


def make_share(session: Session, content: Content, actor: AuditActor, now: datetime) -> str:
    """A new link to the article; returns its token, which is not kept. Raises Conflict."""
    if len(shares_of(session, content, now)) >= MOST:
        raise Conflict(f"This article has {MOST} open share links. End one of them first.")
    token = new_secret()
    share = ContentShare(
        account_id=content.account_id,
        content_id=content.id,
        token_hash=fingerprint(token),
        created_by_id=actor.user_id,
        created_at=now,
        expires_at=now + VALID_FOR,
    )
    session.add(share)
    session.flush()
    audit_log.record(session, content.account_id, actor, "content.shared", content, {"share": share.id}, now)
    return token


def shares_of(session: Session, content: Content, now: datetime) -> Sequence[MadeShare]:
    """The open links to the article, newest first."""
    query = (
        select(ContentShare, func.coalesce(func.nullif(User.name, ""), User.email))
        .join(User, User.id == ContentShare.created_by_id)
        .where(ContentShare.content_id == content.id, _is_open(now))
    )
    return [MadeShare(*row) for row in session.execute(query.order_by(ContentShare.id.desc()))]


def end_share(session: Session, content: Content, id: int, actor: AuditActor, now: datetime) -> None:
    """End a link at once and for good. Raises NotFound."""
    ended = update(ContentShare).where(
        ContentShare.id == id, ContentShare.content_id == content.id, ContentShare.revoked_at.is_(None)
    )
    if session.scalar(ended.values(revoked_at=now).returning(ContentShare.id)) is None:
        raise NotFound()
    audit_log.record(session, content.account_id, actor, "content.share_ended", content, {"share": id}, now)


def open_share(session: Session, token: str, now: datetime, *, is_noted: bool = True) -> OpenedShare:
    """What the link leads to; that it was opened is noted, unless not `is_noted`. Raises NotFound for unknown links."""
    row = session.execute(
        select(ContentShare, Account.status)
        .join(Account, Account.id == ContentShare.account_id)
        .where(ContentShare.token_hash == fingerprint(token))
    ).one_or_none()
    if row is None:
        raise NotFound()
    share, status = row
    chosen = ContentShare.id == share.id, _is_open(now)
    opening = update(ContentShare).values(opened_at=now, openings=ContentShare.openings + 1).where(*chosen)
    found = session.scalar(
        opening.returning(ContentShare.id) if is_noted else select(ContentShare.id).where(*chosen)
    )
    # An archived article is not found.
    content = session.scalar(select(Content).where(Content.id == share.content_id))
    is_open = found is not None and status == AccountStatus.ACTIVE
    return OpenedShare(content if is_open else None, share.expires_at)


def _is_open(now: datetime) -> ColumnElement[bool]:
    return ContentShare.revoked_at.is_(None) & (ContentShare.expires_at > now)
