"""Saving a rule that is on runs the preflight check that switching it on runs: POST, PUT, PATCH and the form."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleVersion
from app.modules.automation.rule_form.base import form_data
from app.modules.automation.rule_form.choices import Choices
from app.modules.automation.rule_form.step_table import steps_of_rule
from tests.modules.automation_pages import NIGHTLY
from tests.modules.automation_rest import IDEAS, RULES, rule_body
from tests.people import People, browser_of, make_people, program_of

PAST = {"trigger": "schedule", "record_type": "cluster", "schedule": {"at": "2020-01-01T09:00:00+00:00"}}
PAST |= {"actions": [IDEAS]}
STOPPED: list[tuple[dict[str, Any], str]] = [
    (PAST, "schedule"),
    ({"trigger": "run_finished", "record_type": "keyword"}, "record_type"),
    ({"trigger": "run_finished", "record_type": None, "trigger_options": {"status": "skipped"},
      "actions": [{"type": "notify", "params": {"message": "Look"}}]}, "trigger_options.status"),
    ({"trigger": "cluster_created", "actions": [IDEAS], "credit_limit_per_execution": 1}, "credit_limit_per_execution"),
    ({"trigger": "cluster_created", "actions": [IDEAS], "monthly_budget": 1}, "monthly_budget"),
    ({"conditions": {"all": [{"field": "volume", "operator": "gt", "value": 9},
                             {"field": "volume", "operator": "lt", "value": 3}]}}, "conditions"),
]  # fmt: skip
SOUND = {"trigger": "cluster_created", "actions": [IDEAS]}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.owner)


@pytest.mark.parametrize(("values", "field"), STOPPED)
def test_a_rule_that_could_never_work_is_saved_only_switched_off(
    api: FlaskClient, session: Session, values: dict[str, Any], field: str
) -> None:
    refused = api.post(RULES, json=rule_body(**values))
    assert refused.status_code == 409, refused.text
    assert any(path.startswith(field) for path in refused.json["errors"]), refused.json
    assert api.get(RULES).json["results"] == []

    saved = api.post(RULES, json=rule_body(**values, is_active=False))
    assert saved.status_code == 201, saved.text
    address = f"{RULES}{saved.json['id']}/"
    said = api.post(f"{address}enable/")
    assert (said.status_code, said.json["errors"]) == (409, refused.json["errors"])

    other = api.post(RULES, json=rule_body(name="Other")).json
    for method, body in (("PUT", rule_body(name="Other", **values)), ("PATCH", values)):
        body = {"record_type": None, **body} if values.get("trigger") == "run_finished" else body
        answer = api.open(f"{RULES}{other['id']}/", method=method, json=body | values)
        assert answer.status_code == 409, (method, answer.text)
        assert api.get(f"{RULES}{other['id']}/").json == other
    assert session.scalars(select(RuleVersion.version).where(RuleVersion.rule_id == other["id"])).all() == [1]
    assert api.patch(f"{RULES}{other['id']}/", json=values | {"is_active": False}).status_code == 200


def test_only_what_a_change_brings_counts(api: FlaskClient, session: Session) -> None:
    """The rule was saved before the check existed, so it has a finding already."""
    made = api.post(RULES, json=rule_body(**SOUND)).json
    rule = session.get_one(AutomationRule, made["id"])
    rule.credit_limit_per_execution = 1
    session.commit()
    address = f"{RULES}{rule.id}/"
    for harmless in (
        {"name": "Renamed"}, {"description": "Why"}, {"max_executions_per_day": 1}, {"credit_limit_per_execution": 0},
        {"record_limit": 1}, {"monthly_budget": 3}, {"when_limited": "wait"}, {"priority": 1}, {"is_active": False},
    ):  # fmt: skip
        answer = api.patch(address, json=harmless)
        assert (answer.status_code, answer.json | harmless) == (200, answer.json), harmless
    assert api.patch(address, json={"is_active": True}).status_code == 409


def test_lowering_a_limit_renaming_and_pausing_always_pass(api: FlaskClient) -> None:
    address = f"{RULES}{api.post(RULES, json=rule_body(**SOUND)).json['id']}/"
    never = {"conditions": {"all": [{"field": "name", "operator": "eq", "value": value} for value in "ab"]}}
    assert api.patch(address, json=never).status_code == 409
    assert api.patch(address, json={"credit_limit_per_execution": 1}).status_code == 200
    assert api.patch(address, json={"credit_limit_per_execution": 2}).status_code == 200
    assert api.patch(address, json={"monthly_budget": 1}).status_code == 200
    assert api.patch(address, json=never).status_code == 409
    assert api.patch(address, json={"name": "Renamed", "is_active": False}).status_code == 200


@pytest.mark.parametrize("values", [STOPPED[3][0], STOPPED[5][0]])
def test_the_form_saves_it_only_switched_off(
    app: Flask, session: Session, people: People, api: FlaskClient, values: dict[str, Any]
) -> None:
    browser = browser_of(app, session, people.owner)
    sound = {name: value for name, value in values.items() if name in ("trigger", "actions")}
    rule = api.post(RULES, json=rule_body(**sound)).json
    draft = browser.post(f"/rules/{rule['id']}/edit").location.rpartition("/")[0]
    steps = steps_of_rule(rule | values, Choices())
    for step in ("which", "limits"):
        answer = browser.post(f"{draft}/{step}", data=form_data(steps[step]))
        assert answer.status_code in (303, 422)
    refused = browser.post(f"{draft}/save", data={"on": "1"})
    if "credit_limit_per_execution" in values:  # Only lowered: always accepted.
        assert refused.status_code == 303
        return
    assert refused.status_code == 409
    assert "Save and switch on" not in refused.text
    assert api.get(f"{RULES}{rule['id']}/").json == rule
    assert browser.post(f"{draft}/save", data={"on": "0"}).status_code == 303
    assert api.get(f"{RULES}{rule['id']}/").json["is_active"] is False


def test_a_new_rule_of_the_form_that_could_never_work_is_kept_as_a_draft(
    app: Flask, session: Session, people: People
) -> None:
    browser = browser_of(app, session, people.owner)
    draft = browser.post("/rules/new", data={"name": "Never"}).location.rpartition("/")[0]
    never = {"field": "volume", "operator": "between", "value": [9, 3]}
    rule = {"site": None, "sector": None, "description": "", "trigger_options": {}, "mode": "live", "split_by": "none",
            "record_minimum": 1, "batching": "batch", "repeat": "once", "repeat_after_days": None, "overlap": "skip",
            "catch_up": "latest", "catch_up_hours": 12, "when_limited": None, "priority": 5, "monthly_budget": None,
            "max_executions_per_day": 10, "credit_limit_per_execution": 100, "record_limit": 50}  # fmt: skip
    rule |= NIGHTLY | {"conditions": {"all": [never, {"field": "volume", "operator": "eq", "value": 1}]}}
    for step, pairs in steps_of_rule(rule, Choices()).items():
        browser.post(f"{draft}/{step}", data=form_data(pairs))
    assert browser.post(f"{draft}/save", data={"on": "1"}).status_code in (409, 422)
    assert session.scalars(select(AutomationRule)).all() == []
    assert browser.get(f"{draft}/check", follow_redirects=True).status_code == 200
