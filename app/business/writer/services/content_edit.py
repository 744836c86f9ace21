"""Content as people work on it: write, edit, approve, send back; and what publishing notes on it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.business.errors import Conflict
from app.business.events import EventType, Origin
from app.business.planner.models import Sector
from app.business.planner.services.plain_text import BODY_LIMIT, clean_body, clean_line
from app.business.planner.services.record_changes import move_status, new_record, report
from app.business.planner.services.record_edit import Cleaner, as_given, edit_record, line
from app.business.writer.models import Content, ContentStatus, Task, TaskStatus
from app.business.writer.services.article_html import clean_html, count_words
from app.business.writer.services.record_kinds import CONTENT, TASK

_UNWRITTEN = (TaskStatus.DRAFT, TaskStatus.QUEUED, TaskStatus.FAILED)
"""A task in writing is a run's, which ends it."""


def create_content(
    session: Session, place: Sector | Task, fields: Mapping[str, Any], *, origin: Origin, now: datetime
) -> Content:
    """An article written by hand, to check, with its content_generated event; a task it is written for is done.

    `fields`: title, and any of EDITABLE, labels, note, assignee. Raises Invalid.
    """
    title = clean_line(fields.get("title") or "", "title")
    task_id = place.id if isinstance(place, Task) else None
    content = Content(**new_record(place, ContentStatus.DRAFT, origin, now), title=title, task_id=task_id)
    session.add(content)
    extra = {key: value for key, value in fields.items() if key != "title"}
    update_content(session, content, extra, origin=origin, now=now)
    if task_id is not None:
        move_status(session, TASK, [task_id], _UNWRITTEN, TaskStatus.DONE, origin, now)
    report(session, EventType.CONTENT_GENERATED, CONTENT, [content], origin, now)
    return content


def update_content(
    session: Session, content: Content, changes: Mapping[str, Any], *, origin: Origin, now: datetime
) -> Content:
    """Change the given fields only; status approves, hands on for review or sends back. Raises Invalid, Conflict."""
    edit_record(session, CONTENT, content, changes, EDITABLE, origin=origin, now=now)
    if "html" in changes:
        content.word_count = count_words(content.html)
        session.flush()
    return content


def mark_published(
    session: Session, content: Content, url: str, *, unapproved: bool = False, origin: Origin, now: datetime
) -> Content:
    """Note where it was published. Raises Conflict for an outline, or before approval (unless `unapproved`)."""
    if content.outline:
        raise Conflict("An outline is not published. Write it out first.")
    allowed = set(ContentStatus) - {ContentStatus.PUBLISHED} if unapproved else {ContentStatus.APPROVED}
    values = {"published_url": clean_line(url, "url", limit=2000), "published_at": now}
    if not move_status(
        session, CONTENT, [content.id], allowed, ContentStatus.PUBLISHED, origin, now, **values
    ):
        raise Conflict(f"This content is “{content.status}”; only approved content is published.")
    return content


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
