"""Editing ideas: create, edit, accept, reject."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.base import Values
from app.business.events import EventType, Origin
from app.business.planner.models import Cluster, Idea, IdeaStatus, Sector
from app.business.planner.services.cluster_service import note_closed_ideas, note_open_ideas
from app.business.planner.services.plain_text import clean_line
from app.business.planner.services.record_changes import IDEA, new_record, report, set_status
from app.business.planner.services.record_edit import Cleaner, body, edit_record, fill_record, line, text_in


def create_idea(
    session: Session,
    place: Sector | Cluster,
    fields: Values,
    *,
    origin: Origin,
    now: datetime,
    ordinal: int | None = None,
) -> Idea:
    """A new idea of a sector, or of a cluster (which becomes planned), with its idea_created event.

    `fields`: title, description?, content_type?, main_keyword?, labels?, note?, assignee?.
    `ordinal`: its number within the unit of work. Raises Invalid.
    """
    title = clean_line(text_in(fields, "title"), "title")
    cluster_id = place.id if isinstance(place, Cluster) else None
    idea = Idea(**new_record(place, IdeaStatus.NEW, origin, now, ordinal), title=title, cluster_id=cluster_id)
    fill_record(session, idea, {key: fields[key] for key in fields if key != "title"}, EDITABLE)
    report(session, EventType.IDEA_CREATED, IDEA, [idea], origin, now)
    note_open_ideas(session, [cluster_id], origin=origin, now=now)
    return idea


def update_idea(
    session: Session,
    idea: Idea,
    changes: Values,
    *,
    seen: int | None = None,
    origin: Origin,
    now: datetime,
) -> Idea:
    """Change the given fields only; status accepts, rejects or reopens. Raises Invalid, Conflict, Stale."""
    edit_record(session, IDEA, idea, changes, EDITABLE, seen=seen, origin=origin, now=now)
    if "status" in changes:
        _note(session, [idea.cluster_id], idea.status, origin, now)
    return idea


def decide_ideas(
    session: Session, ids: list[int], status: str, *, origin: Origin, now: datetime
) -> list[int]:
    """Accept or reject many at once; returns the ids moved, and leaves out those that may not be moved."""
    moved = set_status(session, IDEA, ids, status, origin, now)
    clusters = session.scalars(select(Idea.cluster_id).where(Idea.id.in_(moved)))
    _note(session, clusters, status, origin, now)
    return moved


def _note(
    session: Session, cluster_ids: Iterable[int | None], status: str, origin: Origin, now: datetime
) -> None:
    """Update the clusters of ideas that are `status` now."""
    if status == IdeaStatus.REJECTED:
        note_closed_ideas(session, cluster_ids, origin=origin, now=now)
    elif origin.run_id is None:
        # Rules accept new ideas, which were open before: their cluster keeps the status that people set.
        note_open_ideas(session, cluster_ids, origin=origin, now=now)


EDITABLE: dict[str, Cleaner] = {
    "title": line(required=True),
    "description": body,
    "content_type": line(limit=32, required=True),
    "main_keyword": line(),
}
