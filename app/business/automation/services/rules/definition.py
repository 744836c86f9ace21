"""What a rule says: the writable fields, checked as one. Form, REST API and engine use this one model."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.business.automation.services.catalogue import triggers
from app.business.automation.services.catalogue.actions.base import RowId
from app.business.automation.services.catalogue.actions.registry import CATALOGUE, explicit_ids, made_by
from app.business.automation.services.catalogue.field_types import OF_SITE
from app.business.automation.services.catalogue.record_models import PARENTS, RECORD_TYPES
from app.business.automation.services.catalogue.record_order import check_order
from app.business.automation.services.conditions.nodes import counts
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.rules.naming import check_name
from app.business.automation.services.rules.options import idle_options
from app.business.automation.services.rules.texts import character_errors, text_errors
from app.business.automation.services.schedules.calendar import parse_schedule
from app.business.errors import Invalid

RECORD_LIMIT = 50
CLUSTERING_RECORD_LIMIT = 500
MOST_ACTIONS = 20


class RuleDefinition(BaseModel):
    """A rule as its author writes it. Absent keys take the defaults that suit most rules."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=255)
    description: str = Field("", max_length=5000)
    trigger: str
    trigger_options: dict[str, Any] = Field(default_factory=dict)
    site: RowId | None = None
    sector: RowId | None = None
    record_type: str | None = None
    conditions: dict[str, Any] = Field(default_factory=dict)
    actions: list[dict[str, Any]] = Field(min_length=1, max_length=MOST_ACTIONS)
    schedule: dict[str, Any] = Field(default_factory=dict)
    is_active: bool = True
    max_executions_per_day: int = Field(10, ge=1, le=100_000)
    credit_limit_per_execution: int = Field(100, ge=0, le=1_000_000)
    record_limit: int | None = Field(None, ge=1, le=5000)
    record_minimum: int = Field(1, ge=1, le=5000)
    order: str = Field("oldest", max_length=64)
    batching: Literal["batch", "each"] = "batch"
    split_by: Literal["none", "site"] = "none"
    repeat: Literal["once", "after_days", "always"] = "once"
    repeat_after_days: int | None = Field(None, ge=1, le=3650)
    overlap: Literal["skip", "queue", "allow"] = "skip"
    catch_up: Literal["latest", "all", "none"] = "latest"
    catch_up_hours: int = Field(12, ge=1, le=720)
    when_limited: Literal["wait", "skip"] | None = None
    priority: int = Field(5, ge=1, le=9)
    mode: Literal["live", "shadow"] = "live"
    monthly_budget: int | None = Field(None, ge=0, le=10_000_000)
    stop_after_failures: int = Field(5, ge=0, le=1000)

    @property
    def subject(self) -> str | None:
        """What the conditions speak of (`triggers.subject_of`)."""
        return triggers.subject_of(self.trigger, self.record_type)

    @field_validator("name", mode="after")
    @classmethod
    def _name(cls, value: str) -> str:
        return check_name(value)

    @field_validator("description", mode="after")
    @classmethod
    def _strip(cls, value: str) -> str:
        return value.strip()


def parse_definition(data: dict[str, Any], *, shortest_interval_minutes: int | None) -> RuleDefinition:
    """The checked definition (None: times however near). Raises Invalid with every mistake by field path."""
    try:
        rule = RuleDefinition.model_validate(data)
    except ValidationError as error:
        raise Invalid(field_errors(error)) from None
    errors: dict[str, list[str]] = {}
    _collect(errors, lambda: _check_trigger(rule))
    _collect(errors, lambda: _check_schedule(rule, shortest_interval_minutes))
    _collect(errors, lambda: _check_actions(rule))
    if not errors:
        rule.record_type = working_record_type(rule)
        rule.record_limit = rule.record_limit or usual_limit(rule)
        _collect(errors, lambda: _check_conditions(rule))
        _collect(errors, lambda: _check_inputs(rule))
        _collect(errors, lambda: _check_options(rule))
        errors |= text_errors(rule) | character_errors(rule)
    if errors:
        raise Invalid(errors)
    return rule


