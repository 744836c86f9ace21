"""A trace as text lines: every condition in words, the actual value, and the result."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.business.automation.services.catalogue.field_types import RELATED, Field, relation_key
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.record_relations import relations_of
from app.business.automation.services.conditions.description import operator_text
from app.business.automation.services.conditions.nodes import OPERATORS, O
from app.business.automation.services.rule_parts import Json

Trace = Mapping[str, Any]
"""Conditions with the actual values, as they were kept with a run. Any: a condition or a group of them."""
JOINED = {"all": "All of these", "any": "Any of these", "not": "None of these"}


@dataclass(frozen=True)
class TraceLine:
    """`depth` 0 is the outermost; a group has no `actual`."""

    depth: int
    text: str
    actual: str | None
    is_met: bool


def trace_lines(trace: Trace, record_type: str | None) -> list[TraceLine]:
    """The lines from top to bottom; an outermost "all" around several lines is left out."""
    lines = list(_lines(trace, record_type, 0)) if trace else []
    if len(lines) > 1 and "all" in trace:
        return [TraceLine(line.depth - 1, line.text, line.actual, line.is_met) for line in lines[1:]]
    return lines


def _lines(trace: Trace, record_type: str | None, depth: int) -> Iterator[TraceLine]:
    kind = next((kind for kind in JOINED if kind in trace), None)
    if kind is None:
        yield TraceLine(depth, _said(trace, record_type), _actual(trace, record_type), bool(trace["result"]))
        return
    yield TraceLine(depth, JOINED[kind], None, bool(trace["result"]))
    children = [trace["not"]] if kind == "not" else trace[kind]
    for child in children:
        yield from _lines(child, record_type, depth + 1)


def _said(trace: Trace, record_type: str | None) -> str:
    operator, value = O(trace["operator"]), trace.get("value")
    if "count" in trace:
        relation = relations_of(record_type).get(relation_key(trace.get("of", RELATED), trace["count"]))
        what = relation.label if relation else trace["count"]
        return f"number of {what} {operator_text(operator, None)} {_shown(value)}"
    field = fields_of(record_type).get(trace["field"])
    asked = operator_text(operator, field.type if field and operator in OPERATORS[field.type] else None)
    said = f"{field.label if field else trace['field']} {asked}"
    if operator in (O.IS_EMPTY, O.IS_NOT_EMPTY):
        return said
    if isinstance(value, dict) and "field" in value:
        other = fields_of(record_type).get(value["field"])
        return f"{said} the {other.label if other else value['field']}"
    return f"{said} {_shown(_labelled(field, value))}"


def _actual(trace: Trace, record_type: str | None) -> str:
    return _shown(_labelled(fields_of(record_type).get(trace.get("field", "")), trace.get("actual")))


def _labelled(field: Field | None, value: Json) -> Json:
    """Choice values as labels: "draft" is not the word for a task."""
    labels = dict(field.choices) if field else {}
    if isinstance(value, list):
        return [labels.get(item, item) if isinstance(item, str) else item for item in value]
    return labels.get(value, value) if isinstance(value, str) else value


def _shown(value: Json) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value) or "nothing"
    if isinstance(value, int | float):
        return f"{value:,}"
    return f"“{value}”" if value else "nothing"
