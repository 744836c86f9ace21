"""The writable fields of a rule, validated together. Form, REST API and engine share this model."""

from collections.abc import Callable, Iterable
from functools import cached_property

from pydantic import (
    ConfigDict,
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
)
from pydantic_core import PydanticKnownError

from app.business.automation.services.catalogue import triggers
from app.business.automation.services.catalogue.actions.base import RECORD_LIMIT, Action
from app.business.automation.services.catalogue.actions.registry import (
    CATALOGUE,
    entries_of,
    explicit_ids,
    made_by,
    stored_actions,
)
from app.business.automation.services.catalogue.field_types import OF_SITE
from app.business.automation.services.catalogue.record_models import PARENTS, RECORD_TYPES
from app.business.automation.services.catalogue.record_order import check_order
from app.business.automation.services.conditions.as_written import refusals_of
from app.business.automation.services.conditions.nodes import Node, counts
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.rule_parts import (
    Conditions,
    Json,
    JsonObject,
    RulePart,
    Stored,
    Unchecked,
    checked_part,
    refuse_part,
)
from app.business.automation.services.rules.definition_errors import action_errors, field_errors
from app.business.automation.services.rules.fields import OPTIONS, RuleFields, usual
from app.business.automation.services.rules.naming import check_name
from app.business.automation.services.rules.options import Value, idle_options
from app.business.automation.services.rules.texts import character_errors, text_errors
from app.business.automation.services.schedules.calendar import Schedule, parse_schedule
from app.business.errors import Invalid
from app.business.schema_sentences import unknown_name

NO_SCHEDULE = "Only rules that run on a schedule have one. Leave it empty."


class NoSchedule(RulePart):
    """The schedule of rules that events start: an empty object."""


class RuleDefinition(RuleFields):
    """A rule as its author writes it. Missing keys take their defaults."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @property
    def subject(self) -> str | None:
        """The subject of the conditions (`triggers.subject_of`)."""
        return triggers.subject_of(self.trigger, self.record_type)

    @cached_property
    def tree(self) -> Node:
        """The parsed conditions, read once. Raises Invalid where stored ones are not valid any more."""
        return parse_conditions(self.conditions, record_type=self.subject)

    @field_validator("trigger", mode="after")
    @classmethod
    def _known_trigger(cls, trigger: str) -> str:
        if trigger not in triggers.TRIGGERS:
            known = ", ".join(triggers.TRIGGERS)
            refuse_part({"trigger": [f"Unknown trigger '{trigger}'. Choose one of: {known}."]})
        return trigger

    @field_validator("trigger_options", mode="plain", json_schema_input_type=triggers.AnyOptions)
    @classmethod
    def _options_of_trigger(cls, given: object, info: ValidationInfo) -> object:
        """The trigger decides which options are valid."""
        trigger = info.data.get("trigger")
        if not isinstance(given, dict):
            raise PydanticKnownError("dict_type")
        return checked_part(lambda: triggers.parse_options(trigger, given)) if trigger else given

    @field_validator("record_type", mode="after")
    @classmethod
    def _fitting_record_type(cls, record_type: str | None, info: ValidationInfo) -> str | None:
        trigger = info.data.get("trigger")
        given = triggers.TRIGGERS[trigger].record_type if trigger else None
        if given and record_type not in (None, given):
            refuse_part({"record_type": [f"With the trigger {trigger} the rule works on {given} records."]})
        if record_type is not None and record_type not in RECORD_TYPES:
            refuse_part({"record_type": [f"Unknown record type '{record_type}'."]})
        return record_type

    @field_validator("schedule", mode="plain", json_schema_input_type=Schedule | NoSchedule)
    @classmethod
    def _times(cls, given: object, info: ValidationInfo) -> Schedule | None:
        """The validation context is the shortest interval in minutes that the plan allows."""
        if not isinstance(given, dict):
            raise PydanticKnownError("dict_type")
        if info.data.get("trigger") != "schedule":
            return refuse_part({"schedule": [NO_SCHEDULE]}) if given else None
        return checked_part(lambda: parse_schedule(given, shortest_interval_minutes=info.context))

    @field_validator("actions", mode="after")
    @classmethod
    def _known_actions(cls, actions: list[JsonObject]) -> list[Action]:
        return checked_part(lambda: _checked_actions(actions))

    @field_serializer("actions")
    def _actions_as_json(self, actions: list[Action]) -> list[Json]:
        return [action.as_json() for action in actions]

    @field_serializer("trigger_options", "schedule")
    def _part_as_json(self, part: RulePart | None) -> Json:
        return part.as_json() if part else {}

    @property
    def times(self) -> Schedule:
        """The checked schedule. Raises Invalid where there is none, or a stored one is not valid."""
        if self.schedule and self.schedule.is_readable:
            return self.schedule
        return parse_schedule(
            self.schedule.as_json() if self.schedule else {}, shortest_interval_minutes=None
        )

    @property
    def in_each_sites_zone(self) -> bool:
        """Whether each site's run is due in that site's own time zone."""
        return self.split_by == "site" and self.named_zone is None

    @property
    def named_zone(self) -> str | None:
        """The time zone that the schedule names."""
        return self.schedule.named_zone if self.schedule else None

    @field_validator("name", mode="after")
    @classmethod
    def _name(cls, value: str) -> str:
        return check_name(value)

    @field_validator("description", mode="after")
    @classmethod
    def _strip(cls, value: str) -> str:
        return value.strip()


def parse_definition(data: JsonObject, *, shortest_interval_minutes: int | None) -> RuleDefinition:
    """Validate a definition (interval None: no shortest interval). Raises Invalid with all errors by field path."""
    try:
        rule = RuleDefinition.model_validate(data, context=shortest_interval_minutes)
    except ValidationError as error:
        raise Invalid(field_errors(error)) from None
    rule.record_type = working_record_type(rule)
    rule.record_limit = rule.record_limit or usual_limit(rule)
    if rule.schedule and not rule.in_each_sites_zone:
        rule.schedule = rule.schedule.in_zone(rule.schedule.timezone)
    errors: dict[str, list[str]] = {}
    for check in (_check_conditions, _check_inputs, _check_options):
        _collect(errors, check, rule)
    errors |= text_errors(rule) | character_errors(rule)
    if errors:
        raise Invalid(errors)
    return rule


def working_record_type(rule: RuleDefinition) -> str | None:
    """The record type of the rule's runs: from the trigger, the author, or the first action's input.

    An action that names the ids of its records works on them whatever the run is about: then it is the first type of
    the pipeline on which the conditions are possible.
    """
    given = triggers.TRIGGERS[rule.trigger].record_type
    if isinstance(rule.trigger_options, triggers.StatusChangedOptions):
        return rule.trigger_options.record_type
    if given or rule.trigger != "schedule" or "record_type" in rule.model_fields_set:
        return given or rule.record_type
    first = next((action for action in rule.actions if CATALOGUE[action.type].needed), None)
    if first is None:
        return None
    needed = CATALOGUE[first.type].needed
    if explicit_ids(first):
        return next((kind for kind in (needed, *RECORD_TYPES) if _is_possible(rule.conditions, kind)), needed)
    return needed


def _is_possible(conditions: JsonObject, record_type: str | None) -> bool:
    """Whether the fields and values of the conditions are those of this record type."""
    return not refusals_of(Conditions(conditions), record_type, "conditions")


def is_local(actions: Iterable[Action]) -> bool:
    """Whether all actions work in our own database only, so that the clock worker may execute them."""
    return all(CATALOGUE[action.type].local for action in actions)


def _checked_actions(given: list[JsonObject]) -> list[Action]:
    """The actions with all parameters, including defaults. Raises Invalid."""
    actions, errors = [], dict[str, list[str]]()
    for index, data in enumerate(given):
        found = _not_in_catalogue(data)
        if not found:
            try:
                actions.append(CATALOGUE[str(data["type"])].checked(data))
            except ValidationError as error:
                found = action_errors(error)
        for path, texts in found.items():
            errors[f"actions[{index}]{path}"] = [f"Action {index + 1}: {text}" for text in texts]
    if errors:
        raise Invalid(errors)
    return actions


def _not_in_catalogue(data: JsonObject) -> dict[str, list[str]]:
    """Errors that prevent choosing the action's model, by path within the action."""
    if unknown := data.keys() - Action.model_fields.keys():
        return {"": [unknown_name(min(unknown))]}
    if str(data.get("type")) not in CATALOGUE:
        return {".type": [f"there is no action “{data.get('type')}”."]}
    return {}


