"""How long credits last, over REST: the figures of the credits page."""

from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.accounts.models import User
from app.business.automation.models import AutomationRule
from app.business.automation.services.forecast.outlook import look_ahead
from app.business.automation.services.triggering.rule_switch import switch
from tests.business.automation.forecast.past_use import make_steady_rule
from tests.factories import make_site
from tests.people import People, make_people, program_of

DAY = timedelta(days=1)
FORECAST = "/api/billing/forecast/"


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.viewer)


@pytest.fixture
def rule(session: Session, people: People) -> AutomationRule:
    return make_steady_rule(session, people.account)


@pytest.mark.both_databases
def test_it_says_what_the_page_draws(
    api: FlaskClient, session: Session, people: People, rule: AutomationRule
) -> None:
    said = api.get(FORECAST).json
    drawn = look_ahead(session, people.account, datetime.now(UTC)).forecast()
    assert said["timezone"] == people.account.timezone
    assert len(said["days"]) == 30
    assert [day["likely"] for day in said["days"]] == [round(point.likely) for point in drawn.points[:30]]
    assert said["credits_end_on"] == (drawn.runs_out and drawn.runs_out.isoformat())
    assert said["credits"] == 600
    (shown,) = said["rules"]
    assert (shown["automation_rule"], shown["credits"], shown["share"]) == (rule.id, 600, 1)
    assert (shown["used_lately"], shown["runs"]) == (560 - 20, 27)


def test_days_are_those_asked_for_and_the_use_is_theirs(api: FlaskClient, rule: AutomationRule) -> None:
    week, quarter = api.get(f"{FORECAST}?days=7").json, api.get(f"{FORECAST}?days=90").json
    assert (len(week["days"]), len(quarter["days"])) == (7, 90)
    assert (week["credits"], week["rules"][0]["credits"]) == (140, 140)
    last = date.fromisoformat(quarter["days"][-1]["date"])
    assert last - date.fromisoformat(quarter["from"]) == 89 * DAY
    assert date.fromisoformat(quarter["to"]) >= last
    assert quarter["days"][:7] == week["days"]
    for days in ("0", "91", "x"):
        assert api.get(f"{FORECAST}?days={days}").status_code == 400


def test_a_change_can_be_tried_and_is_not_saved(
    api: FlaskClient, session: Session, people: People, rule: AutomationRule
) -> None:
    assert api.get(f"{FORECAST}?off={rule.id}").json["credits"] == 0
    assert api.get(f"{FORECAST}?double={rule.id}").json["credits"] == 1200
    assert api.get(f"{FORECAST}?half={rule.id}").json["credits"] == 300
    refused = api.get(f"{FORECAST}?off={rule.id}&double={rule.id}")
    assert (refused.status_code, "Try one change" in refused.text) == (400, True)
    switch(session, rule, False, datetime.now(UTC))
    session.commit()
    assert api.get(FORECAST).json["rules"][0]["is_active"] is False
    assert api.get(f"{FORECAST}?on={rule.id}").json["credits"] == 600


def test_people_limited_to_sites_see_no_credits_of_the_account(
    app: Flask, session: Session, people: People
) -> None:
    site = make_site(session, people.account)
    session.get_one(User, people.viewer.id).site_ids = [site.id]
    session.commit()
    assert program_of(app, session, people.viewer).get(FORECAST).status_code == 403
