"""The description of a rule: every option and parameter that is not the default is in its sentence or its list."""

import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.rules.definition import RuleDefinition, parse_definition
from app.business.automation.services.rules.sentence import (
    actions_of,
    conditions_of,
    summary_of,
    when_of,
)
from app.modules.automation.rule_form.choices import Choices
from app.modules.automation.rule_form.form import RuleForm
from app.modules.automation.rule_form.step_table import steps_of_rule
from tests.factories import make_account

LABEL = {"type": "update_records", "params": {"labels_add": ["seen"]}}
IDEAS = {"type": "generate_ideas", "params": {}}
MORNING = {"cron": "0 9 * * *", "timezone": "UTC"}
PLANNED = {
    "name": "R",
    "trigger": "schedule",
    "schedule": MORNING,
    "record_type": "cluster",
    "actions": [IDEAS],
}
EVENT = {"name": "R", "trigger": "cluster_created", "actions": [IDEAS]}
BIG = {"field": "volume", "operator": "gte", "value": 700}

ELSEWHERE = {"name", "description", "is_active", "site", "sector", "trigger"}
"""Shown as title, note, badge, place, or type of the sentence."""
# Option, values beside the rule's, and what is said; where it decides cost or reach, in the sentence.
IN_SENTENCE: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("trigger_options", EVENT, {"trigger": "status_changed", "record_type": "cluster", "trigger_options":
     {"record_type": "cluster", "to": "planned"}}, "becomes “Planned”"),
    ("record_type", PLANNED, {"record_type": "keyword", "actions": [LABEL]}, "for up to 50 keywords"),
    ("conditions", PLANNED, {"conditions": {"field": "total_volume", "operator": "gte", "value": 700}}, "at least 700"),
    ("actions", EVENT, {"actions": [IDEAS, LABEL]}, "then update the records"),
    ("schedule", PLANNED, {"schedule": {"cron": "0 7 * * *", "timezone": "UTC"}}, "07:00"),
    ("max_executions_per_day", EVENT, {"max_executions_per_day": 3}, "at most 3 times a day"),
    ("credit_limit_per_execution", EVENT, {"credit_limit_per_execution": 35}, "35 credits each"),
    ("record_limit", PLANNED, {"record_limit": 7}, "up to 7 clusters"),
    ("order", PLANNED, {"order": "-total_volume"}, "for up to 50 clusters, the highest total volume first:"),
    ("record_minimum", PLANNED, {"record_minimum": 4}, "if there are at least 4"),
    ("batching", EVENT, {"batching": "each"}, "one run for each cluster"),
    ("split_by", PLANNED, {"split_by": "site"}, "one run for each site"),
    ("split_by", PLANNED, {"split_by": "site"}, "10 times a day for each site"),
    ("repeat", PLANNED, {"repeat": "always"}, "the same again each time"),
    ("repeat_after_days", PLANNED, {"repeat": "after_days", "repeat_after_days": 9}, "the same again after 9 days"),
    ("mode", EVENT, {"mode": "shadow"}, "Practice mode, nothing is done"),
    ("monthly_budget", EVENT, {"monthly_budget": 320}, "320 a month in all"),
]  # fmt: skip
IN_LIST: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("overlap", PLANNED, {"overlap": "queue"}, "Wait, then run"),
    ("catch_up", PLANNED, {"catch_up": "all"}, "Run every missed time"),
    ("catch_up_hours", PLANNED, {"catch_up_hours": 6}, "up to 6 hours late"),
    ("on_closed_days", PLANNED, {"on_closed_days": "move"}, "Run on the next open day"),
    ("when_limited", EVENT, {"when_limited": "skip"}, "The run is skipped"),
    ("stop_after_failures", EVENT, {"stop_after_failures": 3}, "3 failures in a row"),
    ("priority", EVENT, {"priority": 2}, "2 (1 comes first"),
    ("repeat", EVENT, {"repeat": "always"}, "Every time it matches"),
    ("record_limit", EVENT, {"record_limit": 8}, "8 records a run"),
    ("record_minimum", EVENT, {"record_minimum": 4}, "4 records"),
]
# Action, its record type, parameter, value, what is said.
PARAMETERS: list[tuple[str, str | None, dict[str, Any], str]] = [
    ("cluster_keywords", "keyword", {"keyword_ids": [3, 4]}, "only number 3, 4"),
    ("cluster_keywords", "keyword", {"min_cluster_size": 6}, "at least 6 in each"),
    ("generate_ideas", "cluster", {"cluster_ids": [1, 2, 3, 4, 5, 6]}, "only number 1, 2, 3, 4, 5 and 1 more"),
    ("generate_ideas", "cluster", {"ideas_per_cluster": 7}, "at most 7 for each cluster"),
    ("generate_ideas", "cluster", {"again": True}, "also where there are some already"),
    ("create_tasks", "idea", {"idea_ids": [9]}, "only number 9"),
    ("create_tasks", "idea", {"word_count": 700}, "700 words each"),
    ("create_tasks", "idea", {"task_type": "refresh"}, "“refresh an article”"),
    ("create_tasks", "idea", {"due_in_days": 1}, "due in 1 day"),
    ("create_tasks", "idea", {"inherit": False}, "without the cluster and main keyword"),
    ("create_record", "keyword", {"type": "idea", "title": "T", "inherit": False}, "without the cluster"),
    ("generate_content", "task", {"task_ids": [9]}, "only number 9"),
    ("generate_content", "task", {"task_id": 9}, "only number 9"),
    ("generate_content", "task", {"again": True}, "also where there are some already"),
    ("generate_content", "task", {"approve_outline": True}, "once a person has approved the outline"),
    ("update_records", "idea", {"status": "accepted"}, "status “Accepted”"),
    ("update_records", "idea", {"labels_add": ["a", "b"]}, "add the label “a” and “b”"),
    ("update_records", "idea", {"labels_remove": ["c"]}, "take off the label “c”"),
    ("update_records", "idea", {"assignee": 12}, "person 12"),
    ("update_records", "task", {"due_in_days": 0}, "due that day"),
    ("update_records", "idea", {"note": "Look  here"}, "note “Look here”"),
    ("create_record", "keyword", {"type": "task", "title": "On {text}"}, "create a task (“On {text}”"),
    ("create_record", "keyword", {"type": "idea", "title": "T", "description": "Why"}, "text “Why”"),
    ("create_record", "keyword", {"type": "idea", "title": "T", "content_type": "guide"}, "“guide”"),
    ("create_record", "keyword", {"type": "task", "title": "T", "word_count": 800}, "800 words"),
    ("create_record", "keyword", {"type": "task", "title": "T", "task_type": "report"}, "“write a report”"),
    ("create_record", "keyword", {"type": "task", "title": "T", "due_in_days": 3}, "due in 3 days"),
    ("publish_content", "content", {"content_ids": [5]}, "only number 5"),
    ("publish_content", "content", {"status": "draft"}, "as drafts"),
    ("publish_content", "content", {"publish_in_days": 3}, "scheduled for 3 days later"),
    ("publish_content", "content", {"featured_image": "https://i.example/a.png"}, "with a featured image"),
    ("publish_content", "content", {"unapproved": True}, "even if nobody has approved them"),
    ("notify", None, {"message": "Hello there"}, "“Hello there”"),
    ("notify", None, {"message": "Hello", "to": "owner"}, "to owners"),
    ("notify", None, {"message": "Hello", "to": ["editor", "a@b.example", 3]}, "a@b.example, person 3"),
    ("notify", None, {"message": "Hello", "email": True}, "by e-mail too"),
    ("ask_person", None, {"question": "Go on now?"}, "“Go on now?”"),
    ("ask_person", None, {"question": "Go?", "who": ["editor", 3]}, "editors and owners and person 3"),
    ("ask_person", None, {"question": "Go?", "answers": ["Go", "Wait"]}, "goes on with “Go”, ends with “Wait”"),
    ("ask_person", None, {"question": "Go?", "after_days": 2}, "waits 2 days"),
    ("ask_person", None, {"question": "Go?", "then": "stop"}, "ends there without an answer"),
    ("send_webhook", None, {"webhook": 3}, "to webhook 3"),
    *((switch, None, params, said) for switch in ("pause_rule", "resume_rule") for params, said in (
        ({"rule_id": 5}, "“Nightly”"), ({"rule_id": 6}, "rule 6"), ({"site": 2}, "all of site 2"),
        ({"action": "generate_ideas"}, "“Generate content ideas”"), ({"reason": "Too dear"}, "because “Too dear”"),
    )),
]  # fmt: skip


