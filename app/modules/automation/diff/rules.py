"""Differences between two definitions of a rule, in the words of the form."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.business.automation.services.catalogue.record_order import order_words
from app.business.automation.services.catalogue.triggers import TRIGGERS, RunFinishedOptions, subject_of
from app.business.automation.services.conditions.description import describe
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.rule_parts import Json, JsonObject
from app.business.automation.services.rules.definition import RuleDefinition, definition_from
from app.business.automation.services.rules.fields import OPTIONS
from app.business.automation.services.rules.sentence import NEEDS_REPAIR, when_of
from app.business.errors import Invalid
from app.modules.automation.diff.actions import action_changes
from app.modules.automation.rule_form.choices import Choices
from app.modules.automation.rule_form.schedule_step import MOMENTS
from app.modules.changes import Change

Definition = Mapping[str, Any]
STARTS = ("trigger", "trigger_options")
MOMENT_WORDS = {"starts_at": "Not before", "ends_at": "Not after", "paused_until": "Paused until"}
JOINS = {"all": "all of these", "any": "any of these"}
NOTHING = "–"


def rule_changes(before: Definition, after: Definition, choices: Choices) -> list[Change]:
    """All differences, in the order of the form; empty when there are none."""
    found: list[Change] = []
    for name in OPTIONS:
        if name not in STARTS[1:] and _differs(name, before, after):
            found += SPECIAL.get(name, _plain)(name, before, after, choices)
    return found


def _differs(name: str, before: Definition, after: Definition) -> bool:
    names = STARTS if name == STARTS[0] else (name,)
    return any(_kept(before, key) != _kept(after, key) for key in names)


def _kept(definition: Definition, name: str) -> Any:
    """The stored value; a version older than the option has its default."""
    if name in definition:
        return definition[name]
    info = RuleDefinition.model_fields[name]
    return None if info.is_required() else info.get_default(call_default_factory=True)


def _plain(name: str, before: Definition, after: Definition, choices: Choices) -> Iterator[Change]:
    yield Change(OPTIONS[name].label, _value(name, before, choices), _value(name, after, choices))


def _value(name: str, definition: Definition, choices: Choices) -> str:
    value = _kept(definition, name)
    if name == "order":
        return order_words(value, definition["record_type"])
    rows = {"site": choices.sites, "sector": choices.sectors}.get(name)
    if rows is not None and value is not None:
        return dict(rows).get(str(value), f"{name} {value}")
    words = OPTIONS[name].words
    if value in words:
        return words[value]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value or NOTHING)


def _starts(_name: str, before: Definition, after: Definition, choices: Choices) -> Iterator[Change]:
    yield Change(OPTIONS["trigger"].label, _start(before, choices), _start(after, choices))


def _start(definition: Definition, choices: Choices) -> str:
    trigger = definition["trigger"]
    if trigger not in ("status_changed", "run_finished"):
        return TRIGGERS[trigger].label
    read = definition_from(definition)
    said, options = when_of(read), read.trigger_options
    if not isinstance(options, RunFinishedOptions):
        return said
    rule_id = options.rule_id
    return said.replace(f"rule {rule_id}", f"“{dict(choices.rules).get(str(rule_id), rule_id)}”", 1)


def _times(_name: str, before: Definition, after: Definition, _choices: Choices) -> Iterator[Change]:
    old, new = before["schedule"], after["schedule"]
    said = [when_of(definition_from(item)) if item["schedule"] else NOTHING for item in (before, after)]
    if said[0] != said[1]:
        yield Change(OPTIONS["schedule"].label, said[0], said[1])
    for name in MOMENTS:
        if old.get(name) != new.get(name):
            yield Change(MOMENT_WORDS[name], _moment(old, name), _moment(new, name))


def _moment(schedule: Mapping[str, Any], name: str) -> str:
    if not schedule.get(name):
        return NOTHING
    zone = schedule.get("timezone", "UTC")
    at = datetime.fromisoformat(schedule[name]).astimezone(ZoneInfo(zone))
    return f"{at.day} {at:%b %Y, %H:%M} {zone}"


def _conditions(_name: str, before: Definition, after: Definition, _choices: Choices) -> Iterator[Change]:
    """Condition by condition: unchanged ones are not listed, one on the same field is shown as changed."""
    field, (joined, old), (joined_now, new) = OPTIONS["conditions"].label, _parts(before), _parts(after)
    if joined != joined_now and len(old) > 1 and len(new) > 1:
        yield Change("Records must meet", JOINS[joined], JOINS[joined_now])
    left, came = _without(old, new), _without(new, old)
    for part in list(left):
        twin = next((other for other in came if _about(other) == _about(part)), None)
        if twin is not None:
            left.remove(part)
            came.remove(twin)
            yield Change(field, _said(part, before), _said(twin, after))
    yield from (Change(field, _said(part, before), None) for part in left)
    yield from (Change(field, None, _said(part, after)) for part in came)


def _parts(definition: Definition) -> tuple[str, list[JsonObject]]:
    conditions = definition["conditions"]
    for kind in JOINS:
        if kind in conditions:
            return kind, list(conditions[kind])
    return "all", [conditions] if conditions else []


def _without(parts: list[JsonObject], others: list[JsonObject]) -> list[JsonObject]:
    known = {json.dumps(part, sort_keys=True) for part in others}
    return [part for part in parts if json.dumps(part, sort_keys=True) not in known]


def _about(part: JsonObject) -> tuple[str, Json]:
    kind = next((key for key in ("field", "count", "all", "any", "not") if key in part), "field")
    return kind, part.get(kind) if kind in ("field", "count") else None


def _said(part: JsonObject, definition: Definition) -> str:
    subject = subject_of(definition["trigger"], definition["record_type"])
    try:
        return describe(parse_conditions(part, record_type=subject), subject)
    except Invalid:
        return NEEDS_REPAIR


def _actions(_name: str, before: Definition, after: Definition, choices: Choices) -> Iterator[Change]:
    for field, old, new in action_changes(before, after, choices):
        yield Change(field, old, new)


SPECIAL: dict[str, Callable[[str, Definition, Definition, Choices], Iterator[Change]]] = {
    "trigger": _starts,
    "schedule": _times,
    "conditions": _conditions,
    "actions": _actions,
}
