"""Parsing of conditions: what is accepted, and how each mistake is refused."""

import json
from collections.abc import Callable
from datetime import UTC
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.description import describe
from app.business.automation.services.conditions.facts import context_facts
from app.business.automation.services.conditions.nodes import Group, Leaf, Node, Operator
from app.business.automation.services.conditions.parser import parse_conditions, parse_free
from app.business.errors import Invalid
from app.business.planner.services.plain_text import keyword_text
from tests.factories import NOW
from tests.sampling import times

VOLUME = {"field": "volume", "operator": "gte", "value": 500}


def refusal(data: Any, record_type: str | None = "keyword") -> dict[str, list[str]]:
    with pytest.raises(Invalid) as caught:
        parse_conditions(data, record_type=record_type)
    return caught.value.errors


def nested(levels: int, leaf: Any = VOLUME) -> Any:
    return leaf if levels == 0 else {"all": [nested(levels - 1, leaf)]}


def test_no_conditions_mean_always() -> None:
    node = parse_conditions({}, record_type="keyword")
    assert isinstance(node, Group)
    assert (node.kind, node.children) == ("all", ())


def test_a_mistake_is_named_with_its_place_and_number() -> None:
    wrong = {"field": "volume", "operator": "eq", "value": "abc"}
    assert refusal({"all": [VOLUME, VOLUME, wrong]}) == {
        "conditions.all[2].value": ["Condition 3: 'volume' is a number; 'abc' is not."]
    }


def test_all_mistakes_are_named_at_once() -> None:
    data = {
        "any": [{"field": "volumes", "operator": "eq", "value": 1}, {"not": VOLUME | {"operator": "like"}}]
    }
    assert list(refusal(data)) == ["conditions.any[0].field", "conditions.any[1].not.operator"]


def test_the_refused_status_names_the_allowed_ones() -> None:
    errors = refusal({"field": "status", "operator": "eq", "value": "draft"}, "cluster")
    assert errors == {
        "conditions.value": ["Condition 1: 'status' is one of new, planned, done; 'draft' is not."]
    }
    assert parse_conditions({"field": "status", "operator": "eq", "value": "draft"}, record_type="task")


@pytest.mark.parametrize(
    ("leaf", "place"),
    [
        ([], "conditions"),
        ("always", "conditions"),
        ({"all": VOLUME}, "conditions.all"),
        ({"all": [], "any": []}, "conditions"),
        ({"all": [{}]}, "conditions.all[0]"),
        (VOLUME | {"regex": True}, "conditions"),
        ({"field": "volume", "operator": "gte"}, "conditions.value"),
        ({"operator": "gte", "value": 1}, "conditions.field"),
        (VOLUME | {"field": "__class__"}, "conditions.field"),
        (VOLUME | {"field": ["volume"]}, "conditions.field"),
        (VOLUME | {"operator": ["gte"]}, "conditions.operator"),
        (VOLUME | {"value": True}, "conditions.value"),
        (VOLUME | {"value": float("nan")}, "conditions.value"),
        (VOLUME | {"value": float("inf")}, "conditions.value"),
        (VOLUME | {"value": 10**5000}, "conditions.value"),
        (VOLUME | {"value": {"field": "text"}}, "conditions.value"),
        (VOLUME | {"value": {"field": "volume", "x": 1}}, "conditions.value"),
        (VOLUME | {"ignore_case": True}, "conditions.ignore_case"),
        (VOLUME | {"operator": "in", "value": []}, "conditions.value"),
        (VOLUME | {"operator": "in", "value": list(range(10_000))}, "conditions.value"),
        (VOLUME | {"operator": "between", "value": [5, 1]}, "conditions.value"),
        ({"field": "text", "operator": "gt", "value": "a"}, "conditions.operator"),
        ({"field": "text", "operator": "eq", "value": "a\x00"}, "conditions.value"),
        ({"field": "text", "operator": "eq", "value": "\ud800"}, "conditions.value"),
        ({"field": "text", "operator": "is_empty", "value": "x"}, "conditions.value"),
        ({"field": "created_at", "operator": "gt", "value": "2026-11-24T09:00"}, "conditions.value"),
        ({"field": "created_at", "operator": "gt", "value": "0001-01-01T00:00+05:00"}, "conditions.value"),
        ({"field": "created_at", "operator": "older_than", "value": "7 days"}, "conditions.value"),
        ({"field": "created_at", "operator": "older_than", "value": "99999w"}, "conditions.value"),
        ({"count": "sites", "operator": "gte", "value": 1}, "conditions.count"),
        ({"count": "idea", "operator": "has_word", "value": 1}, "conditions.operator"),
        ({"count": "idea", "operator": "gte", "value": None}, "conditions.value"),
        ({"count": "idea", "operator": "gte", "value": 1, "where": VOLUME}, "conditions.where.field"),
    ],
)
def test_an_invalid_part_is_refused_at_its_place(leaf: Any, place: str) -> None:
    errors = refusal(leaf)
    assert list(errors) == [place]
    assert json.dumps(errors).encode("utf-8")


