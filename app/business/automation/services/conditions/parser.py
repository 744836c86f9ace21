"""Parses conditions: JSON as written -> a checked tree, or a refusal that names each wrong place.

`{}` = always. A leaf is {"field", "operator", "value"} (+ "ignore_case"), a group {"all": […]}, {"any": […]} or {"not":
…}. A leaf may count: {"count": "content", "of": "site", "where": {…}, "operator": "gte", "value": 1}. Its value may be
another field: {"field": "site.language"}; inside `where`, {"field": "record.title"} is a field of the outer record.
"""

import json
from typing import Literal

from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.conditions.leaf_parser import (
    ConditionSubject,
    Place,
    WrongPlaceError,
    read_count,
    read_leaf,
)
from app.business.automation.services.conditions.nodes import Count, Group, Node
from app.business.automation.services.conditions.values import shown
from app.business.automation.services.rule_parts import Json, JsonObject
from app.business.errors import Invalid

__all__ = ["MOST_BYTES", "MOST_DEPTH", "MOST_LEAVES", "Node", "parse_conditions", "parse_free"]

MOST_DEPTH = 5
MOST_LEAVES = 100
MOST_BYTES = 64 * 1024
_MOST_NESTING = 4 * MOST_DEPTH
_GROUPS = ("all", "any", "not")


def parse_conditions(data: Json, *, record_type: str | None) -> Node:
    """Parse a rule's conditions on `record_type` (None: account fields only). Raises Invalid."""
    return _parse(data, ConditionSubject(record_type, fields_of(record_type)))


def parse_free(data: Json) -> Node:
    """Parse conditions on any context: field names and types of values are not checked.

    Raises Invalid for unknown operators, malformed nodes, and too much depth or size.
    """
    return _parse(data, ConditionSubject(None, None))


def _parse(data: Json, subject: ConditionSubject) -> Node:
    if _nesting_exceeds(data, _MOST_NESTING):
        raise Invalid({"conditions": [_TOO_DEEP]})
    parser = _Parser()
    node = Group("all", ()) if data == {} else parser.node(data, "conditions", subject, 0)
    if not parser.errors:
        parser.check_size(data)
    if parser.errors or node is None:
        raise Invalid(parser.errors)
    return node


_TOO_DEEP = f"Conditions may be nested at most {MOST_DEPTH} deep. Take a level out."


def _nesting_exceeds(data: Json, most: int) -> bool:
    # Level by level: data nested a thousand deep must not reach anything that recurses.
    level = [data]
    for _ in range(most):
        level = [child for item in level for child in _children(item)]
        if not level:
            return False
    return True


def _children(item: Json) -> list[Json]:
    below = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return [child for child in below if isinstance(child, dict | list)]


class _Parser:
    def __init__(self) -> None:
        self.errors: dict[str, list[str]] = {}
        self.leaves = 0

    def refuse(self, path: str, sentence: str) -> None:
        self.errors.setdefault(path, []).append(sentence)

    def check_size(self, data: Json) -> None:
        size = len(json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        if size > MOST_BYTES:
            self.refuse(
                "conditions", f"The conditions take {size // 1024:,} kB; {MOST_BYTES // 1024} kB are allowed."
            )

    def node(self, data: Json, path: str, subject: ConditionSubject, depth: int) -> Node | None:
        """The checked node, or None when it was refused."""
        kinds = [kind for kind in _GROUPS if kind in data] if isinstance(data, dict) else []
        if isinstance(data, dict) and kinds:
            return self.group(data, kinds, path, subject, depth + 1)
        self.leaves += 1
        if self.leaves > MOST_LEAVES:
            self.errors.setdefault(
                "conditions", [f"At most {MOST_LEAVES} conditions are allowed. Split the rule."]
            )
            return None
        try:
            return self.leaf(data, path, subject, depth)
        except WrongPlaceError as wrong:
            self.refuse(wrong.path, f"Condition {wrong.number}: {wrong.sentence}")
            return None

    def group(
        self, data: JsonObject, kinds: list[str], path: str, subject: ConditionSubject, depth: int
    ) -> Node | None:
        kind = kinds[0]
        if depth > MOST_DEPTH:
            self.errors.setdefault("conditions", [_TOO_DEEP])
        elif len(data) > 1:
            other = next(key for key in data if key != kind)
            self.refuse(path, f"A group has one key, all, any or not; {shown(other)} does not belong there.")
        elif kind == "not":
            child = self.node(data["not"], f"{path}.not", subject, depth)
            return child and Group("not", (child,))
        elif isinstance(items := data[kind], list):
            return self.children("any" if kind == "any" else "all", items, path, subject, depth)
        else:
            self.refuse(f"{path}.{kind}", f"'{kind}' holds a list of conditions.")
        return None

    def children(
        self, kind: Literal["all", "any"], items: list[Json], path: str, subject: ConditionSubject, depth: int
    ) -> Node | None:
        children: list[Node] = []
        for index, item in enumerate(items):
            child = self.node(item, f"{path}.{kind}[{index}]", subject, depth)
            if self.leaves > MOST_LEAVES:
                return None
            if child is not None:
                children.append(child)
        return Group(kind, tuple(children))

    def leaf(self, data: Json, path: str, subject: ConditionSubject, depth: int) -> Node | None:
        place = Place(path, self.leaves)
        if not isinstance(data, dict) or "count" not in data:
            return read_leaf(data, place, subject)
        count = read_count(data, place, subject)
        where = count.where
        node = Group("all", ()) if where == {} else self.node(where, f"{path}.where", count.subject, depth)
        return node and Count(
            count.relation, node, where, count.operator, count.value, place.number, count.of
        )
