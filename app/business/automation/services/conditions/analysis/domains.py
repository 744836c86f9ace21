"""Whether one value can satisfy several conditions on the same field at once.

Numbers and times are split into intervals on which no condition changes its result, and one value of each interval is
tried with the evaluator, so the meaning of operators is defined only there. Texts have no such intervals: they are
searched for known contradictions. "Cannot" is certain; "can" may be wrong.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import ceil, floor, inf
from typing import TypeVar

from app.business.automation.services.catalogue.field_types import FieldType, FieldValue
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.record_models import MODELS, columns_of
from app.business.automation.services.conditions.analysis.text_domain import texts_can
from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.nodes import NEGATED, Count, Leaf, O
from app.business.folding import fold

Mark = TypeVar("Mark", float, date, datetime)

_NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
_CLOCK: dict[str, Sequence[int]] = {
    "now.hour": range(24),
    "now.weekday": range(1, 8),
    "now.days_left_in_month": range(31),
}
_NOT_NEGATIVE = {"volume", "keyword_count", "idea_count", "total_volume", "credits_available"}
_CLOSED = {"status", "task_type"}
"""Choice fields that the database restricts to their list; others may hold an older value."""


@dataclass(frozen=True)
class Literal:
    """One condition and the result that is wanted of it."""

    question: Leaf | Count
    wanted: bool

    @property
    def subject(self) -> str:
        """What the condition is about; literals with the same subject are analysed together."""
        question = self.question
        if isinstance(question, Count):
            return f"count {question.subject}"
        if question.other is None:
            return question.field
        asked = NEGATED.get(question.operator, question.operator)
        return f"{question.field} {asked} {question.other} {question.ignore_case}"

    @property
    def asked(self) -> tuple[O, bool]:
        """The operator without its negation, and the result that is wanted of it."""
        operator = self.question.operator
        return (NEGATED[operator], not self.wanted) if operator in NEGATED else (operator, self.wanted)

    @property
    def leaf(self) -> Leaf:
        """The condition, where it is no count."""
        assert isinstance(self.question, Leaf)
        return self.question

    def suits(self, value: FieldValue) -> bool:
        """Whether this value gives the wanted result. Not for counts and comparisons of two fields."""
        facts = Facts({self.leaf.field: value}, now=_NOW, today=_NOW.date())
        return ConditionEvaluator().evaluate(self.leaf, facts) is self.wanted


def can_hold(literals: Sequence[Literal], record_type: str | None) -> bool:
    """False when no value of their common subject satisfies all literals. False is certain, True may be wrong."""
    first = literals[0].question
    if isinstance(first, Count):
        return _count_can(literals)
    if first.other is not None:
        return len({literal.asked for literal in literals}) == 1
    if _may_be_null(first.field, record_type) and _suits(None, literals):
        return True
    if first.type in (FieldType.INSTANT, FieldType.DAY, FieldType.HANDLED):
        return _time_can(literals)
    if first.type is FieldType.LIST:
        return _list_can(literals)
    values = _values(first, literals, record_type)
    return texts_can(literals) if values is None else any(_suits(value, literals) for value in values)


def _suits(value: FieldValue, literals: Iterable[Literal]) -> bool:
    return all(literal.suits(value) for literal in literals)


def _may_be_null(name: str, record_type: str | None) -> bool:
    if name in _CLOCK:
        return False
    if record_type not in MODELS:
        return True
    columns = columns_of(record_type)
    column = next((columns[key] for key in (name, f"{name}_id") if key in columns), None)
    return column is None or bool(column.nullable)


def _values(leaf: Leaf, literals: Sequence[Literal], record_type: str | None) -> Sequence[FieldValue] | None:
    """One value of each interval; None where there are no intervals."""
    own = leaf.field.rpartition(".")[2]
    if leaf.field in _CLOCK:
        return _CLOCK[leaf.field]
    if leaf.type is FieldType.BOOLEAN:
        return (True, False)
    if leaf.type is FieldType.CHOICE and own in _CLOSED:
        return [value for value, _ in fields_of(record_type)[leaf.field].choices]
    if leaf.type in (FieldType.NUMBER, FieldType.REFERENCE):
        least = 0 if own in _NOT_NEGATIVE else -inf
        marks = _numbers(literals) | {least}
        return [value for value in _stretches(marks, -inf, inf, _middle_number) if value >= least]
    return None


def _constants(literals: Iterable[Literal]) -> Iterator[FieldValue]:
    """What the questions compare with, but for ages."""
    for literal in literals:
        operand = literal.question.operand if isinstance(literal.question, Leaf) else literal.question.value
        for value in operand if isinstance(operand, list | tuple) else (operand,):
            if not isinstance(value, timedelta):
                yield value


def _numbers(literals: Iterable[Literal]) -> set[float]:
    return {value for value in _constants(literals) if isinstance(value, int | float)}


def _stretches(
    constants: set[Mark], first: Mark, last: Mark, middle: Callable[[Mark, Mark], Mark]
) -> list[Mark]:
    """The constants, one value between each two neighbours, and one beyond each outermost constant."""
    marks = sorted(constants | {first, last})
    between = ((low, middle(low, high), high) for low, high in pairwise(marks))
    return marks + [value for low, value, high in between if low < value < high]


def _middle_number(low: float, high: float) -> float:
    return low if low == -inf or high == inf else low + (high - low) / 2


def _middle_day(low: date, high: date) -> date:
    return low + (high - low) // 2


def _middle_instant(low: datetime, high: datetime) -> datetime:
    return low + (high - low) / 2


def _count_can(literals: Sequence[Literal]) -> bool:
    """Tries whole numbers from 0 around each constant."""
    marks = {part for value in _numbers(literals) for part in (floor(value), ceil(value))}
    tried = {0} | {mark + step for mark in marks for step in (-1, 0, 1)}
    checks = [(_number_check(literal.question), literal.wanted) for literal in literals]
    return any(all(check(number) is wanted for check, wanted in checks) for number in tried if number >= 0)


def _number_check(count: Leaf | Count) -> Callable[[int], bool]:
    assert isinstance(count, Count)
    operand = tuple(count.value) if isinstance(count.value, list) else count.value
    leaf = Leaf("count", count.operator, count.value, operand, None, FieldType.NUMBER, False, count.number)
    check = ConditionEvaluator().compiled(leaf)
    return lambda number: check(Facts({"count": number}, now=_NOW, today=_NOW.date()))


def _time_can(literals: Sequence[Literal]) -> bool:
    """Fixed times and ages are analysed separately, because their order changes as time passes."""
    about_age = [literal for literal in literals if _is_about_age(literal)]
    fixed = [literal for literal in literals if not _is_about_age(literal)]
    tried = _days if literals[0].leaf.type is FieldType.DAY else _instants
    return all(any(_suits(at, part) for at in tried(part)) for part in (about_age, fixed))


def _days(literals: Sequence[Literal]) -> Sequence[date]:
    operands = [literal.leaf.operand for literal in literals]
    ages = {_NOW.date() - age for age in operands if isinstance(age, timedelta)}
    days = {day for day in _constants(literals) if isinstance(day, date)}
    return _stretches(ages | days, date.min, date.max, _middle_day)


def _instants(literals: Sequence[Literal]) -> Sequence[datetime]:
    operands = [literal.leaf.operand for literal in literals]
    ages = {_NOW - age for age in operands if isinstance(age, timedelta)}
    instants = {at for at in _constants(literals) if isinstance(at, datetime)}
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    return _stretches(ages | instants, first, last, _middle_instant)


def _is_about_age(literal: Literal) -> bool:
    return isinstance(literal.question, Leaf) and isinstance(literal.question.operand, timedelta)


def _list_can(literals: Sequence[Literal]) -> bool:
    """A list may hold any members, except for those that are required or excluded."""
    if _suits([], literals):
        return True
    asked = [(*literal.asked, literal.question) for literal in literals]
    if any(operator is O.IS_EMPTY and wanted for operator, wanted, _ in asked):
        return False
    inside = [leaf for operator, wanted, leaf in asked if operator is O.CONTAINS and wanted]
    outside = [leaf for operator, wanted, leaf in asked if operator is O.CONTAINS and not wanted]
    return not any(_is_member(one, other) for one in inside for other in outside)


def _is_member(inside: Leaf | Count, outside: Leaf | Count) -> bool:
    """Whether a list that contains the first value always contains the second."""
    assert isinstance(inside, Leaf)
    assert isinstance(outside, Leaf)
    if outside.ignore_case:
        return fold(inside.text) == fold(outside.text)
    return not inside.ignore_case and bool(inside.operand == outside.operand)
