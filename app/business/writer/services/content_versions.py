"""Every text that an article ever had, as rows: one for each save of the text."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.events import Origin
from app.business.writer.models import Content, ContentVersion

KEPT = frozenset({"title", "html", "meta_title", "meta_description"})


def keep_first_version(session: Session, content: Content) -> None:
    """Before its first change: keep the present text, where no version was ever kept."""
    known = select(ContentVersion.id).where(ContentVersion.content_id == content.id)
    if session.scalar(known.limit(1)) is None:
        origin = Origin(account_id=content.account_id, run_id=content.made_by_run_id)
        keep_version(session, content, origin, content.updated_at)


def keep_version(session: Session, content: Content, origin: Origin, now: datetime) -> None:
    """Keep the present text; call it when the change is written."""
    texts = {name: getattr(content, name) for name in sorted(KEPT)}
    version = ContentVersion(
        account_id=content.account_id,
        content_id=content.id,
        number=content.version,
        word_count=content.word_count,
        user_id=origin.user_id,
        run_id=origin.run_id,
        created_at=now,
        **texts,
    )
    session.add(version)
    session.flush()
