"""Conditions in the form and back: each tree of a rule is shown exactly; buttons keep what was typed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, g

from app.business.automation.services.conditions.parser import parse_conditions
from app.business.errors import Invalid
from app.modules.automation.rule_form.base import Pairs
from app.modules.automation.rule_form.choices import Choices
from app.modules.automation.rule_form.conditions.edits import changed
from app.modules.automation.rule_form.conditions.from_rule import pairs_from
from app.modules.automation.rule_form.conditions.tree import ConditionTree
from app.modules.automation.rule_form.steps import NO_RECORDS, WhichStep

VOLUME = {"field": "volume", "operator": "gte", "value": 500}
WORD = {"field": "text", "operator": "contains", "value": "pan", "ignore_case": True}
OTHER = {"field": "language", "operator": "ne", "value": {"field": "site.language"}}
DEEP: dict[str, Any] = {
    "all": [{"any": [{"all": [{"any": [{"all": [VOLUME, WORD]}]}, VOLUME]}, WORD]}, VOLUME]
}
COUNTED = {
    "count": "content",
    "where": {"all": [{"field": "status", "operator": "eq", "value": "published"},
                      {"any": [{"field": "labels", "operator": "contains", "value": "pillar", "ignore_case": True}]}]},
    "operator": "gte",
    "value": 1,
}  # fmt: skip


@pytest.fixture(autouse=True)
def request_context() -> Iterator[None]:
    """Forms need an application context; no database."""
    with Flask(__name__).test_request_context():
        g.person = None
        yield


def tree(pairs: Pairs, record_type: str = "keyword") -> ConditionTree:
    return ConditionTree(pairs, record_type, Choices().named)


def json_of(pairs: Pairs) -> Any:
    return tree(pairs).json()


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        VOLUME,
        {"all": []},
        {"any": []},
        {"all": [VOLUME, WORD, OTHER]},
        {"any": [{"all": [VOLUME]}, {"not": {"any": [WORD]}}, OTHER]},
        {"not": VOLUME},
        {"not": {"all": [VOLUME]}},
        {"not": {"all": [VOLUME, WORD]}},
        {"not": {"all": []}},
        {"not": {"not": {"not": VOLUME}}},
        DEEP,
        {"all": [{"field": "handled_at", "operator": "not_handled_within", "value": "30d"}]},
        {"all": [{"operator": "not_handled_within", "value": "30d"}]},
        {"all": [COUNTED, {"count": "idea", "operator": "between", "value": [1, 3]}]},
        {"all": [{"count": "idea", "where": {"not": {"field": "status", "operator": "in", "value": ["new"]}},
                  "operator": "eq", "value": 0}]},
        {"all": [{"count": "content", "where": {"field": "status", "operator": "eq", "value": "published"},
                  "operator": "gt", "value": 2}]},
        {"all": [{"count": "content", "of": "site", "where": {"field": "title", "operator": "eq",
                  "value": {"field": "record.text"}, "ignore_case": True}, "operator": "eq", "value": 0}]},
        {"all": [{"count": "keyword", "of": "account", "where": {"all": [VOLUME, {"field": "volume",
                  "operator": "gt", "value": {"field": "record.cluster.total_volume"}}]},
                  "operator": "gte", "value": 5}]},
        {"all": [{"field": "now.weekday", "operator": "in", "value": [2, 3, 4]}]},
        {"all": [{"field": "created_at", "operator": "between",
                  "value": ["2026-11-01T00:00:00+00:00", "2026-11-24T09:30:00+00:00"]}]},
    ],
)  # fmt: skip
def test_the_form_reproduces_the_conditions_exactly(conditions: dict[str, Any]) -> None:
    parse_conditions(conditions, record_type="keyword")
    pairs = pairs_from(conditions, "keyword")
    assert json_of(pairs) == conditions
    assert not [name for name, _ in pairs if name.endswith("kept")]


@pytest.mark.parametrize(
    "leaf",
    [
        {"field": "intent", "operator": "eq", "value": None},
        {"field": "text", "operator": "in", "value": ["a, b", "c"]},
        {"field": "text", "operator": "eq", "value": " spaced "},
        {"field": "created_at", "operator": "gt", "value": "2026-11-01T00:00:30+00:00"},
        {"field": "gone", "operator": "eq", "value": "x"},
    ],
)
def test_conditions_without_inputs_are_kept_and_described(leaf: dict[str, Any]) -> None:
    pairs = pairs_from({"all": [leaf, VOLUME]}, "keyword")
    assert json_of(pairs) == {"all": [leaf, VOLUME]}
    row: Any = tree(pairs).root.children[0]
    assert row.kept is None or row.said
    assert row.kept is None or "{" not in row.said


def test_rows_and_groups_are_added_inside_any_group() -> None:
    pairs, focus = changed(pairs_from({"all": [VOLUME]}, "keyword"), "add-group:g0")
    assert focus == "c1-field"
    pairs, focus = changed(pairs, "add-group:g1")
    assert focus == "c2-field"
    found = json_of(pairs)
    assert [next(iter(node)) for node in found["all"]] == ["field", "any"]
    assert [next(iter(node)) for node in found["all"][1]["any"]] == ["field", "all"]


def test_a_row_moves_up_and_down_through_the_groups() -> None:
    pairs = pairs_from({"all": [{"any": [VOLUME]}, WORD]}, "keyword")
    pairs, focus = changed(pairs, "up:c1")
    assert (json_of(pairs), focus) == ({"all": [{"any": [VOLUME, WORD]}]}, "c1-up")
    pairs, _ = changed(pairs, "up:c1")
    assert json_of(pairs) == {"all": [{"any": [WORD, VOLUME]}]}
    pairs, focus = changed(pairs, "up:c1")
    assert (json_of(pairs), focus) == ({"all": [WORD, {"any": [VOLUME]}]}, "c1-down")
    pairs, focus = changed(pairs, "down:c0")
    assert (json_of(pairs), focus) == ({"all": [WORD, VOLUME]}, "c0-up")


def test_groups_change_places_and_leave_their_group() -> None:
    inner: dict[str, Any] = {"any": [{"all": [WORD]}, VOLUME]}
    pairs = pairs_from({"all": [OTHER, inner]}, "keyword")
    assert json_of(changed(pairs, "up:g1")[0]) == {"all": [inner, OTHER]}
    assert json_of(changed(pairs, "up:g2")[0]) == {"all": [OTHER, {"all": [WORD]}, {"any": [VOLUME]}]}


def test_a_group_is_added_around_rows_and_dissolved() -> None:
    pairs = pairs_from({"any": [VOLUME, WORD]}, "keyword")
    pairs, focus = changed(pairs, "wrap:c1")
    assert (json_of(pairs), focus) == ({"any": [VOLUME, {"all": [WORD]}]}, "g1-match")
    pairs, focus = changed(pairs, "unwrap:g1")
    assert (json_of(pairs), focus) == ({"any": [VOLUME, WORD]}, "c1-field")


def test_removing_the_last_condition_leaves_no_empty_group_and_never_means_never() -> None:
    pairs, focus = changed(pairs_from({"any": [VOLUME, {"all": [WORD]}]}, "keyword"), "remove:c1")
    assert (json_of(pairs), focus) == ({"any": [VOLUME]}, "g0-add")
    assert json_of(changed(pairs, "remove:c0")[0]) == {}


def test_what_a_condition_counts_has_conditions_of_its_own() -> None:
    pairs: Pairs = [["c0-field", "count:idea"], ["c0-operator", "gte"], ["c0-value", "3"]]
    pairs, focus = changed(pairs, "add:c0-where-g0")
    assert focus == "c0-where-c0-field"
    pairs += [["c0-where-c0-operator", "in"], ["c0-where-c0-value", "new"]]
    pairs = [[name, "status" if name == "c0-where-c0-field" else value] for name, value in pairs]
    where = {"all": [{"field": "status", "operator": "in", "value": ["new"]}]}
    assert json_of(pairs) == {"all": [{"count": "idea", "where": where, "operator": "gte", "value": 3}]}


def test_refusals_stand_beside_the_row_they_are_about() -> None:
    conditions = {"all": [VOLUME, {"not": {"any": [COUNTED]}}, {"not": WORD}]}
    fields = tree(pairs_from(conditions, "keyword")).fields_by_path()
    inside = "conditions.all[1].not.any[0].where.all[1].any[0]"
    assert fields[f"{inside}.value"].id == "c1-where-c1-value"
    assert fields["conditions.all[2].not.operator"].id == "c2-operator"
    assert fields["conditions.all[1].not.any[0].count"].id == "c1-field"


def test_groups_are_offered_as_deep_as_rules_allow() -> None:
    group = tree(pairs_from(DEEP, "keyword")).root
    may = []
    while group.groups:
        may.append(group.may_hold_groups)
        group = group.groups[0]
    assert (may, group.may_hold_groups) == ([True] * 4, False)


@pytest.mark.parametrize(
    "pairs",
    [
        [["g1-group", "2"], ["g2-group", "1"], ["c0-group", "2"], ["c0-field", "volume"]],
        [["c0-group", "77"], ["c0-field", "volume"]],
        [["c0-group", "x"], ["c0-field", "volume"], ["g0-match", "some"]],
        [["c0-kept", "[" * 100_000]],
        [["c0-kept", "3"], ["g0-bare", "y"]],
    ],
)
def test_input_that_no_page_sends_loses_no_condition(pairs: Pairs) -> None:
    found = tree(pairs)
    assert len(found.rows) == 1
    assert json.dumps(found.json())


@pytest.mark.parametrize(
    "change", ["", "up", "up:", "up:c7", "fly:c0", "remove:g0", "wrap:g0", "unwrap:c0", "up:g0"]
)
def test_an_impossible_change_changes_nothing(change: str) -> None:
    pairs = pairs_from({"all": [VOLUME, WORD]}, "keyword")
    assert json_of(changed(pairs, change)[0]) == {"all": [VOLUME, WORD]}


@pytest.mark.parametrize("operator", ["contains", "not_contains", "starts_with", "ends_with"])
def test_a_trailing_space_in_a_part_is_kept(operator: str) -> None:
    leaf = {"field": "text", "operator": operator, "value": " how ", "ignore_case": True}
    typed = [["c0-group", "0"], ["c0-field", "text"], ["c0-operator", operator], ["c0-value", " how "]]
    assert json_of(typed) == {"all": [leaf]}
    assert json_of(pairs_from(leaf, "keyword")) == leaf
    assert not any("kept" in name for name, _ in pairs_from(leaf, "keyword"))


def test_a_rule_that_follows_a_run_is_asked_about_that_run() -> None:
    step = WhichStep(Choices(), [], None, "run_finished")
    assert (step.record_type.data, step.working_type) == (NO_RECORDS, None)
    conditions = {"all": [{"field": "run.failures_in_a_row", "operator": "gte", "value": 3},
                          {"field": "run.status", "operator": "eq", "value": "failed"}]}  # fmt: skip
    pairs = pairs_from(conditions, "run")
    typed = WhichStep(Choices(), [["record_type", NO_RECORDS], *pairs], None, "run_finished")
    assert typed.part()["conditions"] == conditions
    assert not any("kept" in name for name, _ in pairs)
    other = WhichStep(Choices(), [["record_type", NO_RECORDS], *pairs], None, "credits_granted")
    with pytest.raises(Invalid):
        parse_conditions(other.part()["conditions"], record_type=None)
