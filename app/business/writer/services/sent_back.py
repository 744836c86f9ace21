"""An article that was sent back comes back to its writer, with what should change."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import User
from app.business.accounts.services.notices import add_notice
from app.business.writer.models import Content, ContentVersion


def tell_writer(session: Session, content: Content, note: str, by: User, now: datetime) -> None:
    """A notice for the person who writes it, unless that is the one who sends it back, or nobody is known."""
    writer_id = _writer(session, content)
    if writer_id is None or writer_id == by.id:
        return
    add_notice(
        session,
        account_id=content.account_id,
        level="info",
        title=f"“{content.title}” was sent back",
        body=f"{by.name or by.email}: {note}",
        user_id=writer_id,
        about_site_id=content.site_id,
        now=now,
    )


def _writer(session: Session, content: Content) -> int | None:
    """Whom it is assigned to, else the last person who saved its text."""
    if content.assignee_id:
        return content.assignee_id
    last = (
        select(ContentVersion.user_id)
        .where(ContentVersion.account_id == content.account_id, ContentVersion.content_id == content.id)
        .where(ContentVersion.user_id.is_not(None))
        .order_by(ContentVersion.number.desc())
        .limit(1)
    )
    return session.scalar(last)
