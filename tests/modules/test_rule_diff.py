"""Differences between two definitions of a rule, in the words of the form."""

from typing import Any

import pytest

from app.business.automation.services.rules.definition import parse_definition
from app.modules.automation.diff.rules import rule_changes
from app.modules.automation.rule_form.choices import Choices
from tests.modules.automation_pages import NIGHTLY

CHOICES = Choices(
    sites=[("3", "Acme"), ("4", "Bolt")], sectors=[("7", "Acme: Pans")], rules=[("9", "Plan ideas")]
)
VOLUME = {"field": "volume", "operator": "gte", "value": 500}
NEW = {"field": "status", "operator": "eq", "value": "new"}
IDEAS = {"type": "generate_ideas", "params": {"ideas_per_cluster": 3}}


def said(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The differences between the nightly rule with `before` and with `after`."""
    old, new = (
        parse_definition(NIGHTLY | part, shortest_interval_minutes=None).model_dump(mode="json")
        for part in (before, after)
    )
    return list(map(str, rule_changes(old, new, CHOICES)))


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ({}, {}, []),
        ({"name": "A"}, {"name": "B"}, ["Name: A → B"]),
        ({"site": 3}, {"site": 4}, ["Site: Acme → Bolt"]),
        ({}, {"site": 3, "sector": 7}, ["Site: the whole account → Acme", "Sector: all sectors → Acme: Pans"]),
        ({"credit_limit_per_execution": 100}, {"credit_limit_per_execution": 2500}, ["Credits per run: 100 → 2,500"]),
        ({"mode": "live"}, {"mode": "shadow"}, ["Practice mode: no → yes"]),
        ({"is_active": True}, {"is_active": False}, ["Switched on: yes → no"]),
        ({"monthly_budget": None}, {"monthly_budget": 0}, ["Monthly budget: no limit → 0"]),
        ({}, {"stop_after_failures": 0}, ["Stop after failures in a row: 5 → never"]),
    ],
)  # fmt: skip
def test_settings_use_the_labels_of_the_form(
    before: dict[str, Any], after: dict[str, Any], lines: list[str]
) -> None:
    assert said(before, after) == lines


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ({"all": [VOLUME, NEW]}, {"all": [NEW, VOLUME]}, []),
        ({"all": [VOLUME]}, VOLUME, []),
        ({"all": [VOLUME, NEW]}, {"all": [VOLUME | {"value": 800}, NEW]},
         ["Conditions: volume is at least 500 → volume is at least 800"]),
        ({}, {"all": [VOLUME]}, ["Conditions: volume is at least 500 (added)"]),
        ({"all": [VOLUME, NEW]}, VOLUME, ["Conditions: status is “New” (removed)"]),
        ({"all": [VOLUME, NEW]}, {"any": [VOLUME, NEW]}, ["Records must meet: all of these → any of these"]),
        ({"not": VOLUME}, {"not": NEW}, ["Conditions: not (volume is at least 500) → not (status is “New”)"]),
    ],
)  # fmt: skip
def test_conditions_are_compared_one_by_one(
    before: dict[str, Any], after: dict[str, Any], lines: list[str]
) -> None:
    assert said({"conditions": before}, {"conditions": after}) == lines


def test_actions_are_compared_by_what_they_do() -> None:
    group = {"type": "cluster_keywords", "params": {}}
    more = IDEAS | {"params": {"ideas_per_cluster": 5}}
    assert said({"actions": [group, IDEAS]}, {"actions": [group, more]}) == [
        "Action 2, Generate content ideas: Ideas for each cluster, at most: 3 → 5"
    ]
    assert said({"actions": [group]}, {"actions": [group, IDEAS]}) == [
        "Action: 2. Generate content ideas (Ideas for each cluster, at most: 3) (added)"
    ]
    label = {"type": "update_records", "params": {"labels_add": ["seen"]}}
    assert said({"actions": [group, label]}, {"actions": [label, group]}) == [
        "Order of “Update the records”: action 2 → action 1"
    ]


def test_trigger_and_schedule_are_listed_once() -> None:
    lines = said({}, {"schedule": {"cron": "0 6 * * 1", "timezone": "Europe/Berlin"}})
    assert lines == ["Times: Every day at 02:30 Europe/Berlin → Every Monday at 06:00 Europe/Berlin"]
    finished = {"trigger": "run_finished", "trigger_options": {"rule_id": 9}, "schedule": {}, "conditions": {},
                "record_type": None, "actions": [{"type": "notify", "params": {"message": "Done"}}]}  # fmt: skip
    assert (
        "What starts it: At planned times → When a run of “Plan ideas” has ended as completed or failed"
        in (said({"conditions": {}}, finished))
    )
