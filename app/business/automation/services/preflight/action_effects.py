"""What a rule can make happen: the events of its actions, and what is certain of the records they speak of.

Said before anything runs, so it speaks of what is possible. "Certain" is meant as the rule leaves its records; what
people change in the meantime is not reckoned with. Actions not told here may do whatever their catalogue entry says.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from app.business.automation.services.catalogue.actions.registry import CATALOGUE, made_by
from app.business.automation.services.catalogue.fields import choices_of
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.catalogue.triggers import TRIGGERS
from app.business.automation.services.conditions.analysis.satisfiability import ALWAYS, kept, possible
from app.business.automation.services.conditions.nodes import Count, Group, Leaf, Node
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.rules.definition import RuleDefinition, input_type
from app.business.automation.services.runs.steps import Source, source_of
from app.business.events import EventType
from app.business.planner.models import ClusterStatus, IdeaStatus, KeywordStatus
from app.business.planner.services.cluster_service import OPEN_IDEAS
from app.business.planner.services.record_changes import CLUSTER, IDEA, KEYWORD
from app.business.writer.models import ContentStatus, TaskStatus
from app.business.writer.services.content_service import READY
from app.business.writer.services.record_kinds import CONTENT, TASK

KINDS = {kind.name: kind for kind in (KEYWORD, CLUSTER, IDEA, TASK, CONTENT)}
_ALWAYS_CHANGING = {"status", "status_since", "updated_at", "handled_at"}
_STEADY_RELATIONS = ("site.", "sector.")


@dataclass(frozen=True)
class Happening:
    """One event that an action can cause, and what such a record certainly is when rules hear of it.

    to: the new status, where it is about a status · action: place of the action in the rule, from 0;
    None when it is the end of the run itself.
    """

    event: EventType
    record_type: str | None
    to: str | None = None
    facts: Node = ALWAYS
    action: int | None = None


@dataclass(frozen=True)
class Making:
    """Records that an action makes, and the values they surely have."""

    event: EventType
    record_type: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Moving:
    """A status that an action sets. own: of the very records it works on."""

    record_type: str
    to: str
    own: bool = True


@dataclass(frozen=True)
class Doing:
    """Everything an action does to records. takes: statuses of input it works on (None: any)."""

    makes: tuple[Making, ...] = ()
    moves: tuple[Moving, ...] = ()
    takes: Collection[str] | None = None


class Effects:
    """What runs of one rule can do, read once from its definition."""

    def __init__(self, definition: RuleDefinition) -> None:
        self._steps = list(_steps(definition))
        self._known: Node = parse_conditions(definition.conditions, record_type=definition.subject)
        self._asks_of_records = any(
            step.source == "records" and (step.doing.takes or step.action.get("when")) for step in self._steps
        )
        self.always_working = self._working(self._known)
        """Places of the actions that can find a record they take."""

    def happenings(self) -> list[Happening]:
        """All events that it can cause, the end of its runs among them."""
        working = [step for step in self._steps if step.index in self.always_working]
        found = [happening for step in working for happening in _of_step(self._known, step, self._steps)]
        return [*found, Happening(EventType.RUN_FINISHED, None)]

    def working(self, given: Node) -> frozenset[int]:
        """Places of the actions that can find work when `given` is known of the run's records as well."""
        if given is ALWAYS or not self._asks_of_records:
            return self.always_working
        return self._working(Group("all", (self._known, given)))

    def _working(self, known: Node) -> frozenset[int]:
        return frozenset(step.index for step in self._steps if _finds_records(known, step, self._steps))


@dataclass(frozen=True)
class _Step:
    index: int
    action: dict[str, Any]
    source: Source
    record_type: str | None
    doing: Doing

    @cached_property
    def when(self) -> Node:
        """The action's own condition on a record."""
        when = self.action.get("when")
        return parse_conditions(when, record_type=self.record_type) if when else ALWAYS

    @cached_property
    def taken(self) -> Node:
        """That a record is in a state which the action takes."""
        takes = self.doing.takes
        return _all([_one_of(takes)], self.record_type) if takes else ALWAYS


