"""Static analysis of conditions, checked against the evaluator on many records."""

import unicodedata
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.services.catalogue.field_types import Field, FieldType, RuleScope
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.conditions.analysis.satisfiability import (
    always,
    implies,
    kept,
    possible,
)
from app.business.automation.services.conditions.compiled import compile_node
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.nodes import (
    OPERATORS,
    Count,
    Group,
    Leaf,
    Node,
    walk,
)
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.conditions.record_fields import load_facts
from app.business.automation.services.conditions.values import day_of, instant_of
from tests.business.automation.conditions.condition_cases import Case, cases, operands, scalars
from tests.business.automation.conditions.condition_records import LABELS, NOW, a_pipeline
from tests.sampling import FULL

TREES = 6_000 if FULL else 25
NOT_NEGATIVE = ("volume", "keyword_count", "idea_count", "total_volume", "credits_available")
CLOCK = {"now.hour": range(24), "now.weekday": range(1, 8), "now.days_left_in_month": range(31)}
SEARCHING = settings(
    max_examples=TREES,
    deadline=None,
    database=None,
    derandomize=not FULL,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def leaf(field: str, operator: str, value: Any = None, **more: Any) -> dict[str, Any]:
    told = {} if operator in ("is_empty", "is_not_empty") else {"value": value}
    return {"field": field, "operator": operator} | told | more


def both(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"all": list(conditions)}


def either(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"any": list(conditions)}


NEVER: list[tuple[str | None, dict[str, Any]]] = [
    ("keyword", {"any": []}),
    ("keyword", both(leaf("volume", "gte", 500), leaf("volume", "lt", 100))),
    ("keyword", both(leaf("volume", "gt", 5), leaf("volume", "lte", 5))),
    ("keyword", both(leaf("volume", "between", [1, 5]), leaf("volume", "in", [0, 6, 9]))),
    ("keyword", both(leaf("difficulty", "eq", 30), leaf("difficulty", "ne", 30.0))),
    ("keyword", leaf("volume", "lt", 0)),
    ("keyword", both(leaf("volume", "is_empty"), leaf("volume", "gte", 1))),
    ("keyword", both(leaf("status", "eq", "new"), leaf("status", "eq", "clustered"))),
    ("keyword", leaf("status", "not_in", ["new", "clustered", "ignored"])),
    ("keyword", leaf("status", "is_empty")),
    ("keyword", both(leaf("status", "eq", "NEW", ignore_case=True), leaf("status", "ne", "new"))),
    ("keyword", both(leaf("text", "starts_with", "red"), leaf("text", "starts_with", "blue"))),
    ("keyword", both(leaf("text", "contains", "red shoes"), leaf("text", "not_contains", "shoes"))),
    ("keyword", both(leaf("note", "contains", "Red"), leaf("note", "not_contains", "RED", ignore_case=True))),
    ("keyword", both(leaf("note", "has_word", "red shoes"), {"not": leaf("note", "has_word", "shoes")})),
    ("keyword", both(leaf("note", "is_empty"), leaf("note", "contains", "x"))),
    ("keyword", both(leaf("note", "eq", "abc"), leaf("note", "ends_with", "d"))),
    ("keyword", both(leaf("labels", "contains", "a"), leaf("labels", "not_contains", "a"))),
    ("keyword", both(leaf("labels", "contains", "a"), leaf("labels", "is_empty"))),
    ("keyword", both(leaf("created_at", "older_than", "7d"), leaf("created_at", "newer_than", "2d"))),
    (
        "keyword",
        both({"operator": "not_handled_within", "value": "7d"}, leaf("handled_at", "newer_than", "5d")),
    ),
    ("task", both(leaf("due_on", "gt", "2026-12-01"), leaf("due_on", "lte", "2026-12-01"))),
    ("content", both(leaf("outline", "eq", True), leaf("outline", "ne", True))),
    (None, leaf("now.hour", "gt", 23)),
    (None, both(leaf("now.weekday", "gte", 6), leaf("now.weekday", "lte", 5))),
    (
        "keyword",
        both(leaf("text", "eq", {"field": "country"}), leaf("text", "ne", {"field": "country"})),
    ),
    (
        "cluster",
        both(
            {"count": "idea", "where": {}, "operator": "gte", "value": 3},
            {"count": "idea", "where": {}, "operator": "lt", "value": 2.5},
        ),
    ),
    ("cluster", {"count": "idea", "where": {}, "operator": "lt", "value": 0}),
    (
        "keyword",
        both(
            either(leaf("volume", "gte", 500), leaf("status", "eq", "ignored")),
            both(leaf("volume", "lt", 100), leaf("status", "eq", "new")),
        ),
    ),
]

MAYBE: list[tuple[str | None, dict[str, Any]]] = [
    ("keyword", both(leaf("volume", "gte", 500), leaf("volume", "lte", 500))),
    ("keyword", both(leaf("text", "starts_with", "red"), leaf("text", "starts_with", "red shoes"))),
    ("keyword", both(leaf("note", "contains", "Red", ignore_case=True), leaf("note", "not_contains", "Red"))),
    ("keyword", both(leaf("text", "ne", "a"), leaf("text", "not_contains", "b"))),
    ("keyword", either(leaf("volume", "gte", 5), leaf("volume", "lt", 7))),
    ("keyword", both(leaf("labels", "contains", "A", ignore_case=True), leaf("labels", "not_contains", "A"))),
    ("keyword", leaf("intent", "not_in", ["informational", "commercial", "transactional", "navigational"])),
    (
        "keyword",
        both(leaf("created_at", "older_than", "7d"), leaf("created_at", "gt", "2026-11-24T00:00:00Z")),
    ),
]

ALWAYS: list[tuple[str | None, dict[str, Any]]] = [
    ("keyword", {}),
    ("keyword", leaf("status", "in", ["new", "clustered", "ignored"])),
    ("keyword", either(leaf("volume", "gte", 5), leaf("volume", "lt", 7), leaf("volume", "is_empty"))),
    ("keyword", either(leaf("text", "contains", "a"), leaf("text", "not_contains", "a"))),
    (None, leaf("now.hour", "gte", 0)),
]


@pytest.mark.parametrize(("record_type", "conditions"), NEVER, ids=str)
def test_conditions_that_can_never_hold(record_type: str | None, conditions: dict[str, Any]) -> None:
    node = parse_conditions(conditions, record_type=record_type)
    assert not possible(record_type, node)
    assert always(record_type, Group("not", (node,)))


@pytest.mark.parametrize(("record_type", "conditions"), MAYBE, ids=str)
def test_conditions_that_may_hold_or_not(record_type: str | None, conditions: dict[str, Any]) -> None:
    node = parse_conditions(conditions, record_type=record_type)
    assert possible(record_type, node)
    assert not always(record_type, node)


@pytest.mark.parametrize(("record_type", "conditions"), ALWAYS, ids=str)
def test_conditions_that_always_hold(record_type: str | None, conditions: dict[str, Any]) -> None:
    node = parse_conditions(conditions, record_type=record_type)
    assert always(record_type, node)


def test_one_condition_implies_another() -> None:
    more = parse_conditions(leaf("volume", "gte", 500), record_type="keyword")
    less = parse_conditions(leaf("volume", "gte", 100), record_type="keyword")
    assert implies("keyword", more, less)
    assert not implies("keyword", less, more)


def test_too_many_ways_are_called_possible() -> None:
    """Fully analysed it could never hold, but that would take four thousand branches."""
    pairs = [
        either(leaf("note", "contains", f"{row}"), leaf("note", "contains", f"-{row}")) for row in range(12)
    ]
    never = both(leaf("text", "contains", "red"), leaf("text", "not_contains", "e"))
    node = parse_conditions(both(*pairs, either(never, never, never)), record_type="keyword")
    assert possible("keyword", node)


@st.composite
def about_one_field(draw: st.DrawFn) -> tuple[Field, dict[str, Any]]:
    """Conditions on one field only, so that they often contradict or imply one another."""
    record_type = draw(st.sampled_from(list(MODELS)))
    types = sorted({field.type for field in fields_of(record_type).values()})
    type = draw(st.sampled_from(types))
    named = [field for field in fields_of(record_type).values() if field.type is type]
    field = draw(st.sampled_from([field for field in named if "." not in field.name] or named))
    return field, {"all": [{"any": [draw(_trees(field, 2))]}]} | {"record_type": record_type}


@st.composite
def _trees(draw: st.DrawFn, field: Field, depth: int) -> dict[str, Any]:
    kind = draw(st.sampled_from(["all", "any", "not", "leaf"])) if depth else "leaf"
    if kind == "not":
        return {"not": draw(_trees(field, depth - 1))}
    if kind == "leaf":
        operator = draw(st.sampled_from(OPERATORS[field.type]))
        told: dict[str, Any] = {"field": field.name, "operator": operator.value}
        if field.type in (FieldType.TEXT, FieldType.CHOICE, FieldType.LIST) and draw(st.booleans()):
            told["ignore_case"] = True
        return told if "empty" in operator.value else told | {"value": draw(operands(field, operator))}
    return {kind: draw(st.lists(_trees(field, depth - 1), min_size=1, max_size=4))}


def _values_near(field: Field, node: Node, record_type: str) -> list[Any]:
    """Values that a record may have, and values at or near those in the conditions."""
    asked = [item.operand for item in walk(node) if isinstance(item, Leaf)]
    flat = [part for value in asked for part in (value if isinstance(value, tuple) else (value,))]
    values = [value for operand in flat for value in _near(operand)]
    if field.type is FieldType.LIST:
        return [
            [],
            *LABELS,
            *([text] for text in values if isinstance(text, str)),
            list(filter(None, values)),
        ]
    if field.type is FieldType.CHOICE:
        return [value for value, _ in field.choices]
    return values


def _near(operand: Any) -> list[Any]:
    if isinstance(operand, bool) or operand is None:
        return [operand]
    if isinstance(operand, str):
        return [operand, operand.upper(), operand.lower(), f"{operand} x", f"x {operand}", operand[:-1]]
    if isinstance(operand, int | float):
        return [operand, operand + 1, operand - 1, operand + 0.5, -operand]
    if isinstance(operand, timedelta):
        return [NOW - operand, NOW - operand + timedelta(hours=1), NOW - operand - timedelta(hours=1)]
    return [operand, operand + timedelta(days=1), operand - timedelta(days=1)]


def _as_stored(field: Field, value: Any) -> Any:
    if field.type in (FieldType.INSTANT, FieldType.HANDLED):
        return instant_of(value) if isinstance(value, str) else value
    if field.type is FieldType.DAY:
        at = day_of(value) if isinstance(value, str) else value
        return at.date() if isinstance(at, datetime) else at
    if isinstance(value, str):
        return unicodedata.normalize("NFC", " ".join(value.split()).lower() if field.keyword_text else value)
    return value


def _can_be(field: Field, value: Any, record_type: str) -> bool:
    model: Any = MODELS[record_type]
    if field.name in CLOCK:
        return value in CLOCK[field.name]
    column = {field.name, f"{field.name}_id"} & set(model.__table__.c.keys())
    if value is None:
        return not column or model.__table__.c[column.pop()].nullable
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    counted = field.name.rpartition(".")[2] in NOT_NEGATIVE
    return not (is_number and counted and value < 0)


def test_never_and_always_are_true_for_every_value() -> None:
    said: Counter[str] = Counter()

    @SEARCHING
    @given(about_one_field(), st.data())
    def search(drawn: tuple[Field, dict[str, Any]], data: st.DataObject) -> None:
        field, conditions = drawn
        record_type = conditions.pop("record_type")
        node = parse_conditions(conditions, record_type=record_type)
        never, sure = not possible(record_type, node), always(record_type, node)
        said["never"] += never
        said["always"] += sure
        if not never and not sure:
            return
        plain = (
            []
            if field.type in (FieldType.LIST, FieldType.HANDLED)
            else data.draw(st.lists(scalars(field), max_size=8))
        )
        check = compile_node(node)
        for value in [None, *_values_near(field, node, record_type), *plain]:
            stored = _as_stored(field, value)
            if _can_be(field, stored, record_type):
                facts = Facts({field.name: stored}, now=NOW, today=NOW.date())
                assert check(facts) is sure, (conditions, stored)

    search()
    assert said["never"] > TREES / 20, said
    assert said["always"] > TREES / 20, said


@pytest.fixture
def pipeline(session: Session, now: datetime) -> tuple[Session, int, int]:
    return session, *a_pipeline(session, now)


def test_no_record_contradicts_the_reasoning(pipeline: tuple[Session, int, int], now: datetime) -> None:
    """Whole trees over records of every type, with counts and comparisons of two fields."""
    session, account_id, rule_id = pipeline
    frame = {
        "scope": RuleScope(account_id, None, None),
        "now": now,
        "zone": ZoneInfo("Europe/Berlin"),
        "rule_id": rule_id,
    }
    facts = {
        name: load_facts(session, name, _ids(session, name, account_id), **frame) for name in (*MODELS, None)
    }
    said: Counter[str] = Counter()

    @settings(SEARCHING, max_examples=max(90, TREES // 3))
    @given(cases())
    def search(one: Case) -> None:
        node = parse_conditions(one.conditions, record_type=one.record_type)
        check = compile_node(node)
        verdicts = {check(found) for found in facts[one.record_type].values()}
        never, sure = not possible(one.record_type, node), always(one.record_type, node)
        assert not (never and True in verdicts), one
        assert not (sure and False in verdicts), one
        weaker = compile_node(
            kept(node, lambda question: not isinstance(question, Count) and len(question.field) % 2 == 0)
        )
        assert all(weaker(found) for found in facts[one.record_type].values() if check(found)), one
        said["never"] += never
        said["always"] += sure

    search()
    assert min(said["never"], said["always"]) > 0, said


def _ids(session: Session, record_type: str | None, account_id: int) -> list[int]:
    model: Any = MODELS[record_type] if record_type else Account
    return [account_id] if model is Account else list(session.scalars(select(model.id)))


def test_the_present_moment_of_the_reasoning_does_not_matter() -> None:
    """Ages and fixed times are analysed separately, because ages move."""
    conditions = both(
        leaf("created_at", "newer_than", "1d"), leaf("created_at", "lt", "2001-01-01T00:00:00Z")
    )
    node = parse_conditions(conditions, record_type="keyword")
    assert possible("keyword", node)
    then = datetime(2000, 6, 1, tzinfo=UTC)
    assert compile_node(node)(Facts({"created_at": then}, now=then, today=then.date()))
