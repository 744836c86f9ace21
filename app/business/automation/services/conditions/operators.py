"""The meaning of each operator in Python. `query` implements the same in SQL; tests compare the two.

Every condition is true or false, never unknown.

=====================  =====================================================================================
a missing field        reads as null
eq                     same type and same value: 1 is not "1", true is not 1, 1 equals 1.0, null equals null
ne                     exactly not eq: null is not 5
gt gte lt lte          only between two numbers, two texts (by code point), two instants or two days
between                gte the first and lte the second of two values
in, not_in             eq one of a list; `in` is false without a list; not_in is exactly not in
contains               of a text: it has that part (case counts) · of a list: a member is eq to the value
not_contains           exactly not contains, so true of null
has_word               the text has these whole words in this order; punctuation and spaces separate words
starts_with ends_with  of two texts
is_empty               null, the empty text, the empty list; 0 and false are not empty
older_than newer_than  before / after now less the age (days: today in the zone); false of null
not_handled_within     never handled by this rule, or before now less the age
all [] · any []        true · false
ignore_case            both sides are folded first (`app.business.folding`)
=====================  =====================================================================================
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta

from app.business.automation.services.catalogue.field_types import FieldValue
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.nodes import COMPARISONS, O, Operand, Operator
from app.business.automation.services.conditions.values import instant_of
from app.business.folding import words

Check = Callable[[Facts], bool]
Relation = Callable[[FieldValue, Operand], bool]

_ORDERED = {int: "number", float: "number", str: "text", datetime: "instant", date: "day"}


def same(actual: FieldValue, operand: Operand) -> bool:
    """Equal type and value; all numbers count as one type, booleans as another."""
    if isinstance(actual, bool) or isinstance(operand, bool):
        return actual is operand
    if isinstance(actual, list) and isinstance(operand, list):
        return len(actual) == len(operand) and all(map(same, actual, operand))
    return bool(actual == operand) and not isinstance(actual, dict)


def _comparable(actual: FieldValue, operand: Operand) -> bool:
    kind = _ORDERED.get(type(actual))
    return kind is not None and kind == _ORDERED.get(type(operand))


def _ordered(operator: Operator) -> Relation:
    compare = COMPARISONS[operator]
    return lambda actual, operand: _comparable(actual, operand) and compare(actual, operand)


def _one_of(actual: FieldValue, operand: Operand) -> bool:
    return isinstance(operand, list | tuple) and any(same(actual, item) for item in operand)


def _contains(actual: FieldValue, operand: Operand) -> bool:
    if isinstance(actual, list):
        return any(same(item, operand) for item in actual)
    return isinstance(actual, str) and isinstance(operand, str) and operand in actual


def _starts_with(actual: FieldValue, operand: Operand) -> bool:
    return isinstance(actual, str) and isinstance(operand, str) and actual.startswith(operand)


def _ends_with(actual: FieldValue, operand: Operand) -> bool:
    return isinstance(actual, str) and isinstance(operand, str) and actual.endswith(operand)


def _has_word(actual: FieldValue, operand: Operand) -> bool:
    if not isinstance(actual, str) or not isinstance(operand, str):
        return False
    phrase = words(operand)
    return bool(phrase) and f" {phrase} " in f" {words(actual)} "


def _between(actual: FieldValue, operand: Operand) -> bool:
    if not isinstance(operand, list | tuple) or len(operand) != 2:
        return False
    (low, high), not_above = operand, COMPARISONS[O.LTE]
    return (
        _comparable(actual, low)
        and _comparable(actual, high)
        and not_above(low, actual)
        and not_above(actual, high)
    )


def _is_empty(actual: FieldValue, _operand: Operand) -> bool:
    return actual is None or actual == "" or actual == []


RELATIONS: dict[Operator, Relation] = {
    O.EQ: same,
    O.NE: lambda actual, operand: not same(actual, operand),
    O.GT: _ordered(O.GT),
    O.GTE: _ordered(O.GTE),
    O.LT: _ordered(O.LT),
    O.LTE: _ordered(O.LTE),
    O.BETWEEN: _between,
    O.IN: _one_of,
    O.NOT_IN: lambda actual, operand: not _one_of(actual, operand),
    O.CONTAINS: _contains,
    O.NOT_CONTAINS: lambda actual, operand: not _contains(actual, operand),
    O.HAS_WORD: _has_word,
    O.STARTS_WITH: _starts_with,
    O.ENDS_WITH: _ends_with,
    O.IS_EMPTY: _is_empty,
    O.IS_NOT_EMPTY: lambda actual, operand: not _is_empty(actual, operand),
}
"""Operators on a value and an operand. The others depend on the time as well: `age_check`."""


def age_check(operator: Operator, operand: Operand) -> Callable[[FieldValue, Facts], bool]:
    """Check of older_than, newer_than and not_handled_within: of a time and the facts that say what is now."""

    after = RELATIONS[O.GT]
    age = operand if isinstance(operand, timedelta) else None

    def check(at: FieldValue, facts: Facts) -> bool:
        if at is None or age is None:
            return age is not None and operator is O.NOT_HANDLED_WITHIN
        at = instant_of(at) if isinstance(at, str) else at
        since = _since(at, facts, age)
        return after(at, since) if operator is O.NEWER_THAN else after(since, at)

    return check


def _since(at: FieldValue, facts: Facts, age: timedelta) -> date | None:
    if isinstance(at, datetime):
        return facts.now - age
    return facts.today - age if isinstance(at, date) else None