def _steps(definition: RuleDefinition) -> Iterator[_Step]:
    made: list[str] = []
    for index, action in enumerate(definition.actions):
        source = source_of(action, definition.record_type, made)
        record_type = input_type(action, definition.record_type, made)
        yield _Step(index, action, source, record_type, _doing(action, record_type))
        if made_type := made_by(action):
            made.append(made_type)


def _doing(action: Mapping[str, Any], record_type: str | None) -> Doing:
    told = DOINGS.get(action["type"])
    if told is None:
        return _whatever(action["type"])
    return told(CATALOGUE[action["type"]].params.model_validate(action.get("params", {})), record_type)


def _of_step(known: Node, step: _Step, steps: list[_Step]) -> Iterator[Happening]:
    for making in step.doing.makes:
        later = _statuses(making.record_type, steps[step.index + 1 :])
        statuses = {making.values["status"], *later} if "status" in making.values else set()
        facts = [_is(name, value) for name, value in making.values.items() if name != "status"]
        facts += [_one_of(statuses)] if statuses else []
        yield Happening(making.event, making.record_type, None, _all(facts, making.record_type), step.index)
    for moving in step.doing.moves:
        facts = [_one_of(_statuses(moving.record_type, steps[step.index :])), *_labels(step, steps)]
        nodes = [_all(facts if moving.own else facts[:1], moving.record_type)]
        if moving.own and step.source == "records":
            nodes += [_steady(node, step, steps) for node in (known, step.when)]
        yield Happening(
            EventType.STATUS_CHANGED, moving.record_type, moving.to, Group("all", tuple(nodes)), step.index
        )


def _finds_records(known: Node, step: _Step, steps: list[_Step]) -> bool:
    """Whether a record of which this is known can be in a state that the action takes."""
    takes, before = step.doing.takes, steps[: step.index]
    if takes is not None and not takes:
        return False
    nodes = [step.when]
    if step.source == "records":
        nodes.append(_steady(known, step, before) if before else known)
        if not _statuses(step.record_type, before):
            nodes.append(step.taken)
    return possible(step.record_type, *nodes)


def _statuses(record_type: str | None, steps: list[_Step]) -> set[str]:
    """Statuses that these steps may give to records of the type."""
    moves = (moving for step in steps for moving in step.doing.moves)
    return {moving.to for moving in moves if moving.record_type == record_type}


def _steady(node: Node, step: _Step, steps: list[_Step]) -> Node:
    """What of the conditions is still true after the work of `steps`: questions on what none of them changes."""
    changing = _ALWAYS_CHANGING | {name for item in steps for name in _changed_by(item.action)}
    if not _statuses(step.record_type, steps):
        changing -= {"status"}
    model: Any = MODELS[step.record_type or ""]
    columns = set(model.__table__.c.keys())

    def is_steady(name: str) -> bool:
        own = {name, f"{name}_id"} & columns and name not in changing
        return bool(own) or name.startswith(_STEADY_RELATIONS)

    def keeps(question: Leaf | Count) -> bool:
        if isinstance(question, Count) or isinstance(question.operand, timedelta):
            return False
        return is_steady(question.field) and (question.other is None or is_steady(question.other))

    return kept(node, keeps)


def _changed_by(action: Mapping[str, Any]) -> set[str]:
    params = action.get("params", {})
    if action["type"] == "cluster_keywords":
        return {"cluster"}
    if action["type"] != "update_records":
        return set()
    labels = {"labels"} if params.get("labels_add") or params.get("labels_remove") else set()
    named = {"note": "note", "assignee": "assignee", "due_in_days": "due_on"}
    return labels | {field for name, field in named.items() if params.get(name) is not None}


def _labels(step: _Step, steps: list[_Step]) -> list[dict[str, Any]]:
    """Labels that the records have, or have not, after this update; what later steps touch may be either."""
    touched = {label for item in steps[step.index + 1 :] for label in _touched(item.action)}
    added = step.action.get("params", {}).get("labels_add", [])
    sure = [
        label for label in _touched(step.action) if label == " ".join(label.split()) and label not in touched
    ]
    return [
        {"field": "labels", "operator": "contains" if label in added else "not_contains", "value": label}
        for label in sure
    ]


