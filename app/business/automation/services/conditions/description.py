"""Conditions in one plain sentence: "volume is at least 500 and difficulty is below 30"."""

from datetime import date, datetime, timedelta

from app.business.automation.services.catalogue.field_types import Field, FieldType, FieldValue
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.nouns import noun
from app.business.automation.services.catalogue.record_relations import relations_of
from app.business.automation.services.conditions.nodes import Count, Group, Leaf, Node, O, Operand, Operator

_IS = {
    O.EQ: "is",
    O.NE: "is not",
    O.GT: "is above",
    O.GTE: "is at least",
    O.LT: "is below",
    O.LTE: "is at most",
    O.IN: "is one of",
    O.NOT_IN: "is none of",
    O.BETWEEN: "is between",
    O.CONTAINS: "contains",
    O.NOT_CONTAINS: "does not contain",
    O.HAS_WORD: "has the word",
    O.STARTS_WITH: "starts with",
    O.ENDS_WITH: "ends with",
    O.IS_EMPTY: "is empty",
    O.IS_NOT_EMPTY: "is not empty",
    O.OLDER_THAN: "is more than",
    O.NEWER_THAN: "is less than",
}
_IN_TIME = {O.GT: "is after", O.GTE: "is not before", O.LT: "is before", O.LTE: "is not after"}
_IN_LIST = {
    O.CONTAINS: "include",
    O.NOT_CONTAINS: "do not include",
    O.IS_EMPTY: "are empty",
    O.IS_NOT_EMPTY: "are not empty",
}
ANY_CASE = " (upper or lower case)"
_TIMES = (FieldType.INSTANT, FieldType.DAY, FieldType.HANDLED)


def describe(node: Node, record_type: str | None, outside: str | None = None) -> str:
    """The tree, or one leaf of it, in words for staff; "always" for empty conditions.

    outside: inside a count, the type of the record that the count belongs to.
    """
    if isinstance(node, Group):
        return _group(node, record_type, outside)
    if isinstance(node, Count):
        return _count(node, record_type)
    return _leaf(node, record_type, outside)


def operator_text(operator: Operator, type: FieldType | None) -> str:
    """The operator in words for staff, as used with fields of that type."""
    if operator is O.NOT_HANDLED_WITHIN:
        return "was not in the last"
    special = _IN_TIME if type in _TIMES else _IN_LIST if type is FieldType.LIST else {}
    return special.get(operator) or _IS[operator]


def _group(node: Group, record_type: str | None, outside: str | None) -> str:
    if node.kind == "not":
        return f"not ({describe(node.children[0], record_type, outside)})"
    if not node.children:
        return "always" if node.kind == "all" else "never"
    word = " and " if node.kind == "all" else " or "
    return word.join(_bracketed(child, node, record_type, outside) for child in node.children)


def _bracketed(child: Node, group: Group, record_type: str | None, outside: str | None) -> str:
    text = describe(child, record_type, outside)
    joined = isinstance(child, Group) and len(child.children) > 1 and child.kind != group.kind
    return f"({text})" if joined and len(group.children) > 1 else text


def _count(node: Count, record_type: str | None) -> str:
    relation = relations_of(record_type).get(node.key)
    what = relation.label if relation else node.relation
    where = describe(node.where, node.relation if relation else None, record_type)
    which = "" if where == "always" else f" where {where}"
    values = " and ".join(f"{value:,}" for value in _listed(node.value))
    return f"the number of {what}{which} {operator_text(node.operator, FieldType.NUMBER)} {values}"


def _leaf(leaf: Leaf, record_type: str | None, outside: str | None) -> str:
    field = _known(leaf.field, leaf, record_type)
    label = field.label if field else leaf.field
    if leaf.value is None and leaf.operator in (O.EQ, O.NE):
        return f"{label} {_IS[O.IS_EMPTY if leaf.operator is O.EQ else O.IS_NOT_EMPTY]}"
    said = f"{label} {operator_text(leaf.operator, leaf.type)}"
    if leaf.operator in (O.IS_EMPTY, O.IS_NOT_EMPTY):
        return said
    if leaf.other:
        other = _known(leaf.other, leaf, outside if leaf.of_record else record_type)
        whose = f" of this {noun(outside)}" if leaf.of_record else ""
        return f"{said} the {other.label if other else leaf.other}{whose}{_case(leaf, field)}"
    return f"{said} {_operand(leaf, field)}{_case(leaf, field)}"


def _case(leaf: Leaf, field: Field | None) -> str:
    """A note that the case of letters is ignored, where that makes a difference: by default texts compare exactly."""
    if (
        not leaf.ignore_case
        or leaf.type not in (FieldType.TEXT, FieldType.LIST)
        or (field and field.keyword_text)
    ):
        return ""
    cased = leaf.other or any(
        isinstance(text, str) and text.lower() != text.upper() for text in _listed(leaf.operand)
    )
    return ANY_CASE if cased else ""


def _known(name: str, leaf: Leaf, record_type: str | None) -> Field | None:
    return fields_of(record_type).get(name) if leaf.type else None


def _operand(leaf: Leaf, field: Field | None) -> str:
    if isinstance(leaf.operand, timedelta):
        # Times lie in the past; a day may lie in the future, where it is newer than any age.
        ahead = " or still to come" if leaf.operator is O.NEWER_THAN and leaf.type is FieldType.DAY else ""
        ago = "" if leaf.operator is O.NOT_HANDLED_WITHIN else f" ago{ahead}"
        return f"{_age(leaf.operand)}{ago}"
    shown = [value_text(value, field) for value in _listed(leaf.operand)]
    last = " and " if leaf.operator is O.BETWEEN else " or "
    return last.join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def _listed(value: Operand) -> list[FieldValue | timedelta]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _age(age: timedelta) -> str:
    hours = age // timedelta(hours=1)
    count, unit = (hours // 24, "day") if hours % 24 == 0 else (hours, "hour")
    return f"1 {unit}" if count == 1 else f"{count:,} {unit}s"


def value_text(value: FieldValue | timedelta, field: Field | None) -> str:
    """The value in words: a choice by its label, a number with thousands separators, null as “empty”."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return f"“{dict(field.choices).get(value, value) if field else value}”"
    if isinstance(value, datetime):
        return f"{value:%d %b %Y %H:%M} UTC"
    if isinstance(value, int | float):
        return str(value) if field and field.type is FieldType.REFERENCE else f"{value:,}"
    return f"{value:%d %b %Y}" if isinstance(value, date) else str(value)
