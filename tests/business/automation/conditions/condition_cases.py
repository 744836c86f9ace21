"""Generated condition trees on the records of `condition_records`."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from app.business.automation.services.catalogue.field_types import COUNTED, RELATED, Field, FieldType
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.catalogue.record_relations import relations_of
from app.business.automation.services.conditions.nodes import (
    AGE,
    COUNT_OPERATORS,
    EMPTINESS,
    OPERATORS,
    O,
)
from tests.business.automation.conditions.condition_records import (
    DAYS,
    INSTANTS,
    LABELS,
    REAL,
    TEXTS,
    WHOLE,
)

PARTS = [
    "a",
    "b",
    "A",
    "shoe",
    "shoes",
    "Shoes",
    "red",
    "Red shoes",
    "running",
    "e",
    "ä",
    "Σ",
    "men's shoes",
    "日本",
]


@dataclass(frozen=True)
class Case:
    record_type: str | None
    conditions: dict[str, Any]


TELLING: list[dict[str, Any]] = [
    {"field": "text", "operator": "contains", "value": "Red  SHOES"},
    {"field": "text", "operator": "has_word", "value": "shoes"},
    {"field": "country", "operator": "has_word", "value": "Men's", "ignore_case": True},
    {"field": "country", "operator": "starts_with", "value": "a"},
    {"field": "country", "operator": "ends_with", "value": {"field": "language"}},
    {"field": "country", "operator": "eq", "value": "σίσυφος", "ignore_case": True},
    {"field": "note", "operator": "contains", "value": "%"},
    {"field": "note", "operator": "in", "value": ["ISTANBUL", "straße", "k"], "ignore_case": True},
    {"field": "labels", "operator": "contains", "value": "B", "ignore_case": True},
    {"field": "labels", "operator": "not_contains", "value": "a%b"},
    {"field": "labels", "operator": "is_empty"},
    {"field": "difficulty", "operator": "gte", "value": 30},
    {"field": "difficulty", "operator": "in", "value": [None, 0]},
    {"field": "volume", "operator": "gt", "value": 499.5},
    {"field": "volume", "operator": "between", "value": [1, 500]},
    {"field": "status_since", "operator": "older_than", "value": "7d"},
    {"field": "created_at", "operator": "lt", "value": "2026-11-24T10:00:00+01:00"},
    {"field": "cluster.name", "operator": "is_not_empty"},
    {"field": "cluster.total_volume", "operator": "gt", "value": {"field": "volume"}},
    {"field": "language", "operator": "ne", "value": {"field": "site.language"}},
    {"operator": "not_handled_within", "value": "7d"},
    {
        "count": "keyword",
        "where": {"field": "volume", "operator": "gte", "value": 500},
        "operator": "gte",
        "value": 2,
    },
]
"""Conditions on keywords that hold for some of the pipeline's and not for others."""

