"""What can start a rule: each trigger's words, the records it gives, and its options."""

from dataclasses import dataclass
from typing import Any

from app.business.accounts.services.scope import is_row_id
from app.business.automation.services.catalogue.fields import choices_of
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.catalogue.run_fields import ENDS, FINISHED_RUN, RUN_FIELDS
from app.business.errors import Invalid


@dataclass(frozen=True)
class Trigger:
    """One way to start a rule. record_type: what its events are about; None = the rule's choice, or none."""

    key: str
    label: str
    record_type: str | None = None
    options: tuple[str, ...] = ()


TRIGGERS: dict[str, Trigger] = {
    trigger.key: trigger
    for trigger in (
        Trigger("schedule", "At planned times"),
        Trigger("keyword_added", "When keywords are added", "keyword"),
        Trigger("cluster_created", "When clusters are made", "cluster"),
        Trigger("idea_created", "When ideas are made", "idea"),
        Trigger("task_created", "When tasks are made", "task"),
        Trigger("content_generated", "When content is written", "content"),
        Trigger("status_changed", "When a status changes", options=("record_type", "to")),
        Trigger("run_finished", "When a run of a rule has finished", options=("rule_id", "status")),
        Trigger("credits_granted", "When credits arrive"),
    )
}

RUN_ENDS = tuple(end for end, _ in ENDS)


def subject_of(trigger: str, record_type: str | None) -> str | None:
    """What a rule's conditions speak of: its records, the finished run that it follows (`run`), or the account."""
    return record_type or (FINISHED_RUN if trigger == "run_finished" else None)


def check_options(trigger: str, options: dict[str, Any]) -> None:
    """Raise Invalid unless `options` are those of this known trigger.

    status_changed: record_type (required) and to, a status or a list of them (absent: any).
    run_finished: rule_id (absent: any rule) and status (absent: completed or failed).
    """
    errors = {
        f"trigger_options.{name}": [f"Unknown option '{name}' of the trigger {trigger}."]
        for name in options
        if name not in TRIGGERS[trigger].options
    }
    if trigger == "status_changed":
        errors |= _status_errors(options)
    if trigger == "run_finished":
        errors |= _run_errors(options)
    if errors:
        raise Invalid(errors)


def statuses_to(options: dict[str, Any]) -> list[str]:
    """The statuses that checked status_changed options ask for; empty means any."""
    to = options.get("to")
    return [] if to is None else list(to) if isinstance(to, list) else [to]


def wanted_ends(options: dict[str, Any]) -> list[str]:
    """The ends of runs that checked run_finished options ask for."""
    wanted = options.get("status")
    return (
        ["completed", "failed"] if wanted is None else [wanted] if isinstance(wanted, str) else list(wanted)
    )


def trigger_catalog() -> list[dict[str, Any]]:
    """The triggers, ready for JSON."""
    return [
        {
            "type": entry.key,
            "label": entry.label,
            "record_type": entry.record_type,
            "options": list(entry.options),
            "text_fields": _text_fields(entry.key),
        }
        for entry in TRIGGERS.values()
    ]


def _text_fields(trigger: str) -> list[dict[str, str]]:
    """What texts of such a rule may name beside the fields of records and of the account."""
    of_run = RUN_FIELDS.values() if trigger == "run_finished" else ()
    return [{"name": field.name, "label": field.label} for field in of_run]


def _status_errors(options: dict[str, Any]) -> dict[str, list[str]]:
    record_type = options.get("record_type")
    if record_type not in RECORD_TYPES:
        return {"trigger_options.record_type": [f"Say whose status: one of {', '.join(RECORD_TYPES)}."]}
    allowed = [value for value, _ in choices_of(record_type, "status")]
    to = options.get("to")
    wanted = [] if to is None else to if isinstance(to, list) else [to]
    wrong = [value for value in wanted if value not in allowed]
    if not wrong:
        return {}
    return {
        "trigger_options.to": [
            f"The status of {record_type} is one of {', '.join(allowed)}; {wrong[0]!r} is not."
        ]
    }


def _run_errors(options: dict[str, Any]) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    rule_id, status = options.get("rule_id"), options.get("status")
    if rule_id is not None and not is_row_id(rule_id):
        errors["trigger_options.rule_id"] = ["Name one rule by its number, or leave it out."]
    if status is not None and status not in RUN_ENDS:
        errors["trigger_options.status"] = [f"A run ends as one of {', '.join(RUN_ENDS)}."]
    return errors
