"""Which rules start which: an edge where an event of one rule can trigger another.

An edge exists unless it is impossible: another trigger, another status, another site, or conditions that the record can
never meet. Rules that are off, archived or in practice mode cause no events and are left out.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.actions.registry import explicit_ids
from app.business.automation.services.catalogue.fields import choices_of
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.catalogue.triggers import RunFinishedOptions, statuses_to
from app.business.automation.services.conditions.analysis.satisfiability import possible
from app.business.automation.services.conditions.nodes import Node
from app.business.automation.services.preflight.rule_effects import RuleEffects, RuleEvent
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.rules.known_rules import (
    LISTED,
    REMEMBERED,
    KnownRule,
    ListedRule,
    listed_rules,
)
from app.business.automation.services.runs.loop_guard import MOST_DEPTH
from app.business.base import Id
from app.business.errors import Invalid
from app.business.events import EventType
from app.business.plain_rows import AnyColumns

MOST_RULES = 500
"""Rules of one account that are analysed, oldest first."""
MOST_LOOPS = 3
MOST_ARROWS = 5_000
"""Edges that are followed; where every rule starts every other one, the nearest ones suffice."""
REPORTED_ENDS = ("completed", "failed")
"""Ends of runs that cause an event; skipped runs cause none."""


@dataclass(eq=False)
class RuleNode:
    """A rule in the graph. rule_id None: not saved yet."""

    rule_id: int | None
    definition: RuleDefinition

    @property
    def name(self) -> str:
        return self.definition.name

    @cached_property
    def rule_events(self) -> list[RuleEvent]:
        return self.effects.rule_events()

    @cached_property
    def effects(self) -> RuleEffects:
        return RuleEffects(self.definition)

    @cached_property
    def conditions(self) -> Node:
        return self.definition.tree

    @cached_property
    def can_hold(self) -> bool:
        """Whether its conditions can hold for any record."""
        return possible(self.definition.subject, self.conditions)

    @cached_property
    def place(self) -> tuple[int | None, int | None]:
        """Site and sector of the records it changes; (None, None) where they may be anywhere."""
        named = any(explicit_ids(action) for action in self.definition.actions)
        return (None, None) if named else (self.definition.site, self.definition.sector)


@dataclass(frozen=True)
class Edge:
    """An event with which one rule can start another."""

    source: RuleNode
    target: RuleNode
    rule_event: RuleEvent

    @property
    def what(self) -> str:
        """The event in words: `makes clusters`, `tasks become “Done”`."""
        return words_of(self.rule_event)


@dataclass(frozen=True)
class Started:
    """A rule that another one can start. depth: 1 = directly · path: the edges that lead to it."""

    rule_id: int | None
    name: str
    definition: RuleDefinition
    depth: int
    path: tuple[Edge, ...]


State = tuple[RuleNode, frozenset[int]]
"""A started rule, and the indices of its actions that can find work."""


class RuleGraph:
    """The given rule and the active rules that events start. Edges are computed on demand.

    What is certain about the triggering records decides which actions find work: a rule that queues tasks causes
    nothing further when it is triggered by tasks that are queued already.
    """

    def __init__(self, start: RuleNode, others: Iterable[RuleNode]) -> None:
        self.start = start
        self.listening: dict[str, list[RuleNode]] = {}
        for node in (start, *others):
            self.listening.setdefault(node.definition.trigger, []).append(node)
        self._edges: dict[RuleNode, list[Edge]] = {}
        self._states: dict[tuple[RuleNode, RuleEvent], State] = {}
        self._left = MOST_ARROWS

    @classmethod
    def around(
        cls, definition: RuleDefinition, rule_id: int | None, others: Sequence[ListedRule]
    ) -> "RuleGraph":
        """The graph around the rule as if it were on, with the other active rules."""
        followed = [rule for rule in others if rule.definition.trigger != "schedule"]
        return cls(RuleNode(rule_id, definition), nodes_of(followed))

    def started(self) -> list[Started]:
        """Every rule that this rule can start, directly or through others, nearest first."""
        found: dict[RuleNode, tuple[Edge, ...]] = {}
        for way in self._ways(longest=MOST_DEPTH):
            if way[-1].target is not self.start:
                found.setdefault(way[-1].target, tuple(way))
        return [
            Started(node.rule_id, node.name, node.definition, len(path), path) for node, path in found.items()
        ]

    def loops(self) -> list[list[Edge]]:
        """Paths from the rule back to itself, shortest first, at most three."""
        back = (way for way in self._ways() if way[-1].target is self.start)
        return list(islice(back, MOST_LOOPS))

    def _ways(self, longest: int = MOST_RULES) -> Iterator[list[Edge]]:
        """Paths that begin at the rule, shortest first (breadth-first search); none continues through it."""
        first: State = (self.start, self.start.effects.always_working)
        ways: dict[State, list[Edge]] = {first: []}
        waiting = deque([first])
        while waiting and self._left > 0:
            state = waiting.popleft()
            for edge in self._leaving(state) if len(ways[state]) < longest else ():
                way = [*ways[state], edge]
                if edge.target is self.start:
                    yield way
                    continue
                reached = self._state(edge)
                if reached not in ways:
                    ways[reached] = way
                    waiting.append(reached)
                    yield way

    def _leaving(self, state: State) -> Iterator[Edge]:
        node, working = state
        seen: set[State] = set()
        for edge in self._edges_of(node):
            does_it = edge.rule_event.action is None or edge.rule_event.action in working
            if does_it and (reached := self._state(edge)) not in seen:
                seen.add(reached)
                yield edge

    def _edges_of(self, node: RuleNode) -> list[Edge]:
        if node not in self._edges:
            self._edges[node] = [
                Edge(node, other, rule_event)
                for rule_event in node.rule_events
                for other in self.listening.get(rule_event.event, [])
                if can_start(node, other, rule_event)
            ]
            self._left -= len(self._edges[node])
        return self._edges[node]

    def _state(self, edge: Edge) -> State:
        known = self._states.get((edge.target, edge.rule_event))
        if known is None:
            working = edge.target.effects.working(edge.rule_event.facts)
            known = self._states[edge.target, edge.rule_event] = (edge.target, working)
        return known


def active_rules(session: Session, account_id: int, but: int | None = None) -> list[ListedRule]:
    """The account's valid rules that are on and not in practice mode, except for `but`. One query."""
    found = listed_rules(session, _ACTIVE, {"account_id": account_id, "but": but})
    return [rule for rule in found if not rule.known.errors]