def definition(values: dict[str, Any]) -> RuleDefinition:
    return parse_definition(values, shortest_interval_minutes=5)


def listed(app: Flask, rule: RuleDefinition) -> str:
    """The list “What it says”, without markup."""
    module: Any = app.jinja_env.get_template("components/automation/rule_words.html").module
    html = module.rule_words(rule, when_of(rule), None, conditions_of(rule), actions_of(rule))
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.mark.parametrize(("option", "rule", "values", "said"), IN_SENTENCE)
def test_options_of_cost_and_reach_are_in_the_sentence(
    option: str, rule: dict[str, Any], values: dict[str, Any], said: str
) -> None:
    assert said not in summary_of(definition(rule))
    assert said in summary_of(definition(rule | values))


@pytest.mark.parametrize(("option", "rule", "values", "said"), IN_LIST)
def test_every_other_option_is_in_the_list(
    app: Flask, option: str, rule: dict[str, Any], values: dict[str, Any], said: str
) -> None:
    assert said not in listed(app, definition(rule))
    assert said in listed(app, definition(rule | values))


def test_no_option_is_missing() -> None:
    tested = {option for option, *_ in (*IN_SENTENCE, *IN_LIST)}
    assert tested | ELSEWHERE == set(RuleDefinition.model_fields)
    tried = {(type, name) for type, _, params, _ in PARAMETERS for name in params}
    assert tried == {(entry.key, name) for entry in CATALOGUE.values() for name in entry.params.model_fields}