def field_errors(error: ValidationError) -> dict[str, list[str]]:
    """pydantic's complaints as field path -> sentences; unknown keys are refused by name."""
    errors: dict[str, list[str]] = {}
    for item in error.errors():
        path = _path(item["loc"])
        sentence = (
            f"Unknown key '{item['loc'][-1]}'."
            if item["type"] == "extra_forbidden"
            else _sentence(item["msg"])
        )
        errors.setdefault(path, []).append(sentence)
    return errors


def working_record_type(rule: RuleDefinition) -> str | None:
    """The record type the rule's runs work on: the trigger's, the author's, or the first action's input."""
    given = triggers.TRIGGERS[rule.trigger].record_type
    if rule.trigger == "status_changed":
        return str(rule.trigger_options.get("record_type"))
    if given or rule.trigger != "schedule" or "record_type" in rule.model_fields_set:
        return given or rule.record_type
    for action in rule.actions:
        entry = CATALOGUE[action["type"]]
        if len(entry.takes) == 1:
            return entry.takes[0]
    return None


def is_local(actions: list[dict[str, Any]]) -> bool:
    """Whether all the work is in our own database, so that the clock worker may do it."""
    return all(CATALOGUE[action["type"]].local for action in actions)


def _check_trigger(rule: RuleDefinition) -> None:
    if rule.trigger not in triggers.TRIGGERS:
        raise Invalid(
            {"trigger": [f"Unknown trigger '{rule.trigger}'. Choose one of: {', '.join(triggers.TRIGGERS)}."]}
        )
    given = triggers.TRIGGERS[rule.trigger].record_type
    if given and rule.record_type not in (None, given):
        raise Invalid(
            {"record_type": [f"With the trigger {rule.trigger} the rule works on {given} records."]}
        )
    if rule.record_type is not None and rule.record_type not in RECORD_TYPES:
        raise Invalid({"record_type": [f"Unknown record type '{rule.record_type}'."]})
    triggers.check_options(rule.trigger, rule.trigger_options)


def _check_schedule(rule: RuleDefinition, shortest_interval_minutes: int | None) -> None:
    if rule.trigger == "schedule":
        parsed = parse_schedule(rule.schedule, shortest_interval_minutes=shortest_interval_minutes)
        in_each_sites_zone = rule.split_by == "site" and "timezone" not in rule.schedule
        rule.schedule = parsed.as_json()
        if in_each_sites_zone:
            del rule.schedule["timezone"]
    elif rule.schedule:
        raise Invalid({"schedule": ["Only rules that run on a schedule have one. Leave it empty."]})


def _check_actions(rule: RuleDefinition) -> None:
    errors: dict[str, list[str]] = {}
    for index, action in enumerate(rule.actions):
        where = f"actions[{index}]"
        unknown = set(action) - {"type", "params", "when", "on_error"}
        if unknown:
            errors[where] = [f"Action {index + 1}: unknown key '{min(unknown)}'."]
        elif str(action.get("type")) not in CATALOGUE:
            errors[f"{where}.type"] = [f"Action {index + 1}: unknown type '{action.get('type')}'."]
        elif action.get("on_error", "stop") not in ("stop", "continue"):
            errors[f"{where}.on_error"] = [f"Action {index + 1}: on_error is stop or continue."]
        else:
            errors |= _check_params(index, action)
    if errors:
        raise Invalid(errors)


def _check_params(index: int, action: dict[str, Any]) -> dict[str, list[str]]:
    entry = CATALOGUE[action["type"]]
    given = action.get("params", {})
    if not isinstance(given, dict):
        return {f"actions[{index}].params": [f"Action {index + 1}: params is an object."]}
    try:
        params = entry.params.model_validate(given)
    except ValidationError as error:
        found = field_errors(error)
        return {
            f"actions[{index}].params.{path}": [f"Action {index + 1}: {m}" for m in ms]
            for path, ms in found.items()
        }
    action["params"] = params.model_dump(exclude_none=True, exclude_defaults=False)
    return {}


