"""The smallest change that would have changed the verdict."""

from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st

from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.parser import Node, parse_conditions
from app.business.automation.services.why.change_text import turns_text
from app.business.automation.services.why.smallest_change import Flip, smallest_change
from app.business.errors import Invalid
from tests.factories import NOW
from tests.sampling import times

START = "It would match if "
KEYWORD: dict[str, Any] = {
    "volume": 320, "difficulty": 45, "intent": "informational", "text": "iron pan", "labels": ["brand"],
    "country": None, "created_at": NOW - timedelta(days=2), "status": "new", "language": "en", "site.language": "de",
}  # fmt: skip


def leaf(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def turns_of(node: Node, values: dict[str, Any], counted: dict[str, int] | None = None) -> list[Flip] | None:
    facts = Facts(values, now=NOW, today=NOW.date())
    for name, count in (counted or {}).items():
        facts.counted[name] = [Facts({}, now=NOW, today=NOW.date())] * count
    return smallest_change(node, ConditionEvaluator().trace(node, facts), NOW, NOW.date())


def said(conditions: dict[str, Any], **changes: Any) -> str | None:
    node = parse_conditions(conditions, record_type="keyword")
    turns = turns_of(node, KEYWORD | changes)
    return None if turns is None else turns_text(turns, "keyword").removeprefix(START)


@pytest.mark.parametrize(
    ("conditions", "sentence"),
    [
        (leaf("volume", "gte", 500), "volume were at least 500 (it is 320)."),
        (leaf("volume", "gte", 100), ""),
        ({"all": [leaf("volume", "gte", 500), leaf("difficulty", "lt", 30)]},
         "volume were at least 500 (it is 320), and difficulty were below 30 (it is 45)."),
        ({"all": [leaf("status", "eq", "new"), leaf("intent", "in", ["commercial", "transactional"])]},
         "intent were one of “Commercial” or “Transactional” (it is “Informational”)."),
        ({"any": [{"all": [leaf("volume", "gte", 500), leaf("difficulty", "lt", 30)]},
                  leaf("text", "contains", "pot")]},
         "keyword contained “pot” (it is “iron pan”)."),
        ({"not": leaf("volume", "lt", 400)}, "volume were not below 400 (it is 320)."),
        ({"not": {"any": [leaf("volume", "lt", 400), leaf("text", "has_word", "iron")]}},
         "volume were not below 400 (it is 320), and keyword did not have the word “iron” (it is “iron pan”)."),
        (leaf("labels", "contains", "easy"), "labels included “easy” (they are “brand”)."),
        (leaf("labels", "not_contains", "brand"), "labels did not include “brand” (they are “brand”)."),
        (leaf("country", "is_not_empty"), "country were not empty (it is empty)."),
        (leaf("country", "ne", None), "country were not empty (it is empty)."),
        (leaf("status", "ne", "new"), "status were not “New” (it is “New”)."),
        ({"not": leaf("status", "ne", "ignored")}, "status were “Ignored” (it is “New”)."),
        (leaf("created_at", "older_than", "7d"), "created were more than 7 days ago (it is 22 Nov 2026 09:00 UTC)."),
        (leaf("language", "eq", {"field": "site.language"}), "language were the site language (it is “en”)."),
        ({"any": []}, None),
    ],
)  # fmt: skip
def test_it_is_said_in_one_sentence(conditions: dict[str, Any], sentence: str | None) -> None:
    assert said(conditions) == sentence


def test_contradictory_changes_are_never_offered() -> None:
    assert said({"all": [leaf("volume", "gte", 500), leaf("volume", "lt", 400)]}) is None
    other_way = {"any": [{"all": [leaf("volume", "gte", 500), leaf("volume", "lt", 400)]},
                         {"all": [leaf("difficulty", "lt", 30), leaf("text", "starts_with", "cast")]}]}  # fmt: skip
    assert said(other_way) == (
        "difficulty were below 30 (it is 45), and keyword started with “cast” (it is “iron pan”)."
    )


def test_two_conditions_on_one_field_are_one_change() -> None:
    both = {"all": [leaf("volume", "gte", 500), leaf("volume", "between", [400, 600])]}
    either = {"any": [{"all": [leaf("difficulty", "lt", 30), leaf("text", "contains", "pot")]}, both]}
    assert (
        said(either)
        == "volume were at least 500 (it is 320), and volume were between 400 and 600 (it is 320)."
    )


def test_counts_name_what_was_counted() -> None:
    count = {"count": "idea", "where": {}, "operator": "gte", "value": 2}
    node = parse_conditions(count, record_type="cluster")
    turns = turns_of(node, {}, {"idea": 1})
    assert turns
    assert (
        turns_text(turns, "cluster")
        == f"{START}the number of ideas of this cluster were at least 2 (it is 1)."
    )


FIELDS = ("volume", "difficulty", "cpc", "position")
LEAVES = st.builds(
    leaf, st.sampled_from(FIELDS), st.sampled_from(["gte", "lt", "eq", "ne"]), st.integers(0, 4)
)
TREES = st.recursive(
    LEAVES,
    lambda below: st.one_of(
        st.builds(lambda parts: {"all": parts}, st.lists(below, min_size=1, max_size=3)),
        st.builds(lambda parts: {"any": parts}, st.lists(below, min_size=1, max_size=3)),
        st.builds(lambda part: {"not": part}, below),
    ),
    max_leaves=5,
)


def fewest_fields(node: Node, values: dict[str, Any]) -> int | None:
    """By exhaustive search: the number of fields to change; None when no values meet the conditions."""
    evaluate = ConditionEvaluator().evaluate

    def meets(left: tuple[str, ...], now: dict[str, Any]) -> bool:
        if not left:
            return evaluate(node, Facts(now, now=NOW, today=NOW.date()))
        return any(meets(left[1:], now | {left[0]: value}) for value in (None, *range(-1, 6)))

    return next(
        (
            size
            for size in range(len(FIELDS) + 1)
            for some in combinations(FIELDS, size)
            if meets(some, values)
        ),
        None,
    )


BELOW_TWO = {"not": {"any": [{"not": leaf("difficulty", "lt", 1)}, leaf("difficulty", "gte", 0)]}}


@settings(max_examples=times(full=1_000, sample=50), deadline=None)
@example(conditions=BELOW_TWO, values=dict.fromkeys(FIELDS, 0))
@given(conditions=TREES, values=st.fixed_dictionaries({name: st.integers(0, 4) for name in FIELDS}))
def test_no_smaller_change_exists_and_one_is_found_wherever_there_is_one(
    conditions: dict[str, Any], values: dict[str, Any]
) -> None:
    try:
        node = parse_conditions(conditions, record_type="keyword")
    except Invalid:
        reject()
    turns = turns_of(node, values)
    changed = None if turns is None else len({turn.question.field for turn in turns})  # type: ignore[union-attr]
    assert changed == fewest_fields(node, values)