@pytest.mark.parametrize(("action", "record_type", "params", "said"), PARAMETERS)
def test_every_parameter_that_is_not_the_default_is_described(
    action: str, record_type: str | None, params: dict[str, Any], said: str
) -> None:
    values = PLANNED | {"record_type": record_type, "actions": [{"type": action, "params": params}]}
    assert said in actions_of(definition(values), {5: "Nightly"})[0]


def test_continuing_after_a_failure_and_the_place_of_an_action_are_described() -> None:
    label = LABEL | {"on_error": "continue", "when": BIG}
    rule = definition({"name": "R", "trigger": "keyword_added", "actions": [label]})
    assert actions_of(rule) == [
        "update the records (add the label “seen”) where volume is at least 700, going on if that fails"
    ]


@pytest.mark.parametrize(
    "order", ["oldest", "newest", "random", "-volume", "created_at", "-cluster.total_volume"]
)
@pytest.mark.parametrize("inherit", [True, False])
def test_the_form_shows_order_and_inheritance(session: Session, order: str, inherit: bool) -> None:
    account = make_account(session)
    create = {"type": "create_record", "params": {"type": "task", "title": "On {text}", "inherit": inherit}}
    rule = definition(PLANNED | {"record_type": "keyword", "order": order, "actions": [create]}).model_dump(
        mode="json"
    )
    form = RuleForm(session, account, steps_of_rule(rule, Choices()), Choices())
    data = form.data()
    assert (data["order"], data["actions"][0]["params"]["inherit"]) == (order, inherit)
    assert definition(data).model_dump(mode="json")["actions"] == rule["actions"]


def test_an_order_of_another_record_type_is_dropped(session: Session) -> None:
    rule = definition(PLANNED | {"order": "-total_volume"}).model_dump(mode="json")
    steps = steps_of_rule(rule, Choices())
    steps["which"] = [
        ["record_type", "keyword"] if name == "record_type" else [name, value]
        for name, value in steps["which"]
    ]
    assert RuleForm(session, make_account(session), steps, Choices()).data()["order"] == "oldest"
