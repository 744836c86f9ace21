"""Every rule reads as one plain sentence."""

from typing import Any

import pytest

from app.business.automation.services.rules.definition import RuleDefinition, parse_definition
from app.business.automation.services.rules.sentence import summary_of

NOTIFY = {"type": "notify", "params": {"message": "Hi"}}
IDEAS = {"type": "generate_ideas", "params": {"ideas_per_cluster": 3}}
EVERY_MORNING = {"trigger": "schedule", "schedule": {"cron": "0 9 * * 1-5", "timezone": "Europe/Warsaw"}}

LABEL = {"type": "update_records", "params": {"labels_add": ["buying", "hot"]}}

SENTENCES: list[tuple[dict[str, Any], str]] = [
    (
        {"trigger": "keyword_added", "actions": [{"type": "cluster_keywords", "params": {}}]},
        "When keywords are added: group keywords into clusters, "
        "at most 10 times a day for up to 100 credits each.",
    ),
    (
        {
            "trigger": "keyword_added",
            "conditions": {"field": "volume", "operator": "gte", "value": 500},
            "actions": [NOTIFY],
            "max_executions_per_day": 1,
        },
        "When keywords are added, for those where volume is at least 500: send a notice, at most once a day.",
    ),
    (
        {
            "trigger": "keyword_added",
            "actions": [{"type": "create_record", "params": {"type": "idea", "title": "On {text}"}}],
        },
        "When keywords are added: create an idea (“On {text}”), at most 10 times a day.",
    ),
    (
        EVERY_MORNING | {"actions": [IDEAS, {"type": "create_tasks", "params": {}}]},
        "Every Monday to Friday at 09:00 Europe/Warsaw, for up to 50 clusters: generate content ideas "
        "(at most 3 for each cluster), then create writing tasks, at most 10 times a day for up to 100 credits each.",
    ),
    (
        EVERY_MORNING
        | {
            "record_type": None,
            "conditions": {"field": "account.credits_available", "operator": "lt", "value": 100},
            "actions": [NOTIFY],
        },
        "Every Monday to Friday at 09:00 Europe/Warsaw, if credits available is below 100: send a notice, "
        "at most 10 times a day.",
    ),
    (
        {
            "trigger": "status_changed",
            "trigger_options": {"record_type": "idea", "to": "accepted"},
            "actions": [{"type": "create_tasks", "params": {}}],
            "max_executions_per_day": 2,
        },
        "When the status of an idea becomes “Accepted”: create writing tasks, at most twice a day.",
    ),
    (
        {
            "trigger": "run_finished",
            "trigger_options": {"rule_id": 5, "status": "failed"},
            "actions": [NOTIFY],
        },
        "When a run of rule 5 has ended as failed: send a notice, at most 10 times a day.",
    ),
    (
        {
            "trigger": "idea_created",
            "mode": "shadow",
            "actions": [
                {
                    "type": "update_records",
                    "params": {"status": "accepted"},
                    "when": {"field": "content_type", "operator": "eq", "value": "article"},
                }
            ],
        },
        "Practice mode, nothing is done. When ideas are made: update the records (status “Accepted”) where "
        "content type is “article”, at most 10 times a day.",
    ),
]


def definition(**values: Any) -> RuleDefinition:
    return parse_definition({"name": "A rule"} | values, shortest_interval_minutes=5)


@pytest.mark.parametrize(("values", "sentence"), SENTENCES)
def test_a_rule_reads_as_one_sentence(values: dict[str, Any], sentence: str) -> None:
    assert summary_of(definition(**values)) == sentence


def test_the_place_is_named() -> None:
    rule = definition(trigger="credits_granted", actions=[NOTIFY])
    assert summary_of(rule, "Acme: Shoes").startswith("When credits arrive on Acme: Shoes: send a notice")


def test_a_stored_rule_that_cannot_be_parsed_is_still_described() -> None:
    rule = definition(trigger="keyword_added", actions=[NOTIFY])
    rule.conditions = {"field": "gone", "operator": "eq", "value": 1}
    assert summary_of(rule).startswith(
        "This rule needs repair (conditions.field): Condition 1: there is no field"
    )


def test_labels_are_part_of_the_sentence() -> None:
    definition = parse_definition(
        {"name": "R", "trigger": "keyword_added", "actions": [LABEL]}, shortest_interval_minutes=5
    )
    assert "update the records (add the label “buying” and “hot”)" in summary_of(definition)


def test_the_rule_that_is_followed_is_called_by_its_name() -> None:
    data = {"name": "R", "trigger": "run_finished", "trigger_options": {"rule_id": 5}, "actions": [NOTIFY]}
    definition = parse_definition(data, shortest_interval_minutes=5)
    assert summary_of(definition, None, {5: "Nightly"}).startswith("When a run of “Nightly” has ended as")
    assert summary_of(definition, None, {6: "Other"}).startswith("When a run of rule 5 has ended as")
