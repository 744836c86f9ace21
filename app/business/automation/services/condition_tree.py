"""Reading conditions: JSON as written -> a checked tree, or a refusal that names each wrong place.

`{}` = always. A leaf is {"field", "operator", "value"} (+ "ignore_case"), a group {"all": […]}, {"any": […]}
or {"not": …}. A leaf may count: {"count": "content", "where": {…}, "operator": "gte", "value": 1}, and its
value may be another field: {"field": "site.language"}.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from app.business.automation.services import condition_nodes as nodes
from app.business.automation.services.condition_nodes import Count, Group, Leaf, Node, Operator
from app.business.automation.services.condition_values import (
    WrongValue,
    age_of,
    check_plain,
    operand_for,
    shown,
)
from app.business.automation.services.field_catalogue import Field, FieldType, fields_of
from app.business.automation.services.record_relations import relations_of
from app.business.errors import Invalid

__all__ = ["MOST_BYTES", "MOST_DEPTH", "MOST_LEAVES", "Node", "parse_conditions", "parse_free"]

MOST_DEPTH = 5
MOST_LEAVES = 100
MOST_BYTES = 64 * 1024
_MOST_NESTING = 4 * MOST_DEPTH
_GROUPS = ("all", "any", "not")
_LEAF_KEYS = {"field", "operator", "value", "ignore_case"}
_COUNT_KEYS = {"count", "where", "operator", "value"}
_TEXTUAL = (FieldType.TEXT, FieldType.CHOICE, FieldType.LIST)
_SAME_KIND = {
    FieldType.REFERENCE: FieldType.NUMBER,
    FieldType.CHOICE: FieldType.TEXT,
    FieldType.HANDLED: FieldType.INSTANT,
}
_COUNTED = Field("count", "count", FieldType.NUMBER, lambda _row, _frame: NotImplemented)


def parse_conditions(data: Any, *, record_type: str | None) -> Node:
    """The tree of a rule's conditions on `record_type` (None: account figures only). Raises Invalid."""
    return _parse(data, _Scope(record_type, fields_of(record_type)))


def parse_free(data: Any) -> Node:
    """The tree of conditions on any context: field names and the types of values are not checked.

    Raises Invalid for unknown operators, malformed nodes, and too much depth or size.
    """
    return _parse(data, _Scope(None, None))


@dataclass(frozen=True)
class _Scope:
    """Of which records the leaves speak. fields None: of any context."""

    record_type: str | None
    fields: Mapping[str, Field] | None
    may_count: bool = True


def _parse(data: Any, scope: _Scope) -> Node:
    if _nesting_exceeds(data, _MOST_NESTING):
        raise Invalid({"conditions": [_TOO_DEEP]})
    parser = _Parser()
    node = Group("all", ()) if data == {} else parser.node(data, "conditions", scope, 0)
    if not parser.errors:
        parser.check_size(data)
    if parser.errors or node is None:
        raise Invalid(parser.errors)
    return node


_TOO_DEEP = f"Conditions may be nested at most {MOST_DEPTH} deep. Take a level out."


def _nesting_exceeds(data: Any, most: int) -> bool:
    # Level by level: data nested a thousand deep must not reach anything that recurses.
    level = [data]
    for _ in range(most):
        level = [child for item in level for child in _children(item)]
        if not level:
            return False
    return True


def _children(item: Any) -> list[Any]:
    below = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return [child for child in below if isinstance(child, dict | list)]


