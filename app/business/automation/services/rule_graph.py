"""Which rules start which: an arrow where what one rule makes happen is what another one listens for.

An arrow is drawn unless it is impossible: another trigger, another status, another site, or conditions that what
was made can never meet. Rules that are off, archived or in practice mode start nothing and are left out.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.services.action_catalogue import explicit_ids
from app.business.automation.services.action_effects import Happening, happenings_of
from app.business.automation.services.condition_nodes import Node
from app.business.automation.services.condition_reasoning import possible
from app.business.automation.services.condition_tree import parse_conditions
from app.business.automation.services.field_catalogue import choices_of
from app.business.automation.services.rule_definition import RuleDefinition, definition_from
from app.business.automation.services.rule_versions import definition_of
from app.business.automation.services.run_context import plural
from app.business.automation.services.run_gates import MOST_DEPTH
from app.business.automation.services.triggers import statuses_to
from app.business.errors import Invalid
from app.business.events import EventType

MOST_RULES = 500
"""Rules of one account that are looked at; beyond it the oldest count."""
MOST_LOOPS = 3
REPORTED_ENDS = ("completed", "failed")
"""How a run that is reported has ended; skipped runs are not reported."""


@dataclass(eq=False)
class RuleNode:
    """A rule in the graph. rule_id None: it is not saved yet."""

    rule_id: int | None
    definition: RuleDefinition

    @property
    def name(self) -> str:
        """What people call it."""
        return self.definition.name

    @cached_property
    def happenings(self) -> list[Happening]:
        """What its runs can make happen."""
        return happenings_of(self.definition)

    @cached_property
    def conditions(self) -> Node:
        """Its conditions, parsed."""
        return parse_conditions(self.definition.conditions, record_type=self.definition.record_type)

    @cached_property
    def place(self) -> tuple[int | None, int | None]:
        """Site and sector of the records it touches; (None, None) where they may lie anywhere."""
        named = any(explicit_ids(action) for action in self.definition.actions)
        return (None, None) if named else (self.definition.site, self.definition.sector)


@dataclass(frozen=True)
class Edge:
    """One rule can start another: by what."""

    source: RuleNode
    target: RuleNode
    happening: Happening

    @property
    def what(self) -> str:
        """What happens between the two: `makes clusters`, `tasks become “Done”`."""
        return words_of(self.happening)


@dataclass(frozen=True)
class Started:
    """A rule that another one can start. depth: 1 = directly · path: the arrows that lead to it."""

    rule_id: int | None
    name: str
    definition: RuleDefinition
    depth: int
    path: tuple[Edge, ...]


class RuleGraph:
    """The rule in question and the active rules that listen. Arrows are found when they are asked for."""

    def __init__(self, start: RuleNode, others: Iterable[RuleNode]) -> None:
        self.start = start
        self.listening: dict[str, list[RuleNode]] = {}
        for node in (start, *others):
            self.listening.setdefault(node.definition.trigger, []).append(node)
        self._edges: dict[RuleNode, list[Edge]] = {}

    @classmethod
    def around(
        cls, definition: RuleDefinition, rule_id: int | None, others: Sequence[AutomationRule]
    ) -> "RuleGraph":
        """The graph with the rule as it would be when it is on, among the others that are."""
        heard = [rule for rule in others if rule.trigger != "schedule"]
        return cls(RuleNode(rule_id, definition), nodes_of(heard))

    def edges(self, node: RuleNode) -> list[Edge]:
        """The arrows that leave a rule, one for each rule it can start."""
        if node not in self._edges:
            found = {edge.target: edge for edge in reversed(list(self._leaving(node)))}
            self._edges[node] = list(reversed(found.values()))
        return self._edges[node]

    def _leaving(self, node: RuleNode) -> Iterator[Edge]:
        for happening in node.happenings:
            for other in self.listening.get(happening.event, []):
                if can_start(node, other, happening):
                    yield Edge(node, other, happening)

    def started(self) -> list[Started]:
        """Every rule that the rule in question can start, directly or through others, nearest first."""
        found: dict[RuleNode, tuple[Edge, ...]] = {self.start: ()}
        waiting = deque([self.start])
        while waiting:
            node = waiting.popleft()
            for edge in self.edges(node) if len(found[node]) < MOST_DEPTH else []:
                if edge.target not in found:
                    found[edge.target] = (*found[node], edge)
                    waiting.append(edge.target)
        del found[self.start]
        return [
            Started(node.rule_id, node.name, node.definition, len(path), path) for node, path in found.items()
        ]

    def loops(self) -> list[list[Edge]]:
        """Ways from the rule in question back to itself, shortest first, at most three."""
        found: list[list[Edge]] = []
        for first in self.edges(self.start):
            back = self._way_back(first)
            if back:
                found.append(back)
        return sorted(found, key=len)[:MOST_LOOPS]

    def _way_back(self, first: Edge) -> list[Edge] | None:
        """The shortest way that begins with `first` and ends at the rule in question."""
        ways: dict[RuleNode, list[Edge]] = {first.target: [first]}
        waiting = deque([first.target])
        while waiting:
            node = waiting.popleft()
            if node is self.start:
                return ways[node]
            for edge in self.edges(node):
                if edge.target not in ways:
                    ways[edge.target] = [*ways[node], edge]
                    waiting.append(edge.target)
        return None


def active_rules(session: Session, account_id: int, but: int | None = None) -> Sequence[AutomationRule]:
    """The account's rules that are on and really work, without the one of id `but`. One query."""
    query = select(AutomationRule).where(
        AutomationRule.account_id == account_id,
        AutomationRule.is_active,
        AutomationRule.archived_at.is_(None),
        AutomationRule.mode == "live",
    )
    if but is not None:
        query = query.where(AutomationRule.id != but)
    return session.scalars(query.order_by(AutomationRule.id).limit(MOST_RULES)).all()


