"""Change status, labels, person, note or due day of records."""

from typing import Annotated

from pydantic import Field

from app.business.automation.services.catalogue.actions.base import ActionType, Params
from app.business.automation.services.catalogue.actions.effects import Effects, StatusChange, cluster_follows
from app.business.automation.services.catalogue.actions.parameters import (
    DueInDays,
    Input,
    Names,
    Phrase,
    RowId,
    Said,
    Words,
    quoted,
)
from app.business.automation.services.catalogue.fields import choices_of
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.planner.services.record_changes import CLUSTER, IDEA, KEYWORD
from app.business.writer.services.record_kinds import CONTENT, TASK

KINDS = {kind.name: kind for kind in (KEYWORD, CLUSTER, IDEA, TASK, CONTENT)}


def _status(status: Said, record_type: str | None, _rules: Names) -> str:
    words = dict(choices_of(record_type, "status")) if record_type else {}
    return f"status “{words.get(status, status)}”"


def _labels(verb: str) -> Phrase:
    return lambda labels, _type, _rules: f"{verb} {' and '.join(f'“{label}”' for label in labels)}"


class UpdateRecords(Params):
    status: Annotated[Words | None, Input("New status", none="As it is", names="status", phrase=_status)] = (
        None
    )
    labels_add: Annotated[
        list[Words],
        Field(max_length=20),
        Input("Labels to add", "Separate several with commas.", phrase=_labels("add the label")),
    ] = Field(default_factory=list)
    labels_remove: Annotated[
        list[Words], Field(max_length=20), Input("Labels to remove", phrase=_labels("take off the label"))
    ] = Field(default_factory=list)
    assignee: Annotated[
        RowId | None,
        Input(
            "Give it to",
            names="person",
            phrase=lambda value, _type, _rules: f"give them to person {value}",
        ),
    ] = None
    due_in_days: DueInDays = None
    note: Annotated[
        str | None,
        Field(max_length=2000),
        Input(
            "Note",
            "You can name fields of the record, like {status} or {site.name}.",
            template=True,
            several_lines=True,
            phrase=quoted("note "),
            only_in_full=True,
        ),
    ] = None

    @property
    def changes_labels_only(self) -> bool:
        others = (self.status, self.assignee, self.due_in_days, self.note)
        return bool(self.labels_add or self.labels_remove) and all(other is None for other in others)


class UpdateRecordsAction(ActionType[UpdateRecords]):
    key = "update_records"
    label = "Update the records"
    explanation = "Changes status, labels, person, due day or note."
    icon = "pencil"
    params = UpdateRecords
    takes = RECORD_TYPES
    events = ("status_changed",)
    done = "updated"

    def effects(self, params: UpdateRecords, record_type: str | None) -> Effects:
        came_from = None
        changes: tuple[StatusChange, ...] = ()
        if params.status is not None and record_type is not None:
            came_from = set(KINDS[record_type].by_rules.get(params.status, ()))
            follow = cluster_follows() if record_type == "idea" else ()
            changes = (StatusChange(record_type, params.status), *follow) if came_from else ()
        return Effects(
            changes=changes,
            takes=came_from,
            fields=_changed(params),
            labels_added=params.labels_add,
            labels_removed=params.labels_remove,
        )


def _changed(params: UpdateRecords) -> set[str]:
    labels = {"labels"} if params.labels_add or params.labels_remove else set()
    named = {"note": params.note, "assignee": params.assignee, "due_on": params.due_in_days}
    return labels | {name for name, value in named.items() if value is not None}


UPDATE_RECORDS = UpdateRecordsAction()
