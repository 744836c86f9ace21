"""A whole rule as one plain sentence, for lists, the last step of the form, and the REST API."""

from collections.abc import Mapping

from app.business.automation.services.catalogue.actions.base import Action
from app.business.automation.services.catalogue.actions.parameters import Names
from app.business.automation.services.catalogue.actions.registry import CATALOGUE, is_paid
from app.business.automation.services.catalogue.fields import choices_of
from app.business.automation.services.catalogue.nouns import noun, one, plural
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.catalogue.record_order import OLDEST, order_words
from app.business.automation.services.catalogue.triggers import (
    TRIGGERS,
    RunFinishedOptions,
    StatusChangedOptions,
    subject_of,
)
from app.business.automation.services.conditions.as_written import tree_of
from app.business.automation.services.conditions.description import describe
from app.business.automation.services.rule_parts import Conditions
from app.business.automation.services.rules.action_sentence import action_words
from app.business.automation.services.rules.definition import RuleDefinition, usual_limit
from app.business.automation.services.rules.repair import faults_of, repair_sentence
from app.business.automation.services.schedules.description import describe as describe_schedule
from app.business.errors import Invalid

NEEDS_REPAIR = "something that needs repair"
EACH_SITES_TIME = "in each site's own time"


def summary_of(rule: RuleDefinition, place: str | None = None, rules: Names | None = None) -> str:
    """`When keywords are added on Acme, for those where volume is at least 500: group keywords into clusters,
    at most 10 times a day for up to 100 credits each.`

    `place`: the name of the site or sector; `rules`: names by rule id, for rules that reference another one.
    """
    faults = faults_of(rule)
    return repair_sentence(faults) if faults else sound_summary(rule, place, rules)


def sound_summary(rule: RuleDefinition, place: str | None = None, rules: Names | None = None) -> str:
    """Like `summary_of`, for a rule that is known to be valid."""
    where = f" on {place}" if place else ""
    practice = "Practice mode, nothing is done. " if rule.mode == "shadow" else ""
    actions = ", then ".join(actions_of(rule, rules, in_full=False))
    return (
        f"{practice}{when_of(rule, rules)}{where}{_which(rule)}{_spread(rule)}: {actions}, {_limits(rule)}."
    )


def when_of(rule: RuleDefinition, rules: Names | None = None) -> str:
    """`Every day at 09:00 UTC`, `When keywords are added`."""
    if rule.trigger == "schedule":
        try:
            return describe_schedule(rule.times, EACH_SITES_TIME if rule.in_each_sites_zone else None)
        except Invalid:
            return f"At times given by {NEEDS_REPAIR}"
    if isinstance(rule.trigger_options, StatusChangedOptions):
        return _status_change(rule.trigger_options)
    if isinstance(rule.trigger_options, RunFinishedOptions):
        return _run_end(rule.trigger_options, rules or {})
    return TRIGGERS[rule.trigger].label


def conditions_of(rule: RuleDefinition) -> str:
    """`volume is at least 500`; empty where there are none."""
    return _conditions(Conditions(rule.conditions), subject_of(rule.trigger, rule.record_type))


def actions_of(rule: RuleDefinition, rules: Names | None = None, *, in_full: bool = True) -> list[str]:
    """`generate content ideas (at most 3 for each cluster)`, one for each action; `in_full`: with its long texts."""
    return [_action(action, rule.record_type, rules or {}, in_full) for action in rule.actions]


def _status_change(options: StatusChangedOptions) -> str:
    # Of a rule that is not saved yet the type may be none that there is.
    if options.record_type not in RECORD_TYPES:
        return "When a status changes"
    words = dict(choices_of(options.record_type, "status"))
    wanted = [f"“{words.get(status, status)}”" for status in options.statuses]
    becomes = f"becomes {' or '.join(wanted)}" if wanted else "changes"
    return f"When the status of {one(options.record_type)} {becomes}"


def _run_end(options: RunFinishedOptions, rules: Mapping[int, str]) -> str:
    rule_id = options.rule_id or 0
    rule = f"“{rules[rule_id]}”" if rule_id in rules else f"rule {rule_id}" if rule_id else "any rule"
    return f"When a run of {rule} has ended as {options.status or 'completed or failed'}"


def _which(rule: RuleDefinition) -> str:
    conditions = conditions_of(rule)
    if rule.record_type is None:
        return f", if {conditions}" if conditions else ""
    if rule.trigger != "schedule":
        return f", for those where {conditions}" if conditions else ""
    first = "" if rule.order == OLDEST else f", {order_words(rule.order, rule.record_type)},"
    limit = rule.record_limit or usual_limit(rule)
    records = f", for up to {plural(limit, rule.record_type)}{first}"
    return f"{records} where {conditions}" if conditions else records.removesuffix(",")


def _conditions(conditions: Conditions | None, record_type: str | None) -> str:
    if not conditions:
        return ""
    try:
        return describe(tree_of(conditions, record_type), record_type)
    except Invalid:
        return NEEDS_REPAIR


def _action(action: Action, record_type: str | None, rules: Names, in_full: bool) -> str:
    label = action_words(action, record_type, rules, in_full=in_full)
    taken = CATALOGUE[action.type].needed or record_type
    when = _conditions(action.when, taken)
    continues = ", going on if that fails" if action.on_error == "continue" else ""
    return f"{label}{f' where {when}' if when else ''}{continues}"


def _spread(rule: RuleDefinition) -> str:
    """How records are distributed over runs, and how often a record is repeated."""
    parts = []
    planned = rule.record_type and rule.trigger == "schedule"
    if planned and rule.record_minimum > 1:
        parts.append(f"if there are at least {rule.record_minimum:,}")
    if rule.split_by == "site":
        parts.append("one run for each site")
    if rule.batching == "each" and rule.record_type and not planned:
        parts.append(f"one run for each {noun(rule.record_type)}")
    if planned and rule.repeat == "after_days":
        parts.append(f"the same again after {plural(rule.repeat_after_days or 0, 'day')}")
    if planned and rule.repeat == "always":
        parts.append("the same again each time")
    return "".join(f", {part}" for part in parts)


def _limits(rule: RuleDefinition) -> str:
    each_site = " for each site" if rule.split_by == "site" else ""
    times = f"at most {_times(rule.max_executions_per_day)} a day{each_site}"
    paid = is_paid(rule.actions)
    if not paid:
        return times
    month = "" if rule.monthly_budget is None else f", {rule.monthly_budget:,} a month in all"
    return f"{times} for up to {rule.credit_limit_per_execution:,} credits each{month}"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")
