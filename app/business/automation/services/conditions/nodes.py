"""The checked condition tree: built by the parser; read by compilers, descriptions and traces."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from operator import ge, gt, le, lt
from typing import Any, Literal

from app.business.automation.services.catalogue.field_types import (
    RELATED,
    FieldType,
    FieldValue,
    relation_key,
)
from app.business.automation.services.rule_parts import Json

Operand = FieldValue | timedelta | tuple[FieldValue, ...]
"""The converted value of a condition: one value, an age, several values, or two bounds."""


class Operator(StrEnum):
    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    IN = "in"
    NOT_IN = "not_in"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    HAS_WORD = "has_word"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    BETWEEN = "between"
    OLDER_THAN = "older_than"
    NEWER_THAN = "newer_than"
    NOT_HANDLED_WITHIN = "not_handled_within"
    IS_EMPTY = "is_empty"
    IS_NOT_EMPTY = "is_not_empty"


O = Operator  # noqa: E741 - stands in every table of operators
EQUALITY = (O.EQ, O.NE)
ORDER = (O.GT, O.GTE, O.LT, O.LTE)
CHOICE = (O.IN, O.NOT_IN)
EMPTINESS = (O.IS_EMPTY, O.IS_NOT_EMPTY)
AGE = (O.OLDER_THAN, O.NEWER_THAN)
MEMBERSHIP = (O.CONTAINS, O.NOT_CONTAINS)
Comparison = Callable[[Any, Any], bool]
"""Any: whether values have an order is known only at run time; callers check it."""
COMPARISONS: dict[Operator, Comparison] = {O.GT: gt, O.GTE: ge, O.LT: lt, O.LTE: le}
NEGATED = {O.NE: O.EQ, O.NOT_IN: O.IN, O.NOT_CONTAINS: O.CONTAINS, O.IS_NOT_EMPTY: O.IS_EMPTY}
"""Operators that are exactly the negation of another one."""

OPERATORS: dict[FieldType, tuple[Operator, ...]] = {
    FieldType.TEXT: (*EQUALITY, *CHOICE, *MEMBERSHIP, O.HAS_WORD, O.STARTS_WITH, O.ENDS_WITH, *EMPTINESS),
    FieldType.NUMBER: (*EQUALITY, *ORDER, O.BETWEEN, *CHOICE, *EMPTINESS),
    FieldType.BOOLEAN: (*EQUALITY, *EMPTINESS),
    FieldType.CHOICE: (*EQUALITY, *CHOICE, *EMPTINESS),
    FieldType.INSTANT: (*EQUALITY, *ORDER, O.BETWEEN, *AGE, *EMPTINESS),
    FieldType.DAY: (*EQUALITY, *ORDER, O.BETWEEN, *AGE, *EMPTINESS),
    FieldType.LIST: (*MEMBERSHIP, *EMPTINESS),
    FieldType.REFERENCE: (*EQUALITY, *CHOICE, *EMPTINESS),
    FieldType.HANDLED: (O.NOT_HANDLED_WITHIN, *AGE, *EMPTINESS),
}
"""The operators of each field type."""

COUNT_OPERATORS = (*EQUALITY, *ORDER, O.BETWEEN)


@dataclass(frozen=True, eq=False)
class Leaf:
    """One condition. `value` is as written, `operand` is ready to compare; `other` names a field to compare with.

    of_record: inside a count, `other` is a field of the record that the count belongs to · type: the field's type, None
    where field names are not checked · number: position among the leaves, from 1.
    """

    field: str
    operator: Operator
    value: Json
    operand: Operand
    other: str | None
    type: FieldType | None
    ignore_case: bool
    number: int
    of_record: bool = False

    @property
    def text(self) -> str:
        """The operand of an operator on one text."""
        assert isinstance(self.operand, str)
        return self.operand

    @property
    def options(self) -> tuple[FieldValue, ...]:
        """The operand of an operator with several values, or two bounds."""
        assert isinstance(self.operand, tuple)
        return self.operand


@dataclass(frozen=True, eq=False)
class Count:
    """The number of records that meet `where`, compared with a number.

    relation: their type · of: which of them (the related ones, those of the site, or all in the rule's scope).
    """

    relation: str
    where: "Node"
    where_value: Json
    operator: Operator
    value: Json
    number: int
    of: str = RELATED

    @property
    def key(self) -> str:
        """Key of the counted records among the relations (`record_relations`)."""
        return relation_key(self.of, self.relation)

    @property
    def ends(self) -> list[float]:
        """The number that it is compared with, or the two bounds."""
        found = self.value if isinstance(self.value, list) else [self.value]
        return [number for number in found if isinstance(number, int | float)]

    @property
    def subject(self) -> str:
        """Relation and `where`: counts with the same subject give the same number."""
        return f"{self.key} {json.dumps(self.where_value, sort_keys=True)}"


@dataclass(frozen=True, eq=False)
class Group:
    """all, any or not of its children; not has exactly one child. `{}` is parsed as an empty all."""

    kind: Literal["all", "any", "not"]
    children: tuple["Node", ...]


Node = Leaf | Count | Group


def walk(node: Node) -> Iterator[Node]:
    """`node` and all nodes below it, except inside counts: those refer to other records."""
    yield node
    if isinstance(node, Group):
        for child in node.children:
            yield from walk(child)


def field_names(node: Node) -> set[str]:
    """Fields of the record itself that `node` reads, including those read inside counts."""
    leaves = [item for item in walk(node) if isinstance(item, Leaf)]
    names = {leaf.field for leaf in leaves}
    names |= {leaf.other for leaf in leaves if leaf.other and not leaf.of_record}
    return names.union(*(record_names(count.where) for count in counts(node)))


def record_names(where: Node) -> set[str]:
    """Fields of the outer record that the `where` of a count reads."""
    leaves = [item for item in walk(where) if isinstance(item, Leaf)]
    return {leaf.other for leaf in leaves if leaf.other and leaf.of_record}


def counts(node: Node) -> list[Count]:
    return [item for item in walk(node) if isinstance(item, Count)]
