"""Change status, labels, person, note or due day of records."""

from pydantic import Field

from app.business.automation.services.catalogue.actions.base import ActionType, Days, Params, RowId, Words
from app.business.automation.services.catalogue.record_models import RECORD_TYPES


class UpdateRecords(Params):
    status: Words | None = None
    labels_add: list[Words] = Field(default_factory=list, max_length=20)
    labels_remove: list[Words] = Field(default_factory=list, max_length=20)
    assignee: RowId | None = None
    due_in_days: Days | None = None
    note: str | None = Field(None, max_length=2000)


class UpdateRecordsAction(ActionType[UpdateRecords]):
    key = "update_records"
    label = "Update the records"
    params = UpdateRecords
    takes = RECORD_TYPES
    events = ("status_changed",)


UPDATE_RECORDS = UpdateRecordsAction()