def test_depth_number_and_size_have_their_limits() -> None:
    assert parse_conditions(nested(5), record_type="keyword")
    assert "at most 5 deep" in refusal(nested(6))["conditions"][0]
    assert parse_conditions({"all": [VOLUME] * 100}, record_type="keyword")
    assert "At most 100" in refusal({"all": [VOLUME] * 101})["conditions"][0]
    long = {"field": "text", "operator": "eq", "value": "x" * 1000}
    assert "64 kB" in refusal({"all": [long] * 70})["conditions"][0]


def test_a_thousand_nested_levels_are_refused_without_a_crash() -> None:
    assert "at most 5 deep" in refusal(nested(900))["conditions"][0]
    value: Any = []
    for _ in range(100_000):
        value = [value]
    assert "at most 5 deep" in refusal(VOLUME | {"value": value})["conditions"][0]


def test_keywords_are_compared_as_they_are_stored() -> None:
    node = parse_conditions(
        {"field": "text", "operator": "eq", "value": "  Red  SHOES "}, record_type="keyword"
    )
    assert isinstance(node, Leaf)
    assert (node.operand, node.value) == ("red shoes", "  Red  SHOES ")


@pytest.mark.parametrize(
    ("operator", "typed", "compared"),
    [
        ("starts_with", " How  ", "how "),
        ("starts_with", "how\u00a0 to", "how to"),
        ("ends_with", "  Shoes ", " shoes"),
        ("contains", "  Of ", " of "),
        ("not_contains", " of", " of"),
        ("contains", "  ", " "),
        ("eq", " How ", "how"),
        ("has_word", " How ", "how"),
        ("eq", "İSTANBUL", keyword_text("İSTANBUL")),
        ("contains", "İstan", "istan"),
        ("eq", "Kaf\u200bfee", keyword_text("kaf\u200bfee")),
        ("starts_with", "\ufeffHow ", "how "),
    ],
)
def test_a_part_of_a_keyword_keeps_its_trailing_space(operator: str, typed: str, compared: str) -> None:
    node = parse_conditions({"field": "text", "operator": operator, "value": typed}, record_type="keyword")
    assert isinstance(node, Leaf)
    assert node.operand == compared


def test_how_with_a_space_does_not_match_however() -> None:
    node = parse_conditions(
        {"field": "text", "operator": "starts_with", "value": "how ", "ignore_case": True},
        record_type="keyword",
    )
    texts = ("however it goes", "how to bake", "how")
    verdicts = [
        ConditionEvaluator().evaluate(node, context_facts({"text": text}, now=NOW, zone=UTC))
        for text in texts
    ]
    assert verdicts == [False, True, False]
    assert describe(node, "keyword") == "keyword starts with “how ”"


ITSELF = [
    {"field": "volume", "operator": "gt", "value": {"field": "volume"}},
    {"field": "text", "operator": "eq", "value": {"field": "text"}, "ignore_case": True},
    {"field": "text", "operator": "not_contains", "value": {"field": "text"}},
    {"field": "cluster.name", "operator": "starts_with", "value": {"field": "cluster.name"}},
    {"field": "created_at", "operator": "lte", "value": {"field": "created_at"}},
]


@pytest.mark.parametrize("leaf", ITSELF, ids=str)
def test_a_field_is_never_compared_with_itself(leaf: dict[str, Any]) -> None:
    sentence = f"'{leaf['field']}' is compared with itself. Choose another field, or give a value."
    counted = {"count": "keyword", "where": {"any": [{"not": leaf}]}, "operator": "gte", "value": 1}
    assert refusal(leaf) == {"conditions.value": [f"Condition 1: {sentence}"]}
    assert refusal({"not": {"any": [VOLUME, leaf]}})["conditions.not.any[1].value"]
    assert list(refusal(counted, "cluster" if "cluster" not in leaf["field"] else "keyword")) == [
        "conditions.where.any[0].not.value"
    ]


SAME_TITLE: dict[str, Any] = {
    "count": "content",
    "of": "site",
    "where": {"field": "title", "operator": "eq", "value": {"field": "record.text"}},
    "operator": "eq",
    "value": 0,
}