def rule_graph(
    session: Session, account_id: int, definition: RuleDefinition, rule_id: int | None = None
) -> RuleGraph:
    """The graph around a rule as it would be when it is on; `rule_id` is whose place it takes. One query."""
    return RuleGraph.around(definition, rule_id, active_rules(session, account_id, rule_id))


def started_by(
    session: Session, account_id: int, definition: RuleDefinition, rule_id: int | None = None
) -> list[Started]:
    """Every active rule that runs of this one can start, directly or through others, nearest first. One query."""
    return rule_graph(session, account_id, definition, rule_id).started()


def nodes_of(rules: Sequence[AutomationRule]) -> Iterator[RuleNode]:
    """Rules as nodes; one that no longer reads starts nothing and is left out."""
    for rule in rules:
        node = RuleNode(rule.id, definition_from(definition_of(rule)))
        try:
            node.conditions, node.happenings  # noqa: B018 - parsed here, where a refusal concerns this rule only
        except (Invalid, KeyError, ValueError):
            continue
        yield node


def can_start(source: RuleNode, target: RuleNode, happening: Happening) -> bool:
    """Whether the target hears of it and its conditions can hold then."""
    listener = target.definition
    if listener.trigger != happening.event:
        return False
    if happening.event == EventType.RUN_FINISHED:
        return _hears_end(source, target) and possible(None, target.conditions)
    wanted = statuses_to(listener.trigger_options)
    if listener.record_type != happening.record_type or (wanted and happening.to not in wanted):
        return False
    return share_a_place(source, target) and possible(
        happening.record_type, happening.facts, target.conditions
    )


def _hears_end(source: RuleNode, target: RuleNode) -> bool:
    """A rule never hears of its own runs, and one with a record type finds no record in such an event."""
    options: dict[str, Any] = target.definition.trigger_options
    wanted = options.get("status")
    heard = wanted is None or any(
        end in ([wanted] if isinstance(wanted, str) else wanted) for end in REPORTED_ENDS
    )
    of_rule = options.get("rule_id") in (None, source.rule_id)
    return heard and of_rule and source is not target and target.definition.record_type is None


def share_a_place(source: RuleNode, target: RuleNode) -> bool:
    """Whether records that the one touches can be in the scope of the other."""
    pairs = zip(source.place, (target.definition.site, target.definition.sector), strict=True)
    return all(one is None or other is None or one == other for one, other in pairs)


def words_of(happening: Happening) -> str:
    """What happens, as staff would say it: `it makes clusters`, `keywords become “Ignored”`, `its run ends`."""
    if happening.event == EventType.RUN_FINISHED:
        return "its run ends"
    if happening.event == EventType.CONTENT_GENERATED:
        return "it writes content"
    records = plural(2, happening.record_type)[2:]
    if happening.event != EventType.STATUS_CHANGED:
        return f"it makes {records}"
    labels = dict(choices_of(happening.record_type or "", "status"))
    return f"{records} become “{labels.get(happening.to or '', happening.to)}”"
