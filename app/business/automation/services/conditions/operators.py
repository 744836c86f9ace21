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
from typing import Any

from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.nodes import O, Operator
from app.business.automation.services.conditions.values import instant_of
from app.business.folding import words

Check = Callable[[Facts], bool]
Relation = Callable[[Any, Any], bool]

_ORDERED = {int: "number", float: "number", str: "text", datetime: "instant", date: "day"}


def same(actual: Any, operand: Any) -> bool:
    """Equal type and value; all numbers count as one type, booleans as another."""
    if isinstance(actual, bool) or isinstance(operand, bool):
        return actual is operand
    if isinstance(actual, list) and isinstance(operand, list):
        return len(actual) == len(operand) and all(map(same, actual, operand))
    return bool(actual == operand) and not isinstance(actual, dict)


def _comparable(actual: Any, operand: Any) -> bool:
    kind = _ORDERED.get(type(actual))
    return kind is not None and kind == _ORDERED.get(type(operand))


def _one_of(actual: Any, operand: Any) -> bool:
    return isinstance(operand, list | tuple) and any(same(actual, item) for item in operand)


def _contains(actual: Any, operand: Any) -> bool:
    if isinstance(actual, list):
        return any(same(item, operand) for item in actual)
    return _texts(actual, operand) and operand in actual


def _texts(actual: Any, operand: Any) -> bool:
    return isinstance(actual, str) and isinstance(operand, str)


def _has_word(actual: Any, operand: Any) -> bool:
    if not _texts(actual, operand):
        return False
    phrase = words(operand)
    return bool(phrase) and f" {phrase} " in f" {words(actual)} "


def _between(actual: Any, operand: Any) -> bool:
    if not isinstance(operand, list | tuple) or len(operand) != 2:
        return False
    low, high = operand
    return _comparable(actual, low) and _comparable(actual, high) and low <= actual <= high


def _is_empty(actual: Any, _operand: Any) -> bool:
    return actual is None or actual == "" or actual == []


RELATIONS: dict[Operator, Relation] = {
    O.EQ: same,
    O.NE: lambda actual, operand: not same(actual, operand),
    O.GT: lambda actual, operand: _comparable(actual, operand) and actual > operand,
    O.GTE: lambda actual, operand: _comparable(actual, operand) and actual >= operand,
    O.LT: lambda actual, operand: _comparable(actual, operand) and actual < operand,
    O.LTE: lambda actual, operand: _comparable(actual, operand) and actual <= operand,
    O.BETWEEN: _between,
    O.IN: _one_of,
    O.NOT_IN: lambda actual, operand: not _one_of(actual, operand),
    O.CONTAINS: _contains,
    O.NOT_CONTAINS: lambda actual, operand: not _contains(actual, operand),
    O.HAS_WORD: _has_word,
    O.STARTS_WITH: lambda actual, operand: _texts(actual, operand) and actual.startswith(operand),
    O.ENDS_WITH: lambda actual, operand: _texts(actual, operand) and actual.endswith(operand),
    O.IS_EMPTY: _is_empty,
    O.IS_NOT_EMPTY: lambda actual, operand: not _is_empty(actual, operand),
}
"""Operators on a value and an operand. The others depend on the time as well: `age_check`."""


def age_check(operator: Operator, field: str, age: timedelta | None) -> Check:
    """Check of older_than, newer_than and not_handled_within."""

    after = RELATIONS[O.GT]

    def check(facts: Facts) -> bool:
        at = facts.get(field)
        if at is None or age is None:
            return age is not None and operator is O.NOT_HANDLED_WITHIN
        at = instant_of(at) if isinstance(at, str) else at
        since = _since(at, facts, age)
        return after(at, since) if operator is O.NEWER_THAN else after(since, at)

    return check


def _since(at: Any, facts: Facts, age: timedelta) -> date | None:
    if isinstance(at, datetime):
        return facts.now - age
    return facts.today - age if isinstance(at, date) else None
