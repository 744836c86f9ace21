"""The triggers of rules: label, record type of their events, and options."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from app.business.automation.services.catalogue.fields import choices_of
from app.business.automation.services.catalogue.incoming_fields import INCOMING
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.catalogue.run_fields import ENDS, FINISHED_RUN, RUN_FIELDS
from app.business.automation.services.rule_parts import Json, JsonObject, RulePart, Stored
from app.business.errors import Invalid

RUN_ENDS = tuple(end for end, _ in ENDS)


@dataclass(frozen=True)
class OptionRefusal:
    """The error sentence for values that the option's type refuses."""

    sentence: str


class TriggerOptions(RulePart):
    """Base of the options of triggers."""


class NoOptions(TriggerOptions):
    """For triggers without options."""


class StatusChangedOptions(TriggerOptions):
    """The record type, and one or more new statuses; absent: any."""

    record_type: Annotated[
        Literal["keyword", "cluster", "idea", "task", "content"],
        OptionRefusal(f"Say whose status: one of {', '.join(RECORD_TYPES)}."),
    ]
    to: str | list[str] | None = None

    @field_validator("to", mode="plain", json_schema_input_type=str | list[str] | None)
    @classmethod
    def _of_that_type(cls, value: object, info: ValidationInfo) -> object:
        """`object`, because the invalid value is quoted in the error."""
        if value is None or "record_type" not in info.data:
            return value
        record_type = info.data["record_type"]
        allowed = [status for status, _ in choices_of(record_type, "status")]
        wrong = [
            status for status in (value if isinstance(value, list) else [value]) if status not in allowed
        ]
        if wrong:
            sentence = f"The status of {record_type} is one of {', '.join(allowed)}; {wrong[0]!r} is not."
            raise PydanticCustomError("status", "{sentence}", {"sentence": sentence})
        return value

    @property
    def statuses(self) -> tuple[str, ...]:
        """The new statuses that match; empty means any."""
        return () if self.to is None else tuple(self.to) if isinstance(self.to, list) else (self.to,)


class RunFinishedOptions(TriggerOptions):
    """The rule whose runs match (absent: any) and their end (absent: completed or failed)."""

    rule_id: Annotated[
        Annotated[int, Field(ge=1, lt=2**63)] | None,
        OptionRefusal("Name one rule by its number, or leave it out."),
    ] = None
    status: Annotated[
        Literal["completed", "failed", "skipped"] | None,
        OptionRefusal(f"A run ends as one of {', '.join(RUN_ENDS)}."),
    ] = None

    @property
    def ends(self) -> tuple[str, ...]:
        """The ends of runs that match."""
        wanted: object = self.status  # Rows of older versions may hold a list.
        if isinstance(wanted, list):
            return tuple(wanted)
        return ("completed", "failed") if self.status is None else (self.status,)

    def ask_for(self, rule_id: int | None, end: str | None) -> bool:
        """Whether a run of that rule with that end matches."""
        return self.rule_id in (None, rule_id) and end in self.ends


AnyOptions = StatusChangedOptions | RunFinishedOptions | NoOptions


@dataclass(frozen=True)
class Trigger:
    """One trigger. record_type: of its events; None = chosen by the rule, or none."""

    key: str
    label: str
    record_type: str | None = None
    options: type[AnyOptions] = NoOptions


TRIGGERS: dict[str, Trigger] = {
    trigger.key: trigger
    for trigger in (
        Trigger("schedule", "At planned times"),
        Trigger("keyword_added", "When keywords are added", "keyword"),
        Trigger("cluster_created", "When clusters are made", "cluster"),
        Trigger("idea_created", "When ideas are made", "idea"),
        Trigger("task_created", "When tasks are made", "task"),
        Trigger("content_generated", "When content is written", "content"),
        Trigger("status_changed", "When a status changes", options=StatusChangedOptions),
        Trigger("run_finished", "When a run of a rule has finished", options=RunFinishedOptions),
        Trigger("credits_granted", "When credits arrive"),
        Trigger(INCOMING, "When a message from another system arrives"),
    )
}


def subject_of(trigger: str, record_type: str | None) -> str | None:
    """The subject of a rule's conditions: its record type, the finished run that it follows (`run`), the message that
    started it (`incoming`), or None for the account."""
    return record_type or {"run_finished": FINISHED_RUN, INCOMING: INCOMING}.get(trigger)


def parse_options(trigger: str, options: Stored) -> AnyOptions:
    """The validated options of this known trigger. Raises Invalid with sentences by `trigger_options.<name>`."""
    try:
        return TRIGGERS[trigger].options.model_validate(options)
    except ValidationError as error:
        raise Invalid(_option_errors(trigger, error)) from None


def stored_options(trigger: str, options: Json) -> AnyOptions:
    """Options as stored in a row. Any: older versions did not validate them."""
    return (TRIGGERS[trigger].options if trigger in TRIGGERS else NoOptions).stored(options)


def statuses_to(options: AnyOptions) -> tuple[str, ...]:
    """The new statuses that match; empty means any, or that the trigger is not a status change."""
    return options.statuses if isinstance(options, StatusChangedOptions) else ()


def _option_errors(trigger: str, error: ValidationError) -> dict[str, list[str]]:
    fields = TRIGGERS[trigger].options.model_fields
    errors: dict[str, list[str]] = {}
    for fault in sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden"):
        name = str(fault["loc"][0])
        if fault["type"] == "extra_forbidden":
            sentence = f"“{TRIGGERS[trigger].label}” has no setting “{name}”: leave it out."
        else:
            said = [item.sentence for item in fields[name].metadata if isinstance(item, OptionRefusal)]
            sentence = said[0] if said else fault["msg"]
        errors[f"trigger_options.{name}"] = [sentence]
    return errors


def trigger_catalog() -> list[JsonObject]:
    """The triggers, ready for JSON."""
    return [
        {
            "type": entry.key,
            "label": entry.label,
            "record_type": entry.record_type,
            "options": list(entry.options.model_fields),
            "text_fields": _text_fields(entry.key),
        }
        for entry in TRIGGERS.values()
    ]


def _text_fields(trigger: str) -> list[Json]:
    """Fields that texts of such a rule may use beside those of records and of the account."""
    of_run = RUN_FIELDS.values() if trigger == "run_finished" else ()
    return [{"name": field.name, "label": field.label} for field in of_run]
