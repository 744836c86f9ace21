"""The smallest change that would make conditions hold: the fewest values to change.

1. From the trace: which conditions held. 2. Sets of conditions to flip, smallest first. 3. The first set for which
values exist that make the whole tree true, checked with the evaluator, so that "at least 500" is never suggested beside
"below 400".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice, product

from app.business.automation.services.catalogue.field_types import FieldType, FieldValue
from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.nodes import AGE, Count, Group, Leaf, Node, O
from app.business.automation.services.conditions.operators import RELATIONS
from app.business.automation.services.conditions.values import day_of, instant_of
from app.business.automation.services.rule_parts import Stored

MOST_SETS = 60
MOST_VALUES = 6
MOST_TRIES = 500

Question = Leaf | Count
Key = tuple[str, str]


@dataclass(frozen=True)
class Flip:
    """One condition that would have to be flipped: `wanted` is its new result; `actual` the value found."""

    question: Question
    wanted: bool
    actual: FieldValue


@dataclass(frozen=True)
class _Found:
    question: Question
    actual: FieldValue
    result: bool

    @property
    def key(self) -> Key:
        """Conditions with the same key depend on one value: a field or a count; a comparison of two fields has its
        own."""
        if isinstance(self.question, Count):
            return "count", self.question.subject
        alone = f" {self.question.number}" if self.question.other else ""
        return "field", self.question.field + alone


def smallest_change(node: Node, trace: Stored, now: datetime, today: date) -> list[Flip] | None:
    """Conditions to flip; empty when the conditions hold, None when no change was found."""
    if trace.get("result", True):
        return []
    found = {item.question.number: item for item in _found(node, trace)}
    search = _Search(node, found, now, today)
    sets = sorted(_ways(node, True, found), key=lambda turned: (search.keys(turned), sorted(turned)))
    chosen = next((turned for turned in sets if search.can_be(turned)), None)
    if chosen is None:
        return None
    turned = [found[number] for number in sorted(chosen)]
    return [Flip(item.question, not item.result, item.actual) for item in turned]


def _found(node: Node, trace: Stored) -> Iterator[_Found]:
    if not isinstance(node, Group):
        yield _Found(node, _typed(node, trace.get("actual")), bool(trace["result"]))
        return
    below = [trace["not"]] if node.kind == "not" else trace[node.kind]
    assert isinstance(below, list)
    for child, traced in zip(node.children, below, strict=True):
        assert isinstance(traced, dict)
        yield from _found(child, traced)


def _typed(question: Question, actual: FieldValue) -> FieldValue:
    """Parses times, which traces store as text."""
    if isinstance(question, Leaf) and isinstance(actual, str):
        if question.type in (FieldType.INSTANT, FieldType.HANDLED):
            return instant_of(actual)
        if question.type is FieldType.DAY:
            return day_of(actual)
    return actual


def _ways(node: Node, want: bool, found: Mapping[int, _Found]) -> list[frozenset[int]]:
    """Sets of conditions to flip so that `node` results in `want`, smallest first."""
    if not isinstance(node, Group):
        return [frozenset() if found[node.number].result == want else frozenset({node.number})]
    if node.kind == "not":
        return _ways(node.children[0], not want, found)
    parts = [_ways(child, want, found) for child in node.children]
    if (node.kind == "all") != want:
        return _smallest(way for ways in parts for way in ways)
    together = [frozenset[int]()]
    for ways in parts:
        together = _smallest(one | other for one in together for other in ways)
    return together


def _smallest(ways: Iterator[frozenset[int]]) -> list[frozenset[int]]:
    return sorted(set(ways), key=lambda way: (len(way), sorted(way)))[:MOST_SETS]


class _Search:
    def __init__(self, node: Node, found: Mapping[int, _Found], now: datetime, today: date) -> None:
        self.node, self.found, self.now, self.today = node, found, now, today

    def keys(self, turned: frozenset[int]) -> int:
        """The number of values to change."""
        return len({self.found[number].key for number in turned})

    def can_be(self, turned: frozenset[int]) -> bool:
        """Whether values exist that flip these conditions and make the whole tree true."""
        touched: dict[Key, list[_Found]] = {}
        for number in sorted(turned):
            touched.setdefault(self.found[number].key, []).append(self.found[number])
        offers = [list(islice(self._values(items), MOST_VALUES)) for items in touched.values()]
        tries = islice(product(*offers), MOST_TRIES)
        return any(self._is_met(dict(zip(touched, values, strict=True))) for values in tries)

    def _values(self, turned: Sequence[_Found]) -> Iterator[FieldValue]:
        """Values of one key for which all of `turned` are flipped, those at the limits of its conditions first."""
        beside = [item for item in self.found.values() if item.key == turned[0].key]
        near = [value for item in beside for value in _near(item.question, item.actual, self.now, self.today)]
        for value in (*near, None, "", [], "x", True, False, 1, self.now, self.today):
            if all(self._answer(one, value) != one.result for one in turned):
                yield value

    def _is_met(self, values: Mapping[Key, FieldValue]) -> bool:
        answers = {
            number: self._answer(item, values[item.key]) if item.key in values else item.result
            for number, item in self.found.items()
        }
        return _verdict(self.node, answers)

    def _answer(self, item: _Found, value: FieldValue) -> bool:
        question = item.question
        if isinstance(question, Count):
            return RELATIONS[question.operator](value, question.value)
        if question.other:
            return bool(value)
        facts = Facts({question.field: value}, now=self.now, today=self.today)
        return ConditionEvaluator().evaluate(question, facts)


def _verdict(node: Node, answers: Mapping[int, bool]) -> bool:
    if not isinstance(node, Group):
        return answers[node.number]
    below = [_verdict(child, answers) for child in node.children]
    return not below[0] if node.kind == "not" else all(below) if node.kind == "all" else any(below)


def _near(question: Question, actual: FieldValue, now: datetime, today: date) -> Iterator[FieldValue]:
    """Values at and around the limit of the question."""
    if isinstance(question, Leaf) and question.other:
        yield from (True, False)
        return
    operand = question.value if isinstance(question, Count) else question.operand
    if isinstance(operand, timedelta):
        yield from _around(now - operand)
        yield from _around(today - operand)
        operand = ()
    for border in operand if isinstance(operand, list | tuple) else [operand]:
        yield from _around(border)
        if isinstance(question, Leaf) and isinstance(border, str):
            yield from _texts(question, border, actual)


def _around(border: FieldValue) -> Iterator[FieldValue]:
    yield border
    if isinstance(border, datetime):
        yield from (border + timedelta(seconds=1), border - timedelta(seconds=1))
    elif isinstance(border, date):
        yield from (border + timedelta(days=1), border - timedelta(days=1))
    elif isinstance(border, int | float) and not isinstance(border, bool):
        yield from (border + 1, border - 1)


def _texts(leaf: Leaf, border: str, actual: FieldValue) -> Iterator[FieldValue]:
    if leaf.type is FieldType.LIST:
        kept = [item for item in (actual if isinstance(actual, list) else []) if item != border]
        yield from ([*kept, border], kept)
    elif leaf.operator not in AGE and leaf.operator is not O.NOT_HANDLED_WITHIN:
        text = actual if isinstance(actual, str) else ""
        yield from (f"{text} {border}", f"{border} {text}", f"{border}x")