class _Parser:
    def __init__(self) -> None:
        self.errors: dict[str, list[str]] = {}
        self.leaves = 0

    def refuse(self, path: str, sentence: str) -> None:
        self.errors.setdefault(path, []).append(sentence)

    def check_size(self, data: Any) -> None:
        size = len(json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        if size > MOST_BYTES:
            self.refuse("conditions", f"The conditions take {size // 1024:,} kB; {MOST_BYTES // 1024} kB are allowed.")

    def node(self, data: Any, path: str, scope: _Scope, depth: int) -> Node | None:
        """The checked node, or None when it was refused."""
        kinds = [kind for kind in _GROUPS if isinstance(data, dict) and kind in data]
        if kinds:
            return self.group(data, kinds, path, scope, depth + 1)
        self.leaves += 1
        if self.leaves > MOST_LEAVES:
            self.errors.setdefault("conditions", [f"At most {MOST_LEAVES} conditions are allowed. Split the rule."])
            return None
        try:
            counts = isinstance(data, dict) and "count" in data
            return self.count(data, path, scope, depth) if counts else self.leaf(data, path, scope)
        except _Wrong as wrong:
            self.refuse(wrong.path, f"Condition {wrong.number}: {wrong.sentence}")
            return None

    def group(self, data: Any, kinds: list[str], path: str, scope: _Scope, depth: int) -> Node | None:
        kind = kinds[0]
        if depth > MOST_DEPTH:
            self.errors.setdefault("conditions", [_TOO_DEEP])
        elif len(data) > 1:
            other = next(key for key in data if key != kind)
            self.refuse(path, f"A group has one key, all, any or not; {shown(other)} does not belong there.")
        elif kind == "not":
            child = self.node(data["not"], f"{path}.not", scope, depth)
            return child and Group("not", (child,))
        elif not isinstance(data[kind], list):
            self.refuse(f"{path}.{kind}", f"'{kind}' holds a list of conditions.")
        else:
            return self.children("any" if kind == "any" else "all", data[kind], path, scope, depth)
        return None

    def children(self, kind: Literal["all", "any"], items: list[Any], path: str, scope: _Scope, depth: int) -> Node | None:
        children: list[Node] = []
        for index, item in enumerate(items):
            child = self.node(item, f"{path}.{kind}[{index}]", scope, depth)
            if self.leaves > MOST_LEAVES:
                return None
            if child is not None:
                children.append(child)
        return Group(kind, tuple(children))

    def leaf(self, data: Any, path: str, scope: _Scope) -> Leaf:
        place = _Place(path, self.leaves)
        operator = place.operator(data, _LEAF_KEYS)
        name = place.field_name(data, operator)
        field = place.field(name, "field", scope)
        if field is not None and operator not in nodes.OPERATORS[field.type]:
            fitting = ", ".join(nodes.OPERATORS[field.type])
            place.refuse("operator", f"'{operator}' does not suit '{name}'. Choose one of: {fitting}.")
        ignore_case = place.ignore_case(data, field)
        value = place.value(data, operator)
        other = place.other_field(value, operator, field, scope)
        return Leaf(
            field=name,
            operator=operator,
            value=value,
            operand=None if other else place.operand(field, operator, value, ignore_case),
            other=other,
            type=field.type if field else None,
            ignore_case=ignore_case,
            number=self.leaves,
        )

    def count(self, data: dict[str, Any], path: str, scope: _Scope, depth: int) -> Node | None:
        place = _Place(path, self.leaves)
        operator = place.operator(data, _COUNT_KEYS)
        if operator not in nodes.COUNT_OPERATORS:
            place.refuse("operator", f"A count is a number: choose one of {', '.join(nodes.COUNT_OPERATORS)}.")
        inner = place.counted(data["count"], scope)
        value = place.value(data, operator)
        operand = place.operand(_COUNTED, operator, value, False)
        if operand is None:
            place.refuse("value", "'count' is a number; null is not.")
        where = data.get("where", {})
        node = Group("all", ()) if where == {} else self.node(where, f"{path}.where", inner, depth)
        return node and Count(data["count"], node, where, operator, value, place.number)


class _Wrong(Exception):
    def __init__(self, path: str, number: int, sentence: str) -> None:
        super().__init__(sentence)
        self.path, self.number, self.sentence = path, number, sentence


@dataclass(frozen=True)
class _Place:
    """Where a leaf stands, and the checks of its parts; each refuses by raising _Wrong."""

    path: str
    number: int

    def refuse(self, key: str, sentence: str) -> NoReturn:
        raise _Wrong(f"{self.path}.{key}" if key else self.path, self.number, sentence)

    def operator(self, data: Any, keys: set[str]) -> Operator:
        if not isinstance(data, dict) or not data:
            self.refuse("", "a condition is an object with field, operator and value.")
        unknown = [key for key in data if key not in keys]
        if unknown:
            self.refuse("", f"unknown key {shown(unknown[0])}. A condition has {', '.join(sorted(keys))}.")
        name = data.get("operator")
        if not isinstance(name, str) or name not in set(Operator):
            self.refuse("operator", f"unknown operator {shown(name)}. Choose one of: {', '.join(Operator)}.")
        return Operator(name)

    def field_name(self, data: dict[str, Any], operator: Operator) -> str:
        # This question is about the rule and the record, so it may leave the field out.
        name = data.get("field", "handled_at" if operator is Operator.NOT_HANDLED_WITHIN else None)
        if not isinstance(name, str) or not name:
            self.refuse("field", "'field' is missing. Say which field it looks at.")
        return name

    def field(self, name: str, key: str, scope: _Scope) -> Field | None:
        if scope.fields is None:
            return None
        if name not in scope.fields:
            whose = f"of {scope.record_type}" if scope.record_type else "without a record type"
            self.refuse(key, f"there is no field {shown(name)} {whose}. Choose one from the list.")
        return scope.fields[name]

    def ignore_case(self, data: dict[str, Any], field: Field | None) -> bool:
        given = data.get("ignore_case", False)
        if not isinstance(given, bool):
            self.refuse("ignore_case", "'ignore_case' is true or false.")
        if given and field is not None and field.type not in _TEXTUAL:
            self.refuse("ignore_case", f"'{field.name}' is no text, so it has no upper or lower case.")
        return given

    def value(self, data: dict[str, Any], operator: Operator) -> Any:
        if "value" not in data and operator not in nodes.EMPTINESS:
            self.refuse("value", f"'{operator}' needs a value.")
        return data.get("value")

    def other_field(self, value: Any, operator: Operator, field: Field | None, scope: _Scope) -> str | None:
        if not isinstance(value, dict):
            return None
        name = value.get("field")
        if set(value) != {"field"} or not isinstance(name, str):
            self.refuse("value", 'another field is written {"field": "its name"}.')
        other = self.field(name, "value", scope)
        if field is not None and other is not None:
            self.comparable(field, operator, other)
        return name

    def comparable(self, field: Field, operator: Operator, other: Field) -> None:
        if operator in (*nodes.EMPTINESS, *nodes.AGE, Operator.BETWEEN, Operator.NOT_HANDLED_WITHIN):
            self.refuse("value", f"'{operator}' cannot compare with another field.")
        wanted = _kind(field.type)
        if operator in nodes.CHOICE:
            wanted = FieldType.LIST if wanted is FieldType.TEXT else None
        elif field.type is FieldType.LIST:
            wanted = FieldType.TEXT
        if _kind(other.type) is not wanted:
            self.refuse("value", f"'{field.name}' ({field.type}) cannot be compared with '{other.name}' ({other.type}).")

    def operand(self, field: Field | None, operator: Operator, value: Any, ignore_case: bool) -> Any:
        try:
            if field is not None:
                return operand_for(field, operator, value, ignore_case=ignore_case)
            check_plain(value)
        except WrongValue as wrong:
            self.refuse("value", str(wrong))
        return _free_operand(operator, value)

    def counted(self, name: Any, scope: _Scope) -> _Scope:
        if not scope.may_count:
            self.refuse("count", "a count cannot stand inside a count.")
        if not isinstance(name, str):
            self.refuse("count", "'count' names the records to count.")
        if scope.fields is None:
            return _Scope(None, None, may_count=False)
        relations = relations_of(scope.record_type)
        if name not in relations:
            known = ", ".join(relations) or "nothing"
            self.refuse("count", f"{shown(name)} cannot be counted here. Choose one of: {known}.")
        return _Scope(name, fields_of(name), may_count=False)


def _kind(type: FieldType) -> FieldType | None:
    return _SAME_KIND.get(type, type)


def _free_operand(operator: Operator, value: Any) -> Any:
    about_age = operator in nodes.AGE or operator is Operator.NOT_HANDLED_WITHIN
    return age_of(value) if about_age else value
