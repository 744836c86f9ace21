"""No two rules of an account have the same name, and a name is visible on one line."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from tests.factories import make_site
from tests.modules.automation_pages import make_rule
from tests.modules.automation_rest import RULES, rule_body
from tests.people import People, browser_of, make_people, program_of

ALIKE = [
    "Nightly Clusters",
    "nightly clusters",
    "  NIGHTLY   clusters ",
    "Nightly\u00a0clusters",
    "Night\u200bly clusters",
]


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.owner)


@pytest.mark.parametrize("name", ALIKE)
def test_a_name_of_another_rule_is_refused(
    app: Flask, session: Session, people: People, api: FlaskClient, name: str
) -> None:
    first = api.post(RULES, json=rule_body(name="Nightly clusters")).json
    other = api.post(RULES, json=rule_body(name="Other")).json
    for answer in (
        api.post(RULES, json=rule_body(name=name)),
        api.patch(f"{RULES}{other['id']}/", json={"name": name}),
        api.put(f"{RULES}{other['id']}/", json=rule_body(name=name)),
    ):
        assert (answer.status_code, [*answer.json["errors"]]) == (422, ["name"]), answer.text
        assert "Another rule is called" in answer.json["errors"]["name"][0]
    browser = browser_of(app, session, people.owner)
    page = browser.post("/rules/new", data={"name": name})
    assert page.status_code == 422
    assert "Another rule is called" in page.text

    assert api.patch(f"{RULES}{first['id']}/", json={"name": name}).status_code == 200
    stranger = program_of(app, session, people.stranger)
    assert stranger.post(RULES, json=rule_body(name=name)).status_code == 201


def test_archived_rules_do_not_count_and_come_back_under_another_name(
    api: FlaskClient, session: Session
) -> None:
    first = api.post(RULES, json=rule_body(name="Nightly")).json
    assert api.delete(f"{RULES}{first['id']}/").status_code == 204
    assert api.post(RULES, json=rule_body(name="nightly")).status_code == 201
    rule = session.get_one(AutomationRule, first["id"])
    rule.archived_at = None
    with pytest.raises(IntegrityError):
        session.flush()
    session.rollback()


def test_a_restored_rule_gets_a_name_of_its_own(app: Flask, session: Session, people: People) -> None:
    browser = browser_of(app, session, people.owner)
    rule = make_rule(session, people.account, name="Nightly")
    browser.post(f"/rules/{rule.id}/archive")
    make_rule(session, people.account, name="NIGHTLY")
    assert browser.post(f"/rules/{rule.id}/restore").status_code == 303
    session.refresh(rule)
    assert (rule.name, rule.archived_at) == ("Nightly (2)", None)


@pytest.mark.parametrize(
    "name",
    ["", " ", "\t", "\u00a0", "\u2003", "\u200b", "\ufeff\u00ad", "\u200e", "a\u202eb", "a\u2066b", "a\u200fb", "a\nb",
     "a\tb", "a\x07b", "a\x7fb", "a\x85b", "a\u2028b"],
)  # fmt: skip
def test_a_name_is_visible_and_on_one_line(
    app: Flask, session: Session, people: People, api: FlaskClient, name: str
) -> None:
    answer = api.post(RULES, json=rule_body(name=name))
    assert (answer.status_code, [*answer.json["errors"]]) == (422, ["name"]), answer.text
    assert browser_of(app, session, people.owner).post("/rules/new", data={"name": name}).status_code == 422
    assert api.get(RULES).json["results"] == []


def test_a_schedule_without_a_zone_is_read_in_that_of_its_site_else_of_the_account(
    api: FlaskClient, session: Session, people: People
) -> None:
    people.account.timezone = "America/New_York"
    berlin = make_site(session, people.account, timezone="Europe/Berlin")
    plain = make_site(session, people.account)
    session.commit()
    daily = {"trigger": "schedule", "record_type": "keyword", "schedule": {"cron": "0 9 * * *"}}
    for number, (site, said, zone) in enumerate(
        [(berlin.id, {}, "Europe/Berlin"), (plain.id, {}, "America/New_York"), (None, {}, "America/New_York"),
         (berlin.id, {"timezone": "UTC"}, "UTC"), (None, {"timezone": None}, "America/New_York")]
    ):  # fmt: skip
        schedule = daily["schedule"] | said
        body = rule_body(name=f"Rule {number}", **daily | {"site": site, "schedule": schedule})
        saved = api.post(RULES, json=body)
        assert saved.status_code == 201, saved.text
        assert saved.json["schedule"]["timezone"] == zone
        renamed = api.patch(f"{RULES}{saved.json['id']}/", json={"name": f"Renamed {number}"}).json
        assert renamed["schedule"] == saved.json["schedule"]
    split = api.post(RULES, json=rule_body(name="Split", **daily, split_by="site")).json
    assert "timezone" not in split["schedule"]
    shown = api.post("/api/automation/preview/", json={"schedule": daily["schedule"], "count": 1}).json
    assert datetime.fromisoformat(shown["schedule"]["next"][0]).utcoffset() != datetime.now(UTC).utcoffset()
