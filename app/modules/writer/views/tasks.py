"""Tasks: the list, one by one, marking many ready."""

from datetime import UTC, datetime

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.planner.models import Idea
from app.business.writer.models import Task, TaskStatus
from app.business.writer.services import task_service
from app.business.writer.services.record_kinds import TASK
from app.business.writer.services.record_lists import CONTENTS, TASKS
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.gate.numbers import row_id
from app.modules.list_columns import chosen_columns
from app.modules.record_decisions import Decision, decide_page
from app.modules.record_editing import Editing, edit_page, form_page
from app.modules.record_forms import SHARED_LAYOUT, place_choices, site_first
from app.modules.record_pages import read_list, trail_of
from app.modules.web import page_or_partial, see_other
from app.modules.writer.forms import NewTaskForm, TaskFilterForm, TaskForm
from app.modules.writer.list_columns import TASK_COLUMNS

DECISION = Decision(
    kind=TASK,
    list="writer.tasks",
    rows=TASKS,
    filters=TaskFilterForm,
    page="writer.task",
    choose="Choose what the ticked tasks are: ready, not ready, or done.",
    asked={
        TaskStatus.QUEUED: ("Mark ready", "Rules may have their articles written, which costs credits."),
        TaskStatus.DRAFT: ("Mark not ready", "Rules that take queued tasks leave them alone."),
        TaskStatus.DONE: ("Mark done", "Rules write no articles for them any more."),
    },
    said={
        TaskStatus.QUEUED: "ready: rules may write them now",
        TaskStatus.DRAFT: "not ready: rules leave them alone",
        TaskStatus.DONE: "done",
    },
)

EDITING = Editing(
    noun="task",
    model=Task,
    form=TaskForm,
    layout=(
        ("title",),
        ("place",),
        ("brief",),
        ("task_type", "main_keyword"),
        ("word_count", "due_on"),
        *SHARED_LAYOUT,
    ),
    path=lambda _row: [("Tasks", url_for("writer.tasks"))],
    name=lambda row: row.title,
    page=lambda row: url_for("writer.task", id=row.id),
    here=lambda row: url_for("writer.edit_task", id=row.id),
    save=lambda row, changes, seen, now: task_service.update_task(
        db.session(), row, changes, seen=seen, origin=current_person().origin, now=now
    ),
)


@allow(Role.VIEWER)
def index() -> str:
    form = TaskFilterForm()
    return page_or_partial(
        "pages/writer/tasks.html",
        "partials/writer/tasks_table.html",
        form=form,
        list=read_list(TASKS, form, "task", export="writer_api.export_tasks"),
        columns=chosen_columns(TASK_COLUMNS),
    )


@allow(Role.OPERATOR)
def add() -> ResponseReturnValue:
    """Create a task by hand, of an idea (`?idea=`) or in any sector."""
    if not place_choices():
        return site_first()
    idea_id, now = row_id(request.args.get("idea")), datetime.now(UTC)
    idea = owned_or_404(Idea, idea_id) if idea_id else None
    form = TaskForm(**_from_idea(idea)) if idea else NewTaskForm()
    if form.validate_on_submit() and form.taken(
        lambda: task_service.create_task(
            db.session(),
            idea or form["place"].sector(now),
            form.values("place"),
            origin=current_person().origin,
            now=now,
        )
    ):
        db.session.commit()
        flash("The task is here, not ready yet. Mark it ready when the brief is whole.", "success")
        return see_other(url_for("writer.tasks"))
    return form_page(EDITING, form, url_for("writer.new_task", idea=idea and idea.id))


@allow(Role.VIEWER)
def show(id: int) -> str:
    task, scope = owned_or_404(Task, id), current_person().scope
    written = CONTENTS.page(db.session(), scope, {"task": task.id}, limit=20).rows
    return render_template("pages/writer/task.html", task=task, written=written, trail=trail_of(task))


@allow(Role.OPERATOR)
def edit(id: int) -> ResponseReturnValue:
    return edit_page(EDITING, id)


@allow(Role.OPERATOR)
def decide() -> ResponseReturnValue:
    """Mark the ticked tasks ready, not ready, or done."""
    return decide_page(DECISION)


def _from_idea(idea: Idea) -> dict[str, str]:
    return {"title": idea.title, "brief": idea.description, "main_keyword": idea.main_keyword}