def _touched(action: Mapping[str, Any]) -> set[str]:
    params = action.get("params", {})
    return {*params.get("labels_add", []), *params.get("labels_remove", [])}


def _is(name: str, value: Any) -> dict[str, Any]:
    return {"field": name, "operator": "eq", "value": value}


def _one_of(statuses: Collection[str]) -> dict[str, Any]:
    return {"field": "status", "operator": "in", "value": sorted(statuses)}


def _all(leaves: list[dict[str, Any]], record_type: str | None) -> Node:
    return parse_conditions({"all": leaves}, record_type=record_type)


def _clusters_follow() -> tuple[Moving, ...]:
    """A cluster is planned while it has open ideas, and done when it has none left."""
    return tuple(
        Moving("cluster", status, own=False) for status in (ClusterStatus.PLANNED, ClusterStatus.DONE)
    )


def _cluster_keywords(_params: Any, _record_type: str | None) -> Doing:
    made = Making(EventType.CLUSTER_CREATED, "cluster", {"status": ClusterStatus.NEW})
    return Doing((made,), (Moving("keyword", KeywordStatus.CLUSTERED),), {KeywordStatus.NEW})


def _generate_ideas(_params: Any, _record_type: str | None) -> Doing:
    made = Making(EventType.IDEA_CREATED, "idea", {"status": IdeaStatus.NEW})
    return Doing((made,), (Moving("cluster", ClusterStatus.PLANNED),))


def _create_tasks(params: Any, _record_type: str | None) -> Doing:
    values = {
        "status": TaskStatus.QUEUED,
        "word_count": params.word_count,
        "task_type": params.task_type,
    }
    made = Making(EventType.TASK_CREATED, "task", values)
    return Doing((made,), (Moving("idea", IdeaStatus.USED), *_clusters_follow()), set(OPEN_IDEAS))


def _generate_content(_params: Any, _record_type: str | None) -> Doing:
    made = Making(EventType.CONTENT_GENERATED, "content", {"status": ContentStatus.DRAFT})
    moves = (TaskStatus.WRITING, TaskStatus.DONE, TaskStatus.FAILED)
    return Doing((made,), tuple(Moving("task", status) for status in moves), set(READY))


def _update_records(params: Any, record_type: str | None) -> Doing:
    if params.status is None or record_type is None:
        return Doing()
    came_from = KINDS[record_type].by_rules.get(params.status, ())
    follow = _clusters_follow() if record_type == "idea" else ()
    return Doing((), (Moving(record_type, params.status), *follow) if came_from else (), set(came_from))


def _create_record(params: Any, record_type: str | None) -> Doing:
    if params.type == "task":
        values = {
            "status": TaskStatus.DRAFT,
            "word_count": params.word_count,
            "task_type": params.task_type,
        }
        return Doing((Making(EventType.TASK_CREATED, "task", values),))
    made = Making(EventType.IDEA_CREATED, "idea", {"status": IdeaStatus.NEW})
    return Doing((made,), (Moving("cluster", ClusterStatus.PLANNED),) if record_type == "cluster" else ())


DOINGS: dict[str, Callable[[Any, str | None], Doing]] = {
    "cluster_keywords": _cluster_keywords,
    "generate_ideas": _generate_ideas,
    "create_tasks": _create_tasks,
    "generate_content": _generate_content,
    "update_records": _update_records,
    "create_record": _create_record,
}
"""What each action does, by its parameters and the type of its input."""


def _whatever(type: str) -> Doing:
    """Of an action that is not told here: every event it declares, of any record in any state."""
    entry = CATALOGUE[type]
    events = [EventType(event) for event in entry.events]
    makes = [Making(event, name, {}) for event in events if (name := TRIGGERS[event].record_type)]
    moved = entry.takes if EventType.STATUS_CHANGED in events else ()
    moves = [Moving(name, status, own=False) for name in moved for status, _ in choices_of(name, "status")]
    return Doing(tuple(makes), tuple(moves))