_ACTIVE: AnyColumns = (
    select(*LISTED)
    .where(
        AutomationRule.account_id == bindparam("account_id"),
        AutomationRule.is_active,
        AutomationRule.archived_at.is_(None),
        AutomationRule.mode == "live",
        AutomationRule.id.is_distinct_from(bindparam("but", type_=Id)),
    )
    .order_by(AutomationRule.id)
    .limit(MOST_RULES)
)


def rule_graph(
    session: Session, account_id: int, definition: RuleDefinition, rule_id: int | None = None
) -> RuleGraph:
    """The graph around a rule as if it were on; `rule_id` is the saved rule that it replaces. One query."""
    return RuleGraph.around(definition, rule_id, active_rules(session, account_id, rule_id))


def started_by(
    session: Session, account_id: int, definition: RuleDefinition, rule_id: int | None = None
) -> list[Started]:
    """Every active rule that runs of this one can start, directly or through others, nearest first. One query."""
    return rule_graph(session, account_id, definition, rule_id).started()


@lru_cache(maxsize=REMEMBERED)
def _node(rule_id: int, known: KnownRule) -> RuleNode:
    """What a rule can cause is found out once, and not each time that another one is looked at."""
    return RuleNode(rule_id, known.definition)


def nodes_of(rules: Sequence[ListedRule]) -> Iterator[RuleNode]:
    """Rules as nodes; rules that are not valid any more start nothing and are left out."""
    for rule in rules:
        node = _node(rule.id, rule.known)
        try:
            node.conditions, node.rule_events  # noqa: B018 - parsed here, so that an error affects this rule only
        except (Invalid, KeyError, ValueError):
            continue
        yield node


def can_start(source: RuleNode, target: RuleNode, rule_event: RuleEvent) -> bool:
    """Whether the event matches the target's trigger and its conditions can hold then."""
    listener = target.definition
    if listener.trigger != rule_event.event:
        return False
    options = listener.trigger_options
    if isinstance(options, RunFinishedOptions):
        return _follows_end(source, target, options) and target.can_hold
    wanted = statuses_to(options)
    if listener.record_type != rule_event.record_type or (wanted and rule_event.to not in wanted):
        return False
    return share_a_place(source, target) and possible(
        rule_event.record_type, rule_event.facts, target.conditions
    )


def _follows_end(source: RuleNode, target: RuleNode, options: RunFinishedOptions) -> bool:
    """A rule never follows its own runs, and one with a record type finds no record in such an event."""
    followed = any(options.ask_for(source.rule_id, end) for end in REPORTED_ENDS)
    return followed and source is not target and target.definition.record_type is None


def share_a_place(source: RuleNode, target: RuleNode) -> bool:
    """Whether records that `source` changes can be in the scope of `target`."""
    pairs = zip(source.place, (target.definition.site, target.definition.sector), strict=True)
    return all(one is None or other is None or one == other for one, other in pairs)


def words_of(rule_event: RuleEvent) -> str:
    """The event in words: `it makes clusters`, `keywords become “Ignored”`, `its run ends`."""
    if rule_event.event == EventType.RUN_FINISHED:
        return "its run ends"
    if rule_event.event == EventType.CONTENT_GENERATED:
        return "it writes content"
    records = plural(2, rule_event.record_type)[2:]
    if rule_event.event != EventType.STATUS_CHANGED:
        return f"it makes {records}"
    labels = dict(choices_of(rule_event.record_type or "", "status"))
    return f"{records} become “{labels.get(rule_event.to or '', rule_event.to)}”"
