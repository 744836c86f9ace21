"""A whole rule as one plain sentence, for lists, the last step of the form, and the REST API."""

from collections.abc import Mapping
from typing import Any, Protocol

from app.business.automation.services.catalogue.action_catalogue import CATALOGUE
from app.business.automation.services.catalogue.field_catalogue import choices_of
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.catalogue.triggers import TRIGGERS, statuses_to
from app.business.automation.services.conditions.condition_text import describe
from app.business.automation.services.conditions.condition_tree import parse_conditions
from app.business.automation.services.schedules.calendar import parse_schedule
from app.business.automation.services.schedules.schedule_text import describe as describe_schedule
from app.business.errors import Invalid

NEEDS_REPAIR = "something that needs repair"
FREE = "free"
LABELS = (("labels_add", "add the label"), ("labels_remove", "take off the label"))
EACH_SITES_TIME = "in each site's own time"


class Sayable(Protocol):
    """A rule, or a definition that was checked: what a sentence needs of it."""

    trigger: Any
    trigger_options: Any
    record_type: Any
    conditions: Any
    actions: Any
    schedule: Any
    split_by: Any
    record_limit: Any
    max_executions_per_day: Any
    credit_limit_per_execution: Any
    mode: Any


def summary_of(rule: Sayable, place: str | None = None, rules: Mapping[int, str] | None = None) -> str:
    """`When keywords are added on Acme, for those where volume is at least 500: group keywords into clusters,
    at most 10 times a day for up to 100 credits each.`

    `place`: the site or sector as people know it; `rules`: names of rules, for one that waits for another.
    """
    where = f" on {place}" if place else ""
    practice = "Practice mode, nothing is done. " if rule.mode == "shadow" else ""
    actions = ", then ".join(actions_of(rule))
    return f"{practice}{when_of(rule, rules)}{where}{_which(rule)}: {actions}, {_limits(rule)}."


def when_of(rule: Sayable, rules: Mapping[int, str] | None = None) -> str:
    """`Every day at 09:00 UTC`, `When keywords are added`."""
    if rule.trigger == "schedule":
        try:
            each_site = rule.split_by == "site" and "timezone" not in rule.schedule
            schedule = parse_schedule(rule.schedule, shortest_interval_minutes=None)
            return describe_schedule(schedule, EACH_SITES_TIME if each_site else None)
        except Invalid:
            return f"At times given by {NEEDS_REPAIR}"
    if rule.trigger == "status_changed":
        return _status_change(rule.trigger_options)
    if rule.trigger == "run_finished":
        return _run_end(rule.trigger_options, rules or {})
    return TRIGGERS[rule.trigger].label


def conditions_of(rule: Sayable) -> str:
    """`volume is at least 500`; empty where there are none."""
    return _conditions(rule.conditions, rule.record_type)


def actions_of(rule: Sayable) -> list[str]:
    """`generate content ideas (3 for each cluster)`, one for each action."""
    return [_action(action, rule.record_type) for action in rule.actions]


def _status_change(options: Mapping[str, Any]) -> str:
    record_type = options["record_type"]
    words = dict(choices_of(record_type, "status"))
    wanted = [f"“{words.get(status, status)}”" for status in statuses_to(dict(options))]
    becomes = f"becomes {' or '.join(wanted)}" if wanted else "changes"
    return f"When the status of {_any(record_type)} {becomes}"


def _run_end(options: Mapping[str, Any], rules: Mapping[int, str]) -> str:
    rule_id: int = options.get("rule_id") or 0
    rule = f"“{rules[rule_id]}”" if rule_id in rules else f"rule {rule_id}" if rule_id else "any rule"
    return f"When a run of {rule} has ended as {options.get('status') or 'completed or failed'}"


def _any(record_type: str) -> str:
    article = "an" if record_type[0] in "aeiou" else "a"
    return f"{article} {plural(1, record_type)[2:]}"


def _which(rule: Sayable) -> str:
    conditions = conditions_of(rule)
    if rule.record_type is None:
        return f", if {conditions}" if conditions else ""
    if rule.trigger != "schedule":
        return f", for those where {conditions}" if conditions else ""
    records = f", for up to {plural(rule.record_limit, rule.record_type)}"
    return f"{records} where {conditions}" if conditions else records


def _conditions(conditions: Mapping[str, Any], record_type: str | None) -> str:
    if not conditions:
        return ""
    try:
        return describe(parse_conditions(conditions, record_type=record_type), record_type)
    except Invalid:
        return NEEDS_REPAIR


def _action(action: Mapping[str, Any], record_type: str | None) -> str:
    entry = CATALOGUE[action["type"]]
    label = _label(action) + _detail(action.get("params", {}), record_type)
    taken = entry.takes[0] if len(entry.takes) == 1 else record_type
    when = _conditions(action.get("when") or {}, taken)
    return f"{label} where {when}" if when else label


def _label(action: Mapping[str, Any]) -> str:
    if action["type"] == "create_record":
        return f"create {_any(action['params']['type'])}"
    label = CATALOGUE[action["type"]].label
    return label[0].lower() + label[1:]


def _detail(params: Mapping[str, Any], record_type: str | None) -> str:
    """The one parameter that says most, where there is one."""
    if status := params.get("status"):
        words = dict(choices_of(record_type, "status")) if record_type else {}
        return f" (status “{words.get(status, status)}”)"
    for key, word in LABELS:
        if labels := params.get(key):
            return f" ({word} {' and '.join(f'“{label}”' for label in labels)})"
    if title := params.get("title"):
        return f" (“{title}”)"
    if count := params.get("ideas_per_cluster"):
        return f" ({count} for each cluster)"
    return ""


def _limits(rule: Sayable) -> str:
    times = f"at most {_times(rule.max_executions_per_day)} a day"
    paid = any(CATALOGUE[action["type"]].price_text != FREE for action in rule.actions)
    return f"{times} for up to {rule.credit_limit_per_execution:,} credits each" if paid else times


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")
