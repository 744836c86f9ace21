"""A practice run is "Practised" wherever a state is shown, counted or filtered; the API keeps its own words."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask
from app.business.planner.models import Keyword
from tests.business.automation.machine import Machine
from tests.factories import make_keyword, make_sector, make_site
from tests.modules.automation_pages import make_rule, make_run
from tests.people import People, browser_of, make_people

SKIPPED = "Skipped</span>"


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def owner(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.owner)


@pytest.fixture
def rule(session: Session, people: People) -> AutomationRule:
    return make_rule(session, people.account, name="Tries only", mode="shadow")


@pytest.fixture
def run(session: Session, people: People, rule: AutomationRule) -> ScheduledTask:
    """A practice run, as the engine creates it."""
    make_keyword(session, make_sector(session, make_site(session, people.account)), volume=500)
    return Machine(session, now=datetime.now(UTC)).run_now(rule)


def test_every_page_that_shows_its_state_says_practised(
    owner: FlaskClient, session: Session, rule: AutomationRule, run: ScheduledTask
) -> None:
    why = f"/why/keyword/{session.scalars(select(Keyword.id)).one()}"
    for page in (
        "/", "/history", "/history?status=practised", f"/history?rule={rule.id}&reason=shadow", "/rules",
        f"/rules/{rule.id}", f"/runs/{run.id}", why, f"{why}/rule/{rule.id}",
    ):  # fmt: skip
        text = owner.get(page).text
        assert "Practised</span>" in text, page
        assert SKIPPED not in text, page
    assert "1 practised" in owner.get("/").text


def test_practised_and_skipped_are_filters_of_their_own(
    owner: FlaskClient, session: Session, rule: AutomationRule, run: ScheduledTask
) -> None:
    skipped = make_run(session, rule, "skipped", reason="conditions", error_message="No keyword matches.")
    shown = {
        state: [f"run_{each.id}" in owner.get(f"/history?status={state}").text for each in (run, skipped)]
        for state in ("practised", "skipped", "completed")
    }
    assert shown == {"practised": [True, False], "skipped": [False, True], "completed": [False, False]}
    answer = owner.get("/api/automation/scheduled-tasks/?status=skipped").get_json()
    assert {each["id"]: (each["status"], each["reason"]) for each in answer["results"]} == {
        run.id: ("skipped", "shadow"),
        skipped.id: ("skipped", "conditions"),
    }
