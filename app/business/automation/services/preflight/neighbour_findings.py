"""Findings about a rule in relation to the account's other rules: loops, and work on the same records."""

from collections.abc import Iterator, Sequence
from itertools import islice

from app.business.automation.services.catalogue.actions.base import Action
from app.business.automation.services.catalogue.actions.registry import CATALOGUE, entries_of
from app.business.automation.services.catalogue.field_types import FieldType
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.catalogue.triggers import statuses_to
from app.business.automation.services.conditions.analysis.satisfiability import kept, possible
from app.business.automation.services.conditions.nodes import Leaf
from app.business.automation.services.preflight.finding import Finding, Level
from app.business.automation.services.preflight.rule_graph import (
    Edge,
    RuleGraph,
    RuleNode,
    nodes_of,
    share_a_place,
)
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.rules.known_rules import ListedRule

MOST_OVERLAPS = 3


def loop_findings(graph: RuleGraph) -> Iterator[Finding]:
    """Each path on which the rule would start itself again."""
    for loop in graph.loops():
        advice = (
            "It would not run for ever: the check for loops stops a run that its own rule has led to. "
            "Still, narrow the conditions of one of these rules so that it comes to an end by itself."
        )
        yield Finding("loop", Level.WARN, loop_sentence(loop), advice, "trigger", tuple(loop))


def loop_sentence(loop: Sequence[Edge]) -> str:
    """Names the rules of a loop in order."""
    first = loop[0].source.name
    if len(loop) == 1:
        return f"“{first}” would start itself again: {loop[0].what}, and that is what it waits for."
    names = " → ".join(f"“{edge.source.name}”" for edge in loop)
    return f"These {len(loop)} rules would start one another without end: {names} → “{first}”."


def overlap_findings(start: RuleNode, others: Sequence[ListedRule]) -> Iterator[Finding]:
    """Other rules that do the same to records which both can take."""
    alike = [rule for rule in others if _is_alike(start.definition, rule.definition)]
    for other in islice(filter(lambda node: _may_meet(start, node), nodes_of(alike)), MOST_OVERLAPS):
        label = CATALOGUE[
            sorted(_kinds(start.definition.actions) & _kinds(other.definition.actions))[0]
        ].label
        records = plural(2, start.definition.record_type)[2:]
        sentence = (
            f"“{other.name}” can take the same {records} and does the same: {label[0].lower()}{label[1:]}."
        )
        advice = "If that is not meant, let their conditions part the records between them."
        yield Finding("same_records", Level.HINT, sentence, advice, "conditions")


def _is_alike(rule: RuleDefinition, other: RuleDefinition) -> bool:
    same_start = (rule.trigger, rule.record_type) == (other.trigger, other.record_type)
    if not same_start or rule.record_type is None or not _kinds(rule.actions) & _kinds(other.actions):
        return False
    to = statuses_to(rule.trigger_options)
    other_to = statuses_to(other.trigger_options)
    return not to or not other_to or bool(set(to) & set(other_to))


def _kinds(actions: Sequence[Action]) -> set[str]:
    return {entry.key for entry in entries_of(actions) if not entry.may_repeat}


def _may_meet(one: RuleNode, other: RuleNode) -> bool:
    """Whether some record can meet both conditions. `handled_at` is ignored, because it differs between rules."""
    nodes = (
        kept(node.conditions, lambda question: not _is_about_handling(question)) for node in (one, other)
    )
    return share_a_place(one, other) and possible(one.definition.record_type, *nodes)


def _is_about_handling(question: object) -> bool:
    return isinstance(question, Leaf) and question.type is FieldType.HANDLED
