"""Create an idea or a task, for each record or once for the run."""

from typing import Annotated, Literal

from pydantic import Field

from app.business.automation.services.catalogue.actions.base import ActionType, Params
from app.business.automation.services.catalogue.actions.effects import Creates, Effects, StatusChange
from app.business.automation.services.catalogue.actions.parameters import (
    DueInDays,
    Inherit,
    Input,
    TaskKind,
    WordCount,
    quoted,
)
from app.business.automation.services.catalogue.nouns import one
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.rule_parts import JsonObject
from app.business.events import EventType
from app.business.planner.models import ClusterStatus, IdeaStatus
from app.business.writer.models import TaskStatus

OF_TASK = Field(json_schema_extra={"for_type": "task"})


class CreateRecord(Params):
    """`for_type` marks what only one of the two has; the other leaves it out."""

    type: Annotated[Literal["idea", "task"], Input("What to create")]
    title: Annotated[
        str,
        Field(min_length=1, max_length=255),
        Input(
            "Title",
            "You can name fields of the record, like {name}, and figures, like {account.runs_this_month}.",
            template=True,
            phrase=quoted(),
        ),
    ]
    description: Annotated[
        str,
        Field(max_length=5000),
        Input(
            "Description",
            "You can name fields here too, like {name} or {account.credits_used_this_month}.",
            more=True,
            template=True,
            several_lines=True,
            phrase=quoted("text "),
            only_in_full=True,
        ),
    ] = ""
    content_type: Annotated[
        str,
        Field(max_length=32, json_schema_extra={"for_type": "idea"}),
        Input(
            "Kind of content",
            more=True,
            phrase=lambda value, _type, _rules: f"of the kind “{value}”",
        ),
    ] = "article"
    word_count: Annotated[WordCount, OF_TASK] = 1000
    task_type: Annotated[TaskKind, OF_TASK] = "write"
    due_in_days: Annotated[DueInDays, OF_TASK] = None
    inherit: Inherit = True


class CreateRecordAction(ActionType[CreateRecord]):
    key = "create_record"
    label = "Create an idea or a task"
    explanation = "Makes an idea or a task with the title you give; texts may name fields, like {name}."
    icon = "plus"
    params = CreateRecord
    takes = RECORD_TYPES
    makes = "idea"
    kind_from = "type"
    events = ("idea_created", "task_created", "status_changed")
    done = "used to create records"

    def effects(self, params: CreateRecord, record_type: str | None) -> Effects:
        if params.type == "task":
            values: JsonObject = {
                "status": TaskStatus.DRAFT,
                "word_count": params.word_count,
                "task_type": params.task_type,
            }
            return Effects((Creates(EventType.TASK_CREATED, "task", values),))
        creates = Creates(EventType.IDEA_CREATED, "idea", {"status": IdeaStatus.NEW})
        planned = StatusChange("cluster", ClusterStatus.PLANNED)
        return Effects((creates,), (planned,) if record_type == "cluster" else ())

    def phrase(self, params: CreateRecord) -> str:
        return f"create {one(params.type)}"


CREATE_RECORD = CreateRecordAction()
