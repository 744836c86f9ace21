"""Tasks: the writer's briefs, made from ideas or by hand."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.base import RowValues, Values
from app.business.errors import Conflict, Invalid
from app.business.events import EventType, Origin
from app.business.planner.models import Idea, IdeaStatus, Sector
from app.business.planner.services.cluster_service import OPEN_IDEAS, note_closed_ideas
from app.business.planner.services.plain_text import clean_line
from app.business.planner.services.record_changes import IDEA, move_status, new_record, report
from app.business.planner.services.record_edit import (
    Cleaner,
    as_given,
    body,
    edit_record,
    fill_record,
    line,
    text_in,
)
from app.business.writer.models import Task, TaskStatus, TaskType
from app.business.writer.services.record_kinds import TASK

WORDS_LIMIT = 10_000


def create_task(
    session: Session,
    place: Sector | Idea,
    fields: Values,
    *,
    idea_id: int | None = None,
    origin: Origin,
    now: datetime,
    ordinal: int | None = None,
) -> Task:
    """A task written by hand, not ready yet (draft) unless `fields` say queued, with its task_created event.

    An idea it is made from becomes used. `fields`: title, brief?, task_type?, main_keyword?, word_count?, due_on?,
    status?, labels?, note?, assignee?. `idea_id`: an idea of the same place that it belongs to without using it.
    `ordinal`: its number within the unit of work. Raises Invalid, or
    Conflict for a rejected or used idea.
    """
    idea = place if isinstance(place, Idea) else None
    if idea and not _use(session, [idea.id], origin, now):
        raise Conflict(f"This idea is “{idea.status}”; tasks are made from new and accepted ideas only.")
    values = _from_idea(idea) if idea else {}
    status = _first_status(text_in(fields, "status") or TaskStatus.DRAFT)
    extra = {key: value for key, value in fields.items() if key != "status"}
    return _add(session, place, status, values | extra, origin, now, ordinal, idea.id if idea else idea_id)


def create_tasks(
    session: Session,
    idea_ids: Sequence[int],
    *,
    word_count: int = 1000,
    task_type: str = TaskType.WRITE,
    due_on: date | None = None,
    inherit: bool = True,
    origin: Origin,
    now: datetime,
) -> list[Task]:
    """A queued task from each new or accepted idea, which becomes used; other ideas are left out.

    Without `inherit` it has the idea's title and text, but no main keyword.
    """
    used = _use(session, idea_ids, origin, now)
    ideas = {idea.id: idea for idea in session.scalars(select(Idea).where(Idea.id.in_(used)))}
    common: RowValues = {"word_count": word_count, "task_type": task_type, "due_on": due_on}
    common |= {} if inherit else {"main_keyword": ""}
    return [
        _add(
            session, ideas[key], TaskStatus.QUEUED, _from_idea(ideas[key]) | common, origin, now, ordinal, key
        )
        for ordinal, key in enumerate(used)
    ]


def update_task(
    session: Session,
    task: Task,
    changes: Values,
    *,
    seen: int | None = None,
    origin: Origin,
    now: datetime,
) -> Task:
    """Change the given fields only. Raises Invalid, Conflict, Stale."""
    edit_record(session, TASK, task, changes, EDITABLE, seen=seen, origin=origin, now=now)
    return task


def _use(session: Session, idea_ids: Sequence[int], origin: Origin, now: datetime) -> list[int]:
    used = move_status(session, IDEA, idea_ids, OPEN_IDEAS, IdeaStatus.USED, origin, now)
    clusters = session.scalars(select(Idea.cluster_id).where(Idea.id.in_(used)))
    note_closed_ideas(session, clusters.all(), origin=origin, now=now)
    return used


def _from_idea(idea: Idea) -> RowValues:
    return {"title": idea.title, "brief": idea.description, "main_keyword": idea.main_keyword}


def _add(
    session: Session,
    place: Sector | Idea,
    status: str,
    fields: Values,
    origin: Origin,
    now: datetime,
    ordinal: int | None = None,
    idea_id: int | None = None,
) -> Task:
    title = clean_line(text_in(fields, "title"), "title")
    task = Task(
        **new_record(place, status, origin, now, ordinal), title=title, idea_id=idea_id, word_count=1000
    )
    fill_record(session, task, {key: fields[key] for key in fields if key != "title"}, EDITABLE)
    report(session, EventType.TASK_CREATED, TASK, [task], origin, now)
    return task


def _first_status(status: str) -> str:
    if status not in (TaskStatus.DRAFT, TaskStatus.QUEUED):
        raise Invalid({"status": ["A new task is “draft” (not ready) or “queued” (ready to write)."]})
    return status


def _words(value: int, path: str) -> int:
    if not 1 <= value <= WORDS_LIMIT:
        raise Invalid({path: [f"Choose a length from 1 to {WORDS_LIMIT:,} words."]})
    return value


def _type(value: str, path: str) -> str:
    if value not in list(TaskType):
        raise Invalid({path: [f"Choose one of: {', '.join(TaskType)}."]})
    return value


EDITABLE: dict[str, Cleaner] = {
    "title": line(required=True),
    "brief": body,
    "task_type": _type,
    "main_keyword": line(),
    "word_count": _words,
    "due_on": as_given,
}
