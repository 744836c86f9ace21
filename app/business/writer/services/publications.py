"""The record of an article's post on its site, and what people do about it by hand."""

import secrets
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from app.business.base import RowValues
from app.business.errors import Conflict, NotFound
from app.business.events import Origin
from app.business.planner.services.record_changes import move_status
from app.business.upsert import insert_missing
from app.business.writer.models import Content, ContentStatus, ContentVersion
from app.business.writer.publication_models import Publication
from app.business.writer.services.record_kinds import CONTENT

BUSY = "Another run is publishing this article at the moment."


def publication_of(session: Session, content: Content) -> Publication | None:
    """The record of its post; None if it was never published from here."""
    return session.scalar(
        select(Publication)
        .where(Publication.account_id == content.account_id, Publication.content_id == content.id)
        .execution_options(populate_existing=True)
    )


def changed_since(session: Session, ids: Collection[int], account_id: int) -> set[int]:
    """Published articles whose text has been changed since."""
    newest = (
        select(func.max(ContentVersion.number))
        .where(ContentVersion.content_id == Publication.content_id)
        .scalar_subquery()
    )
    query = (
        select(Publication.content_id)
        .join(Content, Content.id == Publication.content_id)
        .where(
            Publication.account_id == account_id,
            Publication.content_id.in_(ids),
            Content.status == ContentStatus.PUBLISHED,
            newest > Publication.sent_version,
        )
    )
    return set(session.scalars(query))


def note_run(session: Session, content: Content, run_id: int, now: datetime) -> None:
    """Store the run that a person started, whose result the article's page shows."""
    record_of(session, content, now)
    set_values(session, content, now, run_id=run_id)


def start_over(session: Session, content: Content, now: datetime) -> None:
    """Forget the post, so that publishing creates a new one. Raises Conflict while the article is being published."""
    idle = or_(Publication.claim_until.is_(None), Publication.claim_until < now)
    forgotten = session.execute(
        update(Publication)
        .where(Publication.account_id == content.account_id, Publication.content_id == content.id, idle)
        .values(**_unpublished(now))
        .returning(Publication.id)
        .execution_options(synchronize_session=False)
    ).first()
    if forgotten is None:
        raise Conflict(BUSY if publication_of(session, content) else "It has no post.")


def mark_by_hand(session: Session, content: Content, now: datetime) -> None:
    """Record that a person published the present text elsewhere."""
    record_of(session, content, now)
    set_values(session, content, now, sent_version=content.version)


def take_back_mark(session: Session, content: Content, *, origin: Origin, now: datetime) -> None:
    """Undo `mark_by_hand`: the article is approved again. Raises Conflict."""
    known = publication_of(session, content)
    if known is not None and known.site_url:
        raise Conflict("It is published in WordPress. Unpublish it there.")
    move_with_post(session, content, {ContentStatus.PUBLISHED}, ContentStatus.APPROVED, None, origin, now)


def record_of(session: Session, content: Content, now: datetime) -> Publication:
    """The record of its post, made where there is none."""
    row = {"account_id": content.account_id, "content_id": content.id, "sent_version": None}
    insert_missing(session, Publication, row | _unpublished(now))
    found = publication_of(session, content)
    if found is None:
        raise NotFound()
    return found


def set_values(session: Session, content: Content, now: datetime, **values: Any) -> None:
    """Change the record, whoever has the claim."""
    session.execute(
        update(Publication)
        .where(Publication.account_id == content.account_id, Publication.content_id == content.id)
        .values(updated_at=now, **values)
        .execution_options(synchronize_session=False)
    )


def move_with_post(
    session: Session,
    content: Content,
    came_from: Collection[str],
    status: ContentStatus,
    url: str | None,
    origin: Origin,
    now: datetime,
) -> None:
    """Change the article's status and address as its post, or a person, says."""
    session.refresh(content)
    at = (content.published_at or now) if url else None
    values = {"published_url": url or "", "published_at": at}
    moved = move_status(session, CONTENT, [content.id], came_from, status, origin, now, **values)
    session.refresh(content)
    if moved and url is None:
        set_values(session, content, now, taken_down_at=now)


def _unpublished(now: datetime) -> RowValues:
    empty = ("slug", "site_url", "post_url", "post_status", "remote_hash", "pending_digest")
    none = ("post_id", "scheduled_for", "taken_down_at", "counted_on", "claim_key", "claim_until", "run_id")
    values = dict.fromkeys(empty, "") | dict.fromkeys(none)
    return {**values, "marker": secrets.token_hex(16), "updated_at": now}
