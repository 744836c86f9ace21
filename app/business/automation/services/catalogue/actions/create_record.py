"""Create an idea or a task, for each record or once for the run."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from app.business.automation.services.catalogue.actions.base import ActionType, Days, Params, TaskType
from app.business.automation.services.catalogue.record_models import RECORD_TYPES


class CreateRecord(Params):
    """`for_type` marks what only one of the two has; the other leaves it out."""

    type: Literal["idea", "task"]
    title: str = Field(min_length=1, max_length=255)
    description: str = Field("", max_length=5000)
    content_type: str = Field("article", max_length=32, json_schema_extra={"for_type": "idea"})
    word_count: int = Field(1000, ge=100, le=10_000, json_schema_extra={"for_type": "task"})
    task_type: TaskType = Field("write", json_schema_extra={"for_type": "task"})
    due_in_days: Days | None = Field(None, json_schema_extra={"for_type": "task"})
    inherit: bool = True


class CreateRecordAction(ActionType[CreateRecord]):
    key = "create_record"
    label = "Create an idea or a task"
    params = CreateRecord
    takes = RECORD_TYPES
    makes = "idea"
    events = ("idea_created", "task_created", "status_changed")

    def made_type(self, params: Mapping[str, Any]) -> str | None:
        return str(params["type"])


CREATE_RECORD = CreateRecordAction()
