"""Editing content: write, edit, approve, send back, and record where it was published."""

from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from app.business.base import RowValues, Values
from app.business.errors import Conflict, Invalid
from app.business.events import EventType, Origin
from app.business.planner.models import Sector
from app.business.planner.services.plain_text import BODY_LIMIT, clean_body, clean_line
from app.business.planner.services.record_changes import move_status, new_record, report
from app.business.planner.services.record_edit import (
    Cleaner,
    as_given,
    edit_record,
    fill_record,
    line,
    text_in,
)
from app.business.planner.services.record_versions import lock_version
from app.business.writer.models import Content, ContentStatus, Task, TaskStatus
from app.business.writer.services.article_html import clean_html, count_words
from app.business.writer.services.article_scores import CHECKED, score_values
from app.business.writer.services.content_versions import KEPT, keep_first_version, keep_version
from app.business.writer.services.publications import mark_by_hand
from app.business.writer.services.record_kinds import CONTENT, TASK

BRIEF_APPROVED = (
    "Approved as a brief. It is a plan of the article, not the article: it is not published until somebody has "
    "written it out and the article is approved."
)
_UNWRITTEN = (TaskStatus.DRAFT, TaskStatus.QUEUED, TaskStatus.FAILED)
"""A run sets and ends this status."""


def create_content(
    session: Session, place: Sector | Task, fields: Values, *, origin: Origin, now: datetime
) -> Content:
    """An article written by hand, to check, with its content_generated event; a task it is written for is done.

    `fields`: title, and any of EDITABLE, labels, note, assignee. Raises Invalid.
    """
    title = clean_line(text_in(fields, "title"), "title")
    task_id = place.id if isinstance(place, Task) else None
    content = Content(**new_record(place, ContentStatus.DRAFT, origin, now), title=title, task_id=task_id)
    fill_record(session, content, {key: fields[key] for key in fields if key != "title"}, EDITABLE)
    content.word_count = count_words(content.html)
    for name, value in score_values(session, content, {}).items():
        setattr(content, name, value)
    session.flush()
    keep_version(session, content, origin, now)
    if task_id is not None:
        move_status(session, TASK, [task_id], _UNWRITTEN, TaskStatus.DONE, origin, now)
    report(session, EventType.CONTENT_GENERATED, CONTENT, [content], origin, now)
    return content


def update_content(
    session: Session,
    content: Content,
    changes: Values,
    *,
    seen: int | None = None,
    origin: Origin,
    now: datetime,
) -> Content:
    """Change the given fields only; status approves, hands on for review or sends back.

    `seen`: the version that the changes were made from. Raises Invalid, Conflict, Stale.
    """
    if not KEPT.isdisjoint(changes):
        keep_first_version(session, lock_version(session, content, seen))
    changed = edit_record(
        session,
        CONTENT,
        content,
        changes,
        EDITABLE,
        derived=lambda values: _derived(session, content, values),
        seen=seen,
        origin=origin,
        now=now,
    )
    if not KEPT.isdisjoint(changed):
        keep_version(session, content, origin, now)
    return content


def write_out(session: Session, content: Content, *, origin: Origin, now: datetime) -> Content:
    """Somebody has completed the brief: it is an article now, to check even where the brief was approved.

    Raises Conflict, Stale.
    """
    changes: RowValues = {"outline": False}
    if content.status == ContentStatus.APPROVED:
        changes["status"] = ContentStatus.DRAFT
    return update_content(session, content, changes, origin=origin, now=now)


def _derived(session: Session, content: Content, values: Values) -> RowValues:
    counted: RowValues = {"word_count": count_words(text_in(values, "html"))} if "html" in values else {}
    return counted if CHECKED.isdisjoint(values) else counted | score_values(session, content, values)


def mark_published(
    session: Session, content: Content, url: str, *, unapproved: bool = False, origin: Origin, now: datetime
) -> Content:
    """Record where it was published. Raises Conflict for a brief, or before approval (unless `unapproved`)."""
    if content.outline:
        raise Conflict("A brief is not published. Write it out first.")
    allowed = set(ContentStatus) - {ContentStatus.PUBLISHED} if unapproved else {ContentStatus.APPROVED}
    values: RowValues = {
        "published_url": web_address(url, "published_url", "https://example.com/article"),
        "published_at": now,
    }
    if not move_status(
        session, CONTENT, [content.id], allowed, ContentStatus.PUBLISHED, origin, now, **values
    ):
        raise Conflict(f"This content is “{content.status}”; only approved content is published.")
    session.refresh(content)
    mark_by_hand(session, content, now)
    return content


def web_address(url: str, path: str, example: str) -> str:
    """A whole address as somebody typed it. Raises Invalid({path: …})."""
    clean = clean_line(url, path, limit=2000)
    try:
        parts = urlsplit(clean)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Invalid({path: [f"Write the whole address, like {example}."]})
    return clean


def _html(value: str | None, path: str) -> str:
    return clean_html(clean_body(value or "", path, limit=BODY_LIMIT))


EDITABLE: dict[str, Cleaner] = {
    "title": line(required=True),
    "html": _html,
    "meta_title": line(),
    "meta_description": line(limit=512),
    "main_keyword": line(),
    "outline": as_given,
}