@pytest.mark.parametrize(
    ("change", "place", "word"),
    [
        ({"of": "sector"}, "conditions.of", "one of related, site, account; 'sector' is not"),
        ({"of": None}, "conditions.of", "one of related, site, account"),
        ({"of": ["site"]}, "conditions.of", "one of related, site, account"),
        ({"count": "site"}, "conditions.count", "one of: keyword, cluster, idea, task, content"),
        (
            {"where": SAME_TITLE["where"] | {"value": {"field": "record.title"}}},
            "conditions.where.value",
            "'title'",
        ),
        (
            {"where": SAME_TITLE["where"] | {"value": {"field": "record.volume"}}},
            "conditions.where.value",
            "compared",
        ),
        ({"where": SAME_TITLE["where"] | {"field": "record.text"}}, "conditions.where.field", "no field"),
        ({"where": SAME_TITLE}, "conditions.where.count", "inside a count"),
    ],
    ids=str,
)
def test_an_invalid_count_is_refused_at_its_place(change: dict[str, Any], place: str, word: str) -> None:
    assert parse_conditions(SAME_TITLE, record_type="keyword")
    errors = refusal(SAME_TITLE | change)
    assert list(errors) == [place]
    assert word in errors[place][0]


def test_the_outer_record_is_named_only_inside_a_count() -> None:
    leaf = {"field": "text", "operator": "eq", "value": {"field": "record.url"}}
    assert list(refusal(leaf)) == ["conditions.value"]
    where = {"field": "title", "operator": "eq", "value": {"field": "record.account.name"}}
    assert parse_conditions(SAME_TITLE | {"of": "account", "where": where}, record_type=None)
    assert list(refusal(SAME_TITLE | {"of": "account"}, None)) == ["conditions.where.value"]


def test_a_typed_context_holds_what_is_counted_and_the_record_outside() -> None:
    facts = context_facts(
        {"text": "pans", "content": [{"title": "pans"}, {"title": "pots"}]}, now=NOW, zone=UTC
    )
    for of in ("related", "site", "account"):
        node = parse_free(SAME_TITLE | {"of": of})
        assert ConditionEvaluator().trace(node, facts)["actual"] == 1


def test_without_records_only_the_accounts_figures_may_be_asked() -> None:
    few = {"field": "account.credits_percent", "operator": "lt", "value": 10}
    assert parse_conditions(few, record_type=None)
    assert list(refusal(VOLUME, None)) == ["conditions.field"]


def test_a_free_tree_takes_any_field_but_no_unknown_operator() -> None:
    assert parse_free({"field": "a.b", "operator": "gt", "value": "5"})
    assert parse_free({"field": "a", "operator": "in", "value": []})
    for wrong in (
        {"field": "a", "operator": "regex", "value": "."},
        {"operator": "eq", "value": 1},
        nested(6),
    ):
        with pytest.raises(Invalid):
            parse_free(wrong)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=5,
)
NEARLY_LEAF = st.fixed_dictionaries(
    {"operator": st.sampled_from([operator.value for operator in Operator]) | ANYTHING},
    optional={
        "field": st.sampled_from(["volume", "text", "labels", "created_at"]) | ANYTHING,
        "value": st.sampled_from(["7d", [1, 2], {"field": "text"}]) | ANYTHING,
        "count": st.sampled_from(["idea", "content"]) | ANYTHING,
        "where": ANYTHING,
    },
)
NEARLY_TREE = st.recursive(
    NEARLY_LEAF | ANYTHING,
    lambda inner: st.one_of(
        *(st.fixed_dictionaries({kind: st.lists(inner, max_size=3)}) for kind in ("all", "any"))
    ),
    max_leaves=6,
)


@settings(
    max_examples=times(full=2_000, sample=100),
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(NEARLY_TREE, st.dictionaries(st.sampled_from(["volume", "text", "labels", "idea"]), ANYTHING))
def test_any_input_is_refused_in_words_or_gets_a_verdict(tree: Any, context: dict[str, Any]) -> None:
    facts = context_facts(context, now=NOW, zone=UTC)
    for parse in (parse_free, partial(parse_conditions, record_type="keyword")):
        node, places = parsed(parse, tree)
        if node is None:
            assert places
            assert all(place.startswith("conditions") for place in places)
            continue
        evaluator = ConditionEvaluator()
        assert evaluator.evaluate(node, facts) is evaluator.trace(node, facts)["result"]
        assert describe(node, "keyword")


def parsed(parse: Callable[[Any], Node], tree: Any) -> tuple[Node | None, list[str]]:
    try:
        return parse(tree), []
    except Invalid as refused:
        return None, list(refused.errors)
