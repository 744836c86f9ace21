"""Why did nothing happen here? The pages from every record, and the REST API."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.unit_models import ActionRun
from app.business.planner.models import Keyword, Sector
from tests.factories import (
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)
from tests.modules.automation_pages import ON_KEYWORDS, make_rule, make_run
from tests.modules.automation_rest import RULES
from tests.people import People, browser_of, make_people, program_of

BIG = {"all": [{"field": "volume", "operator": "gte", "value": 500}]}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def viewer(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.viewer)


@pytest.fixture
def sector(session: Session, people: People) -> Sector:
    return make_sector(session, make_site(session, people.account))


@pytest.fixture
def keyword(session: Session, sector: Sector) -> Keyword:
    long_ago = datetime.now(UTC) - timedelta(days=3)
    keyword = make_keyword(
        session, sector, text="iron pan", volume=320, created_at=long_ago, updated_at=long_ago
    )
    session.commit()
    return keyword


@pytest.fixture
def rule(session: Session, people: People) -> AutomationRule:
    body: dict[str, Any] = ON_KEYWORDS | {"record_type": None, "schedule": {}, "conditions": BIG}
    return make_rule(session, people.account, **body)


def test_every_record_leads_to_the_question(viewer: FlaskClient, session: Session, sector: Sector) -> None:
    records = [
        make(session, sector) for make in (make_keyword, make_cluster, make_idea, make_task, make_content)
    ]
    session.commit()
    places = ("keywords", "clusters", "ideas", "tasks", "content")
    for record, place in zip(records, places, strict=True):
        address = f"/why/{record.__tablename__}/{record.id}"
        assert address in viewer.get(f"/{place}/{record.id}").text
        page = viewer.get(address)
        assert page.status_code == 200
        assert "No rule works on such records" in page.text


def test_all_rules_are_listed_with_what_excludes_the_record(
    viewer: FlaskClient, session: Session, people: People, keyword: Keyword, rule: AutomationRule
) -> None:
    make_rule(session, people.account, name="Off", is_active=False)
    text = viewer.get(f"/why/keyword/{keyword.id}").text
    assert "Mark brands" in text
    assert "It does not match the conditions now." in text
    assert "It would match if volume were at least 500 (it is 320)." in text
    assert "The rule is switched off." in text


def test_one_rule_shows_checks_conditions_and_what_happened(
    viewer: FlaskClient, session: Session, keyword: Keyword, rule: AutomationRule
) -> None:
    failed = {"status": "failed", "error_message": "The service was away.", "record_type": "keyword"}
    make_run(session, rule, **failed, detail={"records": [keyword.id]})
    text = viewer.get(f"/why/keyword/{keyword.id}/rule/{rule.id}").text
    for words in (
        "Taken, but the run failed: The service was away.",
        "It would match if volume were at least 500 (it is 320).",
        "found 320",
        "It does not match the conditions now.",
        "Version 1",
    ):
        assert words in text


def test_a_record_tells_what_made_it_and_what_that_cost(
    viewer: FlaskClient, session: Session, sector: Sector, rule: AutomationRule
) -> None:
    run = make_run(session, rule, "completed")
    ideas = [make_idea(session, sector, made_by_run_id=run.id) for _ in range(3)]
    unit = {"run_id": run.id, "step": 0, "type": "generate_ideas", "record_type": "cluster", "record_id": 1}
    session.add(ActionRun(account_id=rule.account_id, status="done", provider_key="k", credits=5,
                          made={"idea": [idea.id for idea in ideas]}, started_at=run.scheduled_at, **unit))  # fmt: skip
    session.commit()
    text = viewer.get(f"/ideas/{ideas[0].id}").text
    assert f"Run {run.id}" in text
    assert "version 1 (5 credits for 3 ideas)" in text


def test_a_program_asks_for_a_moment(
    app: Flask, session: Session, people: People, keyword: Keyword, rule: AutomationRule
) -> None:
    api = program_of(app, session, people.viewer)
    answer = api.get(f"{RULES}{rule.id}/why/?record_id={keyword.id}")
    assert answer.status_code == 200
    shown = answer.json
    assert (shown["verdict"], shown["happenings"], shown["then"]) == ("not_taken", [], None)
    assert shown["now"]["smallest_change"] == [
        {"field": "volume", "operator": "gte", "value": 500, "actual": 320, "wanted": True}
    ]
    assert shown["now"]["advice"] == "It would match if volume were at least 500 (it is 320)."
    assert {gate["gate"]: gate["result"] for gate in shown["gates"]}["conditions"] == "stop"
    at = quote((datetime.now(UTC)).isoformat())
    then = api.get(f"{RULES}{rule.id}/why/?record_id={keyword.id}&at={at}").json["then"]
    assert (then["source"], then["result"], then["rule_version"]) == ("unchanged", False, 1)


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("record_id=x", 400), ("record_id=99999", 404), ("record_id={id}&at=soon", 400),
     ("record_id={id}&at=2999-01-01T00:00:00Z", 400), ("record_id={id}&colour=red", 400)],
)  # fmt: skip
def test_a_question_that_cannot_be_answered_is_refused(
    app: Flask,
    session: Session,
    people: People,
    keyword: Keyword,
    rule: AutomationRule,
    query: str,
    status: int,
) -> None:
    api = program_of(app, session, people.viewer)
    assert api.get(f"{RULES}{rule.id}/why/?{query.format(id=keyword.id)}").status_code == status


def test_a_rule_without_records_has_no_such_question(
    app: Flask, session: Session, people: People, keyword: Keyword
) -> None:
    tell = {
        "actions": [{"type": "notify", "params": {"message": "x"}}],
        "record_type": None,
        "conditions": {},
    }
    rule = make_rule(session, people.account, **tell)
    api = program_of(app, session, people.viewer)
    assert api.get(f"{RULES}{rule.id}/why/?record_id={keyword.id}").status_code == 409
    assert (
        browser_of(app, session, people.viewer).get(f"/why/keyword/{keyword.id}/rule/{rule.id}").status_code
        == 404
    )


def test_foreign_rows_and_unknown_types_are_not_found(
    app: Flask, session: Session, people: People, keyword: Keyword, rule: AutomationRule
) -> None:
    stranger = browser_of(app, session, people.stranger)
    for path in (
        f"/why/keyword/{keyword.id}",
        f"/why/keyword/{keyword.id}/rule/{rule.id}",
        "/why/site/1",
        "/why/x/1",
    ):
        assert stranger.get(path).status_code == 404
    theirs = make_keyword(session, make_sector(session, make_site(session, people.account)))
    session.commit()
    api = program_of(app, session, people.stranger)
    assert api.get(f"{RULES}{rule.id}/why/?record_id={theirs.id}").status_code == 404