def _check_conditions(rule: RuleDefinition) -> None:
    node = parse_conditions(rule.conditions, record_type=rule.subject)
    of_no_site = rule.record_type is None and rule.site is None and rule.split_by == "none"
    if of_no_site and any(count.of == OF_SITE for count in counts(node)):
        raise Invalid(
            {
                "conditions": [
                    "'of': 'site' counts what is on one site, but this rule has no site. "
                    "Choose a site, let it run once for each site, or count the whole account."
                ]
            }
        )


def _check_inputs(rule: RuleDefinition) -> None:
    """Refuse an action whose input is neither the run's records, their parents, explicit ids, nor made before."""
    errors: dict[str, list[str]] = {}
    made: list[str] = []
    for index, action in enumerate(rule.actions):
        source = input_type(action, rule.record_type, made)
        entry = CATALOGUE[action["type"]]
        if source is None and len(entry.takes) == 1:
            needed, have = entry.takes[0], rule.record_type or "no records"
            errors[f"actions[{index}]"] = [
                f"Action {index + 1} needs {needed} records, but this rule works on {have}. "
                f"Choose {needed} as the record type, name the ids, or put an action before it that makes them."
            ]
        elif action.get("when") is not None:
            _collect(
                errors,
                lambda a=action, s=source: parse_conditions(a["when"], record_type=s),
                f"actions[{index}].when",
            )
        if made_type := made_by(action):
            made.append(made_type)
    if errors:
        raise Invalid(errors)


def input_type(action: dict[str, Any], record_type: str | None, made_before: list[str]) -> str | None:
    """The record type that the action works on in a run over `record_type`; None when there is none."""
    entry = CATALOGUE[action["type"]]
    if len(entry.takes) != 1:
        return record_type if record_type in entry.takes else None
    needed = entry.takes[0]
    reachable = explicit_ids(action) or needed == record_type or needed in made_before
    return needed if reachable or _is_ancestor(needed, record_type) else None


def _is_ancestor(needed: str, record_type: str | None) -> bool:
    parents = PARENTS.get(record_type or "", {})
    return needed in parents or any(_is_ancestor(needed, parent) for parent in parents)


def _check_options(rule: RuleDefinition) -> None:
    if rule.repeat == "after_days" and rule.repeat_after_days is None:
        raise Invalid({"repeat_after_days": ["Say after how many days the rule may take a record again."]})
    check_order(rule.order, rule.record_type)
    if idle := {name: [why] for name, why in idle_options(rule, usual_options(rule))}:
        raise Invalid(idle)
    if rule.sector is not None and rule.site is None:
        raise Invalid({"site": ["A sector belongs to a site. Name the site as well."]})


def usual_limit(rule: RuleDefinition) -> int:
    """Records per run where the author says nothing."""
    clusters = any(action["type"] == "cluster_keywords" for action in rule.actions)
    return CLUSTERING_RECORD_LIMIT if clusters else RECORD_LIMIT


def usual_options(rule: RuleDefinition) -> dict[str, Any]:
    """What each option is where the author says nothing."""
    usual = {name: field.default for name, field in RuleDefinition.model_fields.items()}
    return usual | {"record_limit": usual_limit(rule)}


def _collect(errors: dict[str, list[str]], check: Any, prefix: str | None = None) -> None:
    try:
        check()
    except Invalid as refusal:
        for path, messages in refusal.errors.items():
            full = path if prefix is None else prefix + path.removeprefix("conditions")
            errors.setdefault(full, []).extend(messages)


def _sentence(message: str) -> str:
    """Our own sentences end with a point, those of pydantic do not."""
    return f"{message.removeprefix('Value error, ').removesuffix('.')}."


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else (f".{part}" if path else part)
    return path


def definition_from(stored: dict[str, Any]) -> RuleDefinition:
    """A definition kept in a rule version; it was checked when it was saved."""
    return RuleDefinition.model_construct(**stored)
