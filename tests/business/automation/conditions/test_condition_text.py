"""Conditions as staff read them, and what the catalogue offers."""

import json
from typing import Any

import pytest

from app.business.automation.services.catalogue.triggers import parse_options, statuses_to
from app.business.automation.services.conditions.catalog import catalog
from app.business.automation.services.conditions.description import describe
from app.business.automation.services.conditions.parser import parse_conditions, parse_free
from app.business.errors import Invalid


def leaf(field: str, operator: str, *value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator} | ({"value": value[0]} if value else {})


@pytest.mark.parametrize(
    ("record_type", "conditions", "sentence"),
    [
        ("keyword", {}, "always"),
        ("keyword", {"any": []}, "never"),
        (
            "keyword",
            {"all": [leaf("volume", "gte", 1500), leaf("difficulty", "lt", 30)]},
            "volume is at least 1,500 and difficulty is below 30",
        ),
        (
            "keyword",
            {
                "all": [
                    leaf("intent", "in", ["commercial", None]),
                    {"any": [leaf("labels", "contains", "a"), leaf("url", "is_empty")]},
                ]
            },
            "intent is one of “Commercial” or empty and (labels include “a” or page address is empty)",
        ),
        ("content", {"not": leaf("status", "eq", "draft")}, "not (status is “To check”)"),
        ("content", leaf("outline", "eq", False), "only a brief is no"),
        (
            "content",
            leaf("title", "not_contains", {"field": "main_keyword"}),
            "title does not contain the main keyword",
        ),
        ("content", leaf("cluster.name", "eq", None), "cluster name is empty"),
        (
            "content",
            {"count": "content", "where": leaf("status", "eq", "published"), "operator": "gte", "value": 1},
            "the number of other content items of the same cluster where status is “Published” is at least 1",
        ),
        (
            "idea",
            {
                "count": "content",
                "of": "site",
                "where": leaf("title", "eq", {"field": "record.title"}),
                "operator": "eq",
                "value": 0,
            },
            "the number of content items of the same site where title is the title of this idea is 0",
        ),
        (
            "content",
            {
                "count": "content",
                "of": "account",
                "where": leaf("cluster.name", "ne", {"field": "record.site.name"}),
                "operator": "lt",
                "value": 5,
            },
            "the number of other content items that the rule sees"
            " where cluster name is not the site name of this content item is below 5",
        ),
        (
            None,
            {"count": "task", "of": "site", "operator": "gt", "value": 9},
            "the number of tasks of the site is above 9",
        ),
        ("task", leaf("due_on", "lt", "2026-12-01"), "due day is before 01 Dec 2026"),
        ("task", leaf("status_since", "older_than", "36h"), "in its status since is more than 36 hours ago"),
        (
            "task",
            {"operator": "not_handled_within", "value": "1w"},
            "last handled by this rule was not in the last 7 days",
        ),
        ("cluster", leaf("keyword_count", "between", [5, 20]), "number of keywords is between 5 and 20"),
        (None, leaf("now.weekday", "ne", 7), "weekday today (1 = Monday) is not 7"),
    ],
)
def test_conditions_read_as_a_sentence(record_type: str | None, conditions: Any, sentence: str) -> None:
    assert describe(parse_conditions(conditions, record_type=record_type), record_type) == sentence


def test_free_conditions_are_described_by_their_paths() -> None:
    assert describe(parse_free(leaf("site.language", "eq", "en")), None) == "site.language is “en”"


def test_the_catalogue_offers_what_can_be_saved() -> None:
    offered = catalog()
    assert json.dumps(offered)
    for entry in offered["record_types"]:
        for field in entry["fields"]:
            assert field["operators"]
            assert parse_conditions(
                {"field": field["name"], "operator": "is_not_empty"}, record_type=entry["type"]
            )
    fields = {
        field["name"]
        for entry in offered["record_types"]
        if entry["type"] == "keyword"
        for field in entry["fields"]
    }
    assert {
        "volume",
        "cluster.keyword_count",
        "site.language",
        "account.credits_percent",
        "now.hour",
    } <= fields
    assert offered["triggers"][0]["type"] == "schedule"


def test_the_options_of_a_trigger_are_checked() -> None:
    parse_options("status_changed", {"record_type": "content", "to": ["approved", "review"]})
    parse_options("run_finished", {"status": "failed"})
    assert statuses_to(parse_options("status_changed", {"record_type": "content", "to": "approved"})) == (
        "approved",
    )
    for trigger, options, place in (
        ("status_changed", {}, "trigger_options.record_type"),
        ("status_changed", {"record_type": "idea", "to": "draft"}, "trigger_options.to"),
        ("keyword_added", {"to": "x"}, "trigger_options.to"),
        ("run_finished", {"rule_id": True}, "trigger_options.rule_id"),
    ):
        with pytest.raises(Invalid) as caught:
            parse_options(trigger, options)
        assert list(caught.value.errors) == [place]


ANY = "(upper or lower case)"


@pytest.mark.parametrize(
    ("record_type", "condition", "is_said"),
    [
        ("keyword", leaf("country", "eq", "de"), True),
        ("keyword", leaf("labels", "contains", "Brand"), True),
        ("content", leaf("title", "contains", {"field": "main_keyword"}), True),
        ("keyword", leaf("country", "in", ["12", "at"]), True),
        ("keyword", leaf("country", "eq", "49"), False),
        ("keyword", leaf("text", "contains", "shoes"), False),
        ("keyword", leaf("intent", "eq", "commercial"), False),
        ("keyword", leaf("url", "is_empty"), False),
    ],
)
def test_ignored_case_is_mentioned_where_it_matters(
    record_type: str, condition: dict[str, Any], is_said: bool
) -> None:
    exact, folded = (
        describe(parse_conditions(one, record_type=record_type), record_type)
        for one in (condition, condition | {"ignore_case": True})
    )
    assert ANY not in exact
    assert folded == (f"{exact} {ANY}" if is_said else exact)
