"""The writer's REST resources: tasks and content."""

from datetime import UTC, datetime
from typing import Any

from flask import Response

from app.business.accounts.models import Role
from app.business.errors import Busy, Invalid, NotFound
from app.business.planner.models import Idea, Sector
from app.business.planner.services.site_service import place_of
from app.business.writer.models import Content, ContentStatus, Task
from app.business.writer.services import content_edit, task_service
from app.business.writer.services.record_lists import CONTENTS, TASKS
from app.infrastructure.database import db
from app.modules.access import current_person, owned_or_404
from app.modules.api.bodies import Changes
from app.modules.api.declaration import ApiBlueprint
from app.modules.api.exports import FILE, record_file
from app.modules.api.records import Row, list_rows, row_to_change, show
from app.modules.api.resource import Listed, Window, answer, listed, saved
from app.modules.quotas import EXPORTS
from app.modules.writer.serializers import (
    ContentChanges,
    ContentExportQuery,
    ContentNew,
    ContentQuery,
    ContentShown,
    TaskChanges,
    TaskExportQuery,
    TaskNew,
    TaskQuery,
    TaskShown,
)

api = ApiBlueprint("writer_api", __name__, url_prefix="/api/writer")


@api.call("GET", "/tasks/", Role.VIEWER, answers={200: Listed[TaskShown]})
def list_tasks(query: TaskQuery, window: Window) -> Response:
    """Tasks."""
    return listed(window, list_rows(TASKS, query, window), lambda task: show(TaskShown, task))


@api.call("GET", "/tasks/export/", Role.VIEWER, answers=FILE, errors=(Busy,), quota=EXPORTS)
def export_tasks(query: TaskExportQuery) -> Response:
    """Tasks of the filter in its order, at most 100,000, as a file: CSV, JSON lines or XLSX.

    Texts that begin like a formula get a leading apostrophe in CSV, and are text in XLSX.
    """
    return record_file("tasks", TASKS, query, TaskShown)


@api.call("POST", "/tasks/", Role.OPERATOR, answers={201: TaskShown}, errors=(NotFound,))
def create_task(body: TaskNew) -> Response:
    """A new task: of an idea, or of a site and sector."""
    fields, now = body.model_dump(exclude_unset=True), datetime.now(UTC)
    task = task_service.create_task(
        db.session(), _place(fields, "idea", Idea, now), fields, origin=current_person().origin, now=now
    )
    return saved(answer(show(TaskShown, task), 201, version=task.version))


@api.call("GET", "/tasks/<int:id>/", Role.VIEWER, answers={200: TaskShown}, if_match=True)
def get_task(id: int) -> Response:
    """One task."""
    task = owned_or_404(Task, id)
    return answer(show(TaskShown, task), version=task.version)


@api.call("PATCH", "/tasks/<int:id>/", Role.OPERATOR, answers={200: TaskShown}, if_match=True)
def change_task(id: int, body: Changes[TaskChanges]) -> Response:
    """Change one task."""
    task = row_to_change(Task, id)
    changes = body.of(task, show(TaskShown, task))
    task_service.update_task(
        db.session(), task, changes, origin=current_person().origin, now=datetime.now(UTC)
    )
    return saved(answer(show(TaskShown, task), version=task.version))


@api.call("GET", "/content/", Role.VIEWER, answers={200: Listed[ContentShown]})
def list_content(query: ContentQuery, window: Window) -> Response:
    """Content."""
    return listed(window, list_rows(CONTENTS, query, window), lambda content: show(ContentShown, content))


@api.call("GET", "/content/export/", Role.VIEWER, answers=FILE, errors=(Busy,), quota=EXPORTS)
def export_content(query: ContentExportQuery) -> Response:
    """Content of the filter in its order, at most 100,000, as a file: CSV, JSON lines or XLSX.

    Texts that begin like a formula get a leading apostrophe in CSV, and are text in XLSX.
    """
    return record_file("content", CONTENTS, query, ContentShown)


@api.call("POST", "/content/", Role.OPERATOR, answers={201: ContentShown}, errors=(NotFound,))
def create_content(body: ContentNew) -> Response:
    """A new content: of a task, or of a site and sector."""
    fields, now = body.model_dump(exclude_unset=True), datetime.now(UTC)
    content = content_edit.create_content(
        db.session(), _place(fields, "task", Task, now), fields, origin=current_person().origin, now=now
    )
    return saved(answer(show(ContentShown, content), 201, version=content.version))


@api.call("GET", "/content/<int:id>/", Role.VIEWER, answers={200: ContentShown}, if_match=True)
def get_content(id: int) -> Response:
    """One content item."""
    content = owned_or_404(Content, id)
    return answer(show(ContentShown, content), version=content.version)


@api.call("PATCH", "/content/<int:id>/", Role.OPERATOR, answers={200: ContentShown}, if_match=True)
def change_content(id: int, body: Changes[ContentChanges]) -> Response:
    """Change one content item."""
    content = row_to_change(Content, id)
    changes = body.of(content, show(ContentShown, content))
    content_edit.update_content(
        db.session(), content, changes, origin=current_person().origin, now=datetime.now(UTC)
    )
    shown = show(ContentShown, content)
    if content.outline and changes.get("status") == ContentStatus.APPROVED:
        shown = shown.model_copy(update={"notice": content_edit.BRIEF_APPROVED})
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
        return place_of(db.session(), current_person().scope, site_id, sector_id, now=now)
    row: Any = owned_or_404(parent, parent_id)
    if site_id not in (None, row.site_id) or sector_id not in (None, row.sector_id):
        raise Invalid({"site": [f"The {name} belongs to another place. Send the {name} alone."]})
    return row  # type: ignore[no-any-return]