LEAST = st.sampled_from([1, 1, 1, 2, 2, 0])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A record type and valid conditions for it."""
    record_type = draw(st.sampled_from([*RECORD_TYPES, None]))
    return Case(record_type, draw(trees(record_type, depth=draw(st.sampled_from([0, 1, 2, 2, 3])))))


@st.composite
def trees(
    draw: st.DrawFn, record_type: str | None, depth: int, counting: bool = True, outside: str | None = None
) -> dict[str, Any]:
    kind = draw(st.sampled_from(["all", "any", "not", "leaf"])) if depth else "leaf"
    inner = trees(record_type, depth - 1, counting, outside)
    if kind == "not":
        return {"not": draw(inner)}
    if kind == "leaf":
        may_count = counting and draw(st.integers(0, 7)) == 0
        return draw(count_leaves(record_type) if may_count else leaves(record_type, outside))
    return {kind: draw(st.lists(inner, min_size=draw(LEAST), max_size=3))}


@st.composite
def count_leaves(draw: st.DrawFn, record_type: str | None) -> dict[str, Any]:
    of = draw(st.sampled_from(COUNTED))
    relation = draw(st.sampled_from([one for one in relations_of(record_type).values() if one.of == of]))
    operator = draw(st.sampled_from(COUNT_OPERATORS))
    number = st.integers(0, 4)
    value = sorted(draw(st.tuples(number, number))) if operator is O.BETWEEN else draw(number)
    where = draw(st.one_of(st.just({}), trees(relation.name, 1, counting=False, outside=record_type)))
    whose = {} if of == RELATED else {"of": of}
    return {"count": relation.name, **whose, "where": where, "operator": operator.value, "value": value}


@st.composite
def leaves(draw: st.DrawFn, record_type: str | None, outside: str | None = None) -> dict[str, Any]:
    fields = fields_of(record_type)
    # Evenly over types and operators; otherwise the many text fields would dominate.
    kinds = sorted(
        {(field.type, operator) for field in fields.values() for operator in OPERATORS[field.type]}
    )
    type, operator = draw(st.sampled_from(kinds))
    field = draw(st.sampled_from([field for field in fields.values() if field.type is type]))
    leaf: dict[str, Any] = {"field": field.name, "operator": operator.value}
    if field.type in (FieldType.TEXT, FieldType.CHOICE, FieldType.LIST) and draw(st.booleans()):
        leaf["ignore_case"] = True
    if operator in EMPTINESS:
        return leaf
    if outside and draw(st.booleans()):
        alike = comparable(field, operator, list(fields_of(outside).values()), may_be_itself=True)
        if alike:
            return leaf | {"value": {"field": f"record.{draw(st.sampled_from(alike))}"}}
    others = comparable(field, operator, list(fields.values()))
    if others and draw(st.integers(0, 4)) == 0:
        return leaf | {"value": {"field": draw(st.sampled_from(others))}}
    return leaf | {"value": draw(operands(field, operator))}


def comparable(field: Field, operator: O, fields: list[Field], *, may_be_itself: bool = False) -> list[str]:
    """Fields that the operator can compare with `field`."""
    if operator in (*AGE, O.BETWEEN, O.NOT_HANDLED_WITHIN) or field.type in (
        FieldType.REFERENCE,
        FieldType.NUMBER,
    ):
        kinds = {FieldType.NUMBER, FieldType.REFERENCE} if operator in (O.EQ, O.NE, O.GT, O.LTE) else set()
    elif field.type is FieldType.LIST:
        kinds = {FieldType.TEXT, FieldType.CHOICE}
    elif field.type in (FieldType.TEXT, FieldType.CHOICE):
        kinds = {FieldType.LIST} if operator in (O.IN, O.NOT_IN) else {FieldType.TEXT, FieldType.CHOICE}
    else:
        kinds = {field.type}
    return [
        other.name for other in fields if other.type in kinds and (may_be_itself or other.name != field.name)
    ]


@st.composite
def operands(draw: st.DrawFn, field: Field, operator: O) -> Any:
    if operator in (*AGE, O.NOT_HANDLED_WITHIN):
        return draw(
            st.sampled_from(["0d", "7d", "8d", "1w"] if field.type is FieldType.DAY else ["12h", "7d", "1w"])
        )
    scalar = scalars(field)
    if operator is O.BETWEEN:
        return sorted(draw(st.tuples(scalar, scalar)), key=moment)
    if operator in (O.IN, O.NOT_IN):
        return draw(st.lists(st.one_of(st.none(), scalar), min_size=1, max_size=4))
    if operator in (O.CONTAINS, O.HAS_WORD, O.STARTS_WITH, O.ENDS_WITH):
        scalar = st.one_of(st.sampled_from(PARTS), scalar)
    return draw(st.one_of(st.none(), scalar)) if operator in (O.EQ, O.NE) else draw(scalar)


def moment(value: Any) -> Any:
    return datetime.fromisoformat(value).astimezone(UTC) if isinstance(value, str) and "T" in value else value


def scalars(field: Field) -> st.SearchStrategy[Any]:
    texts = st.one_of(
        st.sampled_from(TEXTS), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3)
    )
    near = [number + step for number in (*WHOLE, *REAL) for step in (0, 0.5, -1)]
    numbers = st.one_of(
        st.sampled_from(near),
        st.sampled_from(near),
        st.integers(-(2**53), 2**53),
        st.floats(allow_nan=False, allow_infinity=False),
    )
    return {
        FieldType.TEXT: texts,
        FieldType.LIST: st.one_of(st.sampled_from([label for labels in LABELS for label in labels]), texts),
        FieldType.CHOICE: st.sampled_from([value for value, _ in field.choices] or [""]),
        FieldType.NUMBER: numbers,
        FieldType.REFERENCE: st.sampled_from([0, 1, 2, 3, 500, 2**53]),
        FieldType.BOOLEAN: st.booleans(),
        FieldType.INSTANT: st.sampled_from(
            [at.isoformat() for at in INSTANTS] + ["2026-11-24T10:00:00+01:00"]
        ),
        FieldType.DAY: st.sampled_from([day.isoformat() for day in DAYS]),
    }[field.type]
