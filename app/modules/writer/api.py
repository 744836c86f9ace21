"""The writer's REST resources: tasks and content."""

from datetime import UTC, datetime
from typing import Any

from flask import Response

from app.business.accounts.models import Role
from app.business.errors import Invalid
from app.business.planner.models import Idea, Sector
from app.business.planner.services.site_service import place_of
from app.business.writer.models import Content, ContentStatus, Task
from app.business.writer.services import content_edit, task_service
from app.business.writer.services.record_lists import CONTENTS, TASKS
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.api.records import Row, list_rows, row_to_change, sent_changes, show
from app.modules.api.resource import answer, listed, read_new, saved
from app.modules.writer.serializers import (
    ContentChanges,
    ContentNew,
    ContentQuery,
    ContentShown,
    TaskChanges,
    TaskNew,
    TaskQuery,
    TaskShown,
)


@allow(Role.VIEWER)
def list_tasks() -> Response:
    """GET tasks."""
    return listed(list_rows(TASKS, TaskQuery), lambda task: show(TaskShown, task))


@allow(Role.OPERATOR)
def create_task() -> Response:
    """POST tasks: of an idea, or of a site and sector."""
    fields, now = read_new(TaskNew).model_dump(exclude_unset=True), datetime.now(UTC)
    task = task_service.create_task(
        db.session(), _place(fields, "idea", Idea, now), fields, origin=current_person().origin, now=now
    )
    return saved(answer(show(TaskShown, task), 201, version=task.version))


@allow(Role.VIEWER)
def get_task(id: int) -> Response:
    """GET one task."""
    task = owned_or_404(Task, id)
    return answer(show(TaskShown, task), version=task.version)


@allow(Role.OPERATOR)
def change_task(id: int) -> Response:
    """PATCH one task."""
    task = row_to_change(Task, id)
    changes = sent_changes(TaskChanges, task, show(TaskShown, task))
    task_service.update_task(
        db.session(), task, changes, origin=current_person().origin, now=datetime.now(UTC)
    )
    return saved(answer(show(TaskShown, task), version=task.version))


@allow(Role.VIEWER)
def list_content() -> Response:
    """GET content."""
    return listed(list_rows(CONTENTS, ContentQuery), lambda content: show(ContentShown, content))


@allow(Role.OPERATOR)
def create_content() -> Response:
    """POST content: of a task, or of a site and sector."""
    fields, now = read_new(ContentNew).model_dump(exclude_unset=True), datetime.now(UTC)
    content = content_edit.create_content(
        db.session(), _place(fields, "task", Task, now), fields, origin=current_person().origin, now=now
    )
    return saved(answer(show(ContentShown, content), 201, version=content.version))


@allow(Role.VIEWER)
def get_content(id: int) -> Response:
    """GET one content item."""
    content = owned_or_404(Content, id)
    return answer(show(ContentShown, content), version=content.version)


@allow(Role.OPERATOR)
def change_content(id: int) -> Response:
    """PATCH one content item."""
    content = row_to_change(Content, id)
    changes = sent_changes(ContentChanges, content, show(ContentShown, content))
    content_edit.update_content(
        db.session(), content, changes, origin=current_person().origin, now=datetime.now(UTC)
    )
    shown = show(ContentShown, content)
    if content.outline and changes.get("status") == ContentStatus.APPROVED:
        shown["notice"] = content_edit.OUTLINE_APPROVED
    return saved(answer(shown, version=content.version))


def _place(fields: dict[str, Any], name: str, parent: type[Row], now: datetime) -> Row | Sector:
    """The parent named, else the site's sector; both are taken out of `fields`. Raises NotFound, Invalid."""
    parent_id, site_id, sector_id = (
        fields.pop(name, None),
        fields.pop("site", None),
        fields.pop("sector", None),
    )
    if parent_id is None:
        if site_id is None:
            raise Invalid({"site": [f"Send the site, or the {name} that it belongs to."]})
        return place_of(db.session(), current_person().account.id, site_id, sector_id, now=now)
    row: Any = owned_or_404(parent, parent_id)
    if site_id not in (None, row.site_id) or sector_id not in (None, row.sector_id):
        raise Invalid({"site": [f"The {name} belongs to another place. Send the {name} alone."]})
    return row  # type: ignore[no-any-return]
