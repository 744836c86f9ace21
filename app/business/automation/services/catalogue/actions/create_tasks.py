"""Create writing tasks from ideas."""

from pydantic import Field

from app.business.automation.services.catalogue.actions.base import ActionType, Days, Ids, Params, TaskType


class CreateTasks(Params):
    idea_ids: Ids | None = None
    word_count: int = Field(1000, ge=100, le=10_000)
    task_type: TaskType = "write"
    due_in_days: Days | None = None
    inherit: bool = True


class CreateTasksAction(ActionType[CreateTasks]):
    key = "create_tasks"
    label = "Create writing tasks"
    params = CreateTasks
    takes = ("idea",)
    makes = "task"
    ids = ("idea_ids",)
    events = ("task_created", "status_changed")


CREATE_TASKS = CreateTasksAction()
