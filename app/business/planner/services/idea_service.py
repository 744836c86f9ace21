"""Editing ideas: create, edit, accept, reject."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.base import RowValues, Values
from app.business.events import EventType, Origin
from app.business.folded_columns import with_folded
from app.business.planner.models import Cluster, Idea, IdeaStatus, Sector
from app.business.planner.services.cluster_service import note_closed_ideas, note_open_ideas
from app.business.planner.services.plain_text import clean_line
from app.business.planner.services.record_changes import IDEA, new_record, report, set_status
from app.business.planner.services.record_edit import (
    Cleaner,
    body,
    edit_record,
    line,
    set_fields,
    text_in,
)
from app.business.upsert import insert_many_new


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
    (idea,) = create_ideas(session, place, [(ordinal, fields)], origin=origin, now=now)
    return idea


def create_ideas(
    session: Session,
    place: Sector | Cluster,
    drafts: Iterable[tuple[int | None, Values]],
    *,
    origin: Origin,
    now: datetime,
) -> list[Idea]:
    """The same for several ideas, each with its `ordinal` and `fields`. Raises Invalid."""
    cluster_id = place.id if isinstance(place, Cluster) else None
    ideas = []
    for ordinal, fields in drafts:
        title = clean_line(text_in(fields, "title"), "title")
        values = new_record(place, IdeaStatus.NEW, origin, now, ordinal)
        ideas.append(Idea(**values, title=title, cluster_id=cluster_id))
        set_fields(session, ideas[-1], {key: fields[key] for key in fields if key != "title"}, EDITABLE)
    session.add_all(ideas)
    session.flush()
    report(session, EventType.IDEA_CREATED, IDEA, ideas, origin, now)
    if ideas:
        note_open_ideas(session, [cluster_id], origin=origin, now=now)
    return ideas


def stored_texts(fields: Values) -> RowValues:
    """The texts of a new idea as they are stored. Raises Invalid."""
    return {name: clean(fields[name], name) for name, clean in EDITABLE.items() if name in fields}


def insert_ideas(session: Session, rows: Sequence[Values]) -> list[int]:
    """Write new ideas of runs by one statement, without their events; returns their ids, in the order of the rows.

    Raises KeyError where one of them is there already.
    """
    if not rows:
        return []
    values = [with_folded(Idea, row) for row in rows]
    # The rows of the runs name the accounts.
    written = insert_many_new(session, Idea, values, Idea.made_key, Idea.id, is_shown=False)
    ids: dict[str, int] = dict(written)
    return [ids[text_in(row, "made_key")] for row in rows]


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
