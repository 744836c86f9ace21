"""The events that a rule can cause, and what is certain about their records.

Static analysis, before anything runs. "Certain" refers to the state in which the rule leaves its records; later changes
by people are not considered.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from app.business.automation.services.catalogue.actions.base import Action
from app.business.automation.services.catalogue.actions.effects import Effects
from app.business.automation.services.catalogue.actions.registry import CATALOGUE, made_by
from app.business.automation.services.catalogue.record_models import columns_of
from app.business.automation.services.conditions.analysis.satisfiability import ALWAYS, kept, possible
from app.business.automation.services.conditions.as_written import tree_of
from app.business.automation.services.conditions.nodes import Count, Group, Leaf, Node
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.rule_parts import Json, JsonObject
from app.business.automation.services.rules.definition import RuleDefinition, input_type
from app.business.automation.services.runs.steps import Source, source_of
from app.business.events import EventType

_ALWAYS_CHANGING = {"status", "status_since", "updated_at", "handled_at"}
_STEADY_RELATIONS = ("site.", "sector.")


@dataclass(frozen=True)
class RuleEvent:
    """One event that an action can cause, and what is certain about its record when rules receive it.

    to: the new status, for status changes · action: index of the action in the rule, from 0; None for the end of the
    run.
    """

    event: EventType
    record_type: str | None
    to: str | None = None
    facts: Node = ALWAYS
    action: int | None = None


class RuleEffects:
    """What runs of one rule can do, derived from its definition."""

    def __init__(self, definition: RuleDefinition) -> None:
        self._steps = list(_steps(definition))
        self._known: Node = definition.tree
        self._asks_of_records = any(
            step.source == "records" and (step.effects.takes or step.action.when) for step in self._steps
        )
        self.always_working = self._working(self._known)
        """Indices of the actions that can find a record they accept."""

    def rule_events(self) -> list[RuleEvent]:
        """All events that the rule can cause, including the end of its runs."""
        working = [step for step in self._steps if step.index in self.always_working]
        found = [rule_event for step in working for rule_event in _of_step(self._known, step, self._steps)]
        return [*found, RuleEvent(EventType.RUN_FINISHED, None)]

    def working(self, given: Node) -> frozenset[int]:
        """Indices of the actions that can find work when `given` also holds for the run's records."""
        if given is ALWAYS or not self._asks_of_records:
            return self.always_working
        return self._working(Group("all", (self._known, given)))

    def _working(self, known: Node) -> frozenset[int]:
        return frozenset(step.index for step in self._steps if _finds_records(known, step, self._steps))


@dataclass(frozen=True)
class _Step:
    index: int
    action: Action
    source: Source
    record_type: str | None
    effects: Effects

    @cached_property
    def when(self) -> Node:
        """The action's own condition on a record."""
        when = self.action.when
        return tree_of(when, self.record_type) if when else ALWAYS

    @cached_property
    def taken(self) -> Node:
        """The condition that a record has a status which the action accepts."""
        takes = self.effects.takes
        return _all([_one_of(takes)], self.record_type) if takes else ALWAYS


def _steps(definition: RuleDefinition) -> Iterator[_Step]:
    made: list[str] = []
    for index, action in enumerate(definition.actions):
        source = source_of(action, definition.record_type, made)
        record_type = input_type(action, definition.record_type, made)
        entry = CATALOGUE[action.type]
        effects = entry.effects(entry.read(action), record_type)
        yield _Step(index, action, source, record_type, effects)
        if made_type := made_by(action):
            made.append(made_type)


def _of_step(known: Node, step: _Step, steps: list[_Step]) -> Iterator[RuleEvent]:
    for creates in step.effects.creates:
        later = _statuses(creates.record_type, steps[step.index + 1 :])
        statuses = {str(creates.values["status"]), *later} if "status" in creates.values else set()
        facts = [_is(name, value) for name, value in creates.values.items() if name != "status"]
        facts += [_one_of(statuses)] if statuses else []
        yield RuleEvent(
            creates.event, creates.record_type, None, _all(facts, creates.record_type), step.index
        )
    for change in step.effects.changes:
        facts = [_one_of(_statuses(change.record_type, steps[step.index :])), *_labels(step, steps)]
        nodes = [_all(facts if change.own else facts[:1], change.record_type)]
        if change.own and step.source == "records":
            nodes += [_steady(node, step, steps) for node in (known, step.when)]
        yield RuleEvent(
            EventType.STATUS_CHANGED, change.record_type, change.to, Group("all", tuple(nodes)), step.index
        )


def _finds_records(known: Node, step: _Step, steps: list[_Step]) -> bool:
    """Whether a record for which `known` holds can be in a state that the action accepts."""
    takes, before = step.effects.takes, steps[: step.index]
    if takes is not None and not takes:
        return False
    nodes = [step.when]
    if step.source == "records":
        nodes.append(_steady(known, step, before) if before else known)
        if not _statuses(step.record_type, before):
            nodes.append(step.taken)
    return possible(step.record_type, *nodes)


def _statuses(record_type: str | None, steps: list[_Step]) -> set[str]:
    """Statuses that these steps may set on records of the type."""
    changes = (change for step in steps for change in step.effects.changes)
    return {change.to for change in changes if change.record_type == record_type}


def _steady(node: Node, step: _Step, steps: list[_Step]) -> Node:
    """The part of the conditions that still holds after `steps`: leaves on fields that none of them changes."""
    changing = _ALWAYS_CHANGING | {name for item in steps for name in item.effects.fields}
    if not _statuses(step.record_type, steps):
        changing -= {"status"}
    columns = columns_of(step.record_type or "").keys()

    def is_steady(name: str) -> bool:
        own = {name, f"{name}_id"} & columns and name not in changing
        return bool(own) or name.startswith(_STEADY_RELATIONS)

    def keeps(question: Leaf | Count) -> bool:
        if isinstance(question, Count) or isinstance(question.operand, timedelta):
            return False
        return is_steady(question.field) and (question.other is None or is_steady(question.other))

    return kept(node, keeps)


def _labels(step: _Step, steps: list[_Step]) -> list[JsonObject]:
    """Labels that the records certainly have, or do not have, after this update; labels touched by later steps are
    uncertain."""
    touched = {label for item in steps[step.index + 1 :] for label in _touched(item)}
    added = step.effects.labels_added
    sure = [label for label in _touched(step) if label == " ".join(label.split()) and label not in touched]
    return [
        {"field": "labels", "operator": "contains" if label in added else "not_contains", "value": label}
        for label in sure
    ]


def _touched(step: _Step) -> set[str]:
    return {*step.effects.labels_added, *step.effects.labels_removed}


def _is(name: str, value: Json) -> JsonObject:
    return {"field": name, "operator": "eq", "value": value}


def _one_of(statuses: Collection[str]) -> JsonObject:
    return {"field": "status", "operator": "in", "value": [*sorted(statuses)]}


def _all(leaves: list[JsonObject], record_type: str | None) -> Node:
    return parse_conditions({"all": [*leaves]}, record_type=record_type)
