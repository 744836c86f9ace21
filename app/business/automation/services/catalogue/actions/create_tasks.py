"""Create writing tasks from ideas."""

from typing import Annotated

from app.business.automation.services.catalogue.actions.base import ActionType, Params
from app.business.automation.services.catalogue.actions.effects import (
    Creates,
    Effects,
    StatusChange,
    cluster_follows,
)
from app.business.automation.services.catalogue.actions.eligibility import IneligibilityReason
from app.business.automation.services.catalogue.actions.parameters import (
    DueInDays,
    Ids,
    Inherit,
    TaskKind,
    WordCount,
    ids_input,
)
from app.business.automation.services.rule_parts import JsonObject
from app.business.events import EventType
from app.business.planner.models import IdeaStatus
from app.business.planner.services.cluster_service import OPEN_IDEAS
from app.business.writer.models import TaskStatus


class CreateTasks(Params):
    idea_ids: Annotated[Ids | None, ids_input("these ideas")] = None
    word_count: WordCount = 1000
    task_type: TaskKind = "write"
    due_in_days: DueInDays = None
    inherit: Inherit = True


class CreateTasksAction(ActionType[CreateTasks]):
    key = "create_tasks"
    label = "Create writing tasks"
    explanation = "Makes a writing task of each idea, with its brief. Rejected and used ideas are left out."
    icon = "checklist"
    params = CreateTasks
    takes = ("idea",)
    makes = "task"
    ids = ("idea_ids",)
    events = ("task_created", "status_changed")
    statuses = OPEN_IDEAS
    refusal = IneligibilityReason(
        "It is rejected, or used already.", "is rejected or used already", "are rejected or used already"
    )
    done = "turned into tasks"

    def effects(self, params: CreateTasks, record_type: str | None) -> Effects:
        values: JsonObject = {
            "status": TaskStatus.QUEUED,
            "word_count": params.word_count,
            "task_type": params.task_type,
        }
        return Effects(
            (Creates(EventType.TASK_CREATED, "task", values),),
            (StatusChange("idea", IdeaStatus.USED), *cluster_follows()),
            takes=set(OPEN_IDEAS),
        )


CREATE_TASKS = CreateTasksAction()
