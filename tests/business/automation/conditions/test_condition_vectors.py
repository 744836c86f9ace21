"""The truth table, case by case: conditions on any context, as the preview evaluates them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.facts import context_facts
from app.business.automation.services.conditions.parser import parse_free

VECTORS = json.loads((Path(__file__).parents[3] / "data" / "condition_vectors.json").read_text("utf-8"))


def verdict(condition: Any, context: dict[str, Any], now: datetime) -> bool:
    facts = context_facts(context, now=now, zone=UTC)
    evaluator = ConditionEvaluator()
    result = evaluator.evaluate(parse_free(condition), facts)
    assert evaluator.trace(parse_free(condition), facts)["result"] is result
    return result


def test_every_vector_gets_its_verdict(now: datetime) -> None:
    wrong = [
        vector
        for vector in VECTORS
        if verdict(vector["condition"], vector["context"], now) is not vector["expected"]
    ]
    assert len(VECTORS) > 150
    assert wrong == []


@pytest.mark.parametrize(
    ("operator", "value", "actual", "expected"),
    [
        ("not_in", ["a", "b"], None, True),
        ("not_contains", "a", None, True),
        ("in", "abc", "a", False),
        ("is_empty", None, 0, False),
        ("is_empty", None, False, False),
        ("is_empty", None, [], True),
        ("is_empty", None, "", True),
        ("is_not_empty", None, "x", True),
        ("between", [1, 3], 3, True),
        ("between", [1, 3], "2", False),
        ("has_word", "shoe", "red shoes", False),
        ("has_word", "Men's shoes", "best Men's-shoes!", True),
        ("has_word", "!!", "a !! b", False),
        ("starts_with", "re", "red", True),
        ("ends_with", "red", "ed", False),
        ("older_than", "7d", "2026-11-17T08:59:59Z", True),
        ("older_than", "7d", "2026-11-17T09:00:00Z", False),
        ("newer_than", "1w", "2026-11-17T09:00:01+00:00", True),
        ("newer_than", "12h", None, False),
        ("not_handled_within", "7d", None, True),
        ("eq", [1, [2]], [1, [2.0]], True),
        ("eq", [1], [True], False),
    ],
)
def test_the_other_operators_keep_to_the_table(
    operator: str, value: Any, actual: Any, expected: bool, now: datetime
) -> None:
    condition = {"field": "a", "operator": operator} | ({} if value is None else {"value": value})
    assert verdict(condition, {"a": actual}, now) is expected


def test_case_is_ignored_only_when_asked(now: datetime) -> None:
    leaf = {"field": "a", "operator": "in", "value": ["ΣΊΣΥΦΟΣ", "ÄRGER"]}
    assert not verdict(leaf, {"a": "σίσυφος"}, now)
    assert verdict(leaf | {"ignore_case": True}, {"a": "σίσυφος"}, now)
    assert verdict(leaf | {"ignore_case": True}, {"a": "ärger"}, now)


def test_a_value_may_be_another_field(now: datetime) -> None:
    leaf = {"field": "language", "operator": "ne", "value": {"field": "site.language"}}
    assert verdict(leaf, {"language": "de", "site": {"language": "en"}}, now)
    assert not verdict(leaf, {"language": "de", "site": {"language": "de"}}, now)


def test_related_records_are_counted(now: datetime) -> None:
    where = {"field": "status", "operator": "eq", "value": "published"}
    leaf = {"count": "content", "where": where, "operator": "gte", "value": 2}
    one, other = {"status": "published"}, {"status": "draft"}
    assert verdict(leaf, {"content": [one, other, one]}, now)
    assert not verdict(leaf, {"content": [one, other]}, now)
    assert not verdict(leaf, {}, now)


def test_the_trace_names_what_was_found_and_leaves_nothing_out(now: datetime) -> None:
    volume = {"field": "volume", "operator": "gte", "value": 500}
    status = {"field": "status", "operator": "eq", "value": "new"}
    node = parse_free({"any": [volume, {"not": status}]})
    facts = context_facts({"volume": 700}, now=now, zone=UTC)
    assert ConditionEvaluator().trace(node, facts) == {
        "any": [
            volume | {"actual": 700, "result": True},
            {"not": status | {"actual": None, "result": False}, "result": True},
        ],
        "result": True,
    }