def _check_conditions(rule: RuleDefinition) -> None:
    node = rule.tree
    of_no_site = rule.record_type is None and rule.site is None and rule.split_by == "none"
    if of_no_site and any(count.of == OF_SITE for count in counts(node)):
        raise Invalid(
            {
                "conditions": [
                    "A condition counts what is on one site, but this rule has no site. "
                    "Choose a site, let it run once for each site, or count the whole account."
                ]
            }
        )


def _check_inputs(rule: RuleDefinition) -> None:
    """Refuse an action without input: neither the run's records, their parents, explicit ids, nor records of an
    earlier action."""
    errors: dict[str, list[str]] = {}
    made: list[str] = []
    for index, action in enumerate(rule.actions):
        source = input_type(action, rule.record_type, made)
        needed = CATALOGUE[action.type].needed
        if source is None and needed:
            have = rule.record_type or "no records"
            errors[f"actions[{index}]"] = [
                f"Action {index + 1} needs {needed} records, but this rule works on {have}. "
                f"Choose {needed} as the record type, name the ids, or put an action before it that makes them."
            ]
        elif action.when is not None:
            errors |= refusals_of(action.when, source, f"actions[{index}].when")
        if made_type := made_by(action):
            made.append(made_type)
    if errors:
        raise Invalid(errors)


def input_type(action: Action, record_type: str | None, made_before: list[str]) -> str | None:
    """The record type that the action works on in a run over `record_type`; None when there is none."""
    entry = CATALOGUE[action.type]
    needed = entry.needed
    if needed is None:
        return record_type if record_type in entry.takes else None
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
    """The default number of records per run."""
    return max((entry.usual_limit for entry in entries_of(rule.actions)), default=RECORD_LIMIT)


def usual_options(rule: RuleDefinition) -> dict[str, Value]:
    """The default of each option for this rule."""
    return {name: usual(name) for name in OPTIONS} | {"record_limit": usual_limit(rule)}


def _collect(
    errors: dict[str, list[str]], check: Callable[[RuleDefinition], None], rule: RuleDefinition
) -> None:
    try:
        check(rule)
    except Invalid as refusal:
        for path, messages in refusal.errors.items():
            errors.setdefault(path, []).extend(messages)


def definition_from(stored: Stored) -> RuleDefinition:
    """A definition stored in a rule version.

    It was validated when it was saved and is not validated again: a part that is no longer valid is kept as stored
    (`RulePart.stored`).
    """
    options = triggers.stored_options(str(stored["trigger"]), stored.get("trigger_options", {}))
    schedule = Schedule.stored(stored["schedule"]) if stored.get("schedule") else None
    typed: dict[str, Unchecked] = {
        "trigger_options": options,
        "schedule": schedule,
        "actions": stored_actions(stored["actions"]),
    }
    return RuleDefinition.model_construct(**{**stored, **typed})
