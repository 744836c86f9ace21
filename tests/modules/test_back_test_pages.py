"""Back-testing a rule and making a practising one real: from the button to the report, by page and by API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.operation_models import Operation
from app.business.automation.services.operations import lifecycle
from app.business.automation.services.rules.versions import definition_of
from app.business.events import Origin
from app.business.planner.models import Keyword
from app.business.planner.services.keyword_service import add_keyword
from app.infrastructure.database import transaction
from app.infrastructure.messaging.automation_tasks import OPERATIONS
from app.infrastructure.messaging.engine import utc_now
from tests.business.automation.machine import Machine
from tests.factories import make_sector, make_site
from tests.modules.automation_pages import ON_KEYWORDS, make_rule
from tests.people import People, browser_of, make_people

LARGE = {"field": "volume", "operator": "gte", "value": 100}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def owner(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.owner)


@pytest.fixture
def keywords(session: Session, people: People) -> list[Keyword]:
    """Two created two days ago, with the volumes 900 and 5."""
    sector, at = (
        make_sector(session, make_site(session, people.account)),
        datetime.now(UTC) - timedelta(days=2),
    )
    fields = ({"text": "iron pan", "volume": 900}, {"text": "small pan", "volume": 5})
    added = [
        add_keyword(session, sector, values, origin=Origin(people.account.id), now=at) for values in fields
    ]
    session.commit()
    return added


@pytest.fixture
def rule(session: Session, people: People, keywords: list[Keyword]) -> AutomationRule:
    blank = {"record_type": None, "schedule": {}, "conditions": LARGE, "is_active": False}
    return make_rule(session, people.account, **blank | ON_KEYWORDS)


def executed(session: Session, address: str) -> Operation:
    """The operation of that page after a worker has executed it."""
    assert lifecycle.execute_next(transaction, OPERATIONS, utc_now)
    operation = session.get_one(Operation, int(address.rsplit("/", 1)[-1]))
    session.refresh(operation)
    assert operation.state == "done", operation.error_message
    return operation


def test_from_the_rule_to_the_report(owner: FlaskClient, session: Session, rule: AutomationRule) -> None:
    assert f"/rules/{rule.id}/past" in owner.get(f"/rules/{rule.id}").text
    assert "Days back" in owner.get(f"/rules/{rule.id}/past").text
    answer = owner.post(f"/rules/{rule.id}/past", data={"days": 7})
    assert answer.status_code == 303
    assert "Waiting for a free worker" in owner.get(answer.location).text
    executed(session, answer.location)
    page = owner.get(answer.location).text
    for words in (
        "It would have run once on 1 keyword, free of charge.",
        "iron pan",
        "Did not match",
        "keywords added",
    ):
        assert words in page
    assert "small pan" not in page
    assert "Conditions look at the keywords as they were when it happened." in page


@pytest.mark.parametrize("days", ["", "0", "91", "many"])
def test_a_wrong_number_of_days_is_refused_beside_the_field(
    owner: FlaskClient, rule: AutomationRule, days: str
) -> None:
    answer = owner.post(f"/rules/{rule.id}/past", data={"days": days})
    assert answer.status_code == 422
    assert "days-error" in answer.text


def test_a_change_is_tried_beside_the_saved_rule(
    owner: FlaskClient, session: Session, rule: AutomationRule
) -> None:
    address = owner.post(f"/rules/{rule.id}/edit").location
    draft = address.split("/")[-2]
    owner.post(f"/rules/drafts/{draft}/which", data={
        "c0-group": "0", "c0-field": "volume", "c0-operator": "lt", "c0-value": "100", "record_minimum": "1",
    })  # fmt: skip
    kept = owner.post(f"/rules/drafts/{draft}/check", data={"go": "try", "practice": "y"})
    assert kept.location == f"/rules/drafts/{draft}/past"
    assert "Your changes are tried beside the rule as it is saved" in owner.get(kept.location).text
    begun = owner.post(kept.location, data={"days": 30})
    executed(session, begun.location)
    page = owner.get(begun.location).text
    assert "It would now also take 1 keyword." in page
    assert "It would no longer take 1 keyword." in page
    assert f"/rules/drafts/{draft}/check" in page


def test_permissions_of_back_tests(
    app: Flask, session: Session, people: People, rule: AutomationRule
) -> None:
    operator = browser_of(app, session, people.operator)
    begun = operator.post(f"/rules/{rule.id}/past", data={"days": 7})
    assert begun.status_code == 303
    viewer = browser_of(app, session, people.viewer)
    assert viewer.post(f"/rules/{rule.id}/past", data={"days": 7}).status_code == 403
    assert viewer.get(begun.location).status_code == 200
    stranger = browser_of(app, session, people.stranger)
    assert stranger.get(begun.location).status_code == 404
    assert stranger.get(f"/rules/{rule.id}/past").status_code == 404


def test_by_api(owner: FlaskClient, session: Session, rule: AutomationRule) -> None:
    address = f"/api/automation/rules/{rule.id}/back-test/"
    changed = {name: value for name, value in definition_of(rule).items() if name != "conditions"}
    answer = owner.post(address, json={"days": 7, "definition": changed})
    assert answer.status_code == 202
    asked: dict[str, Any] = answer.get_json()
    assert (asked["kind"], asked["state"], asked["result"]) == ("back_test", "pending", {})
    executed(session, answer.location.rstrip("/"))
    found = owner.get(answer.location).get_json()
    assert [one["records"] for one in found["result"]["outcomes"]] == [2, 1]
    assert found["result"]["changes"]["more"] == 1
    assert owner.post(address, json={"days": 91}).status_code == 422
    assert owner.post(address, json={"definition": {"name": "x"}}).status_code == 422


def test_practice_is_reported_and_ended_by_one_button(
    owner: FlaskClient, session: Session, people: People, keywords: list[Keyword]
) -> None:
    blank = {"record_type": None, "schedule": {}, "conditions": LARGE, "mode": "shadow"}
    rule = make_rule(session, people.account, **blank | ON_KEYWORDS)
    # Rules take only events after their creation.
    rule.created_at = datetime.now(UTC) - timedelta(days=3)
    machine = Machine(session, now=datetime.now(UTC) - timedelta(hours=1))
    machine.settle()
    (run,) = [run for run in machine.runs() if run.reason == "shadow"]
    assert (run.record_count, run.result) == (1, {"would": {"records": 1, "left_over": 0, "credits": 0}})
    page = owner.get(f"/rules/{rule.id}").text
    assert "What practice shows" in page
    assert f"/history?rule={rule.id}&amp;status=practised" in page
    asked = owner.get(f"/rules/{rule.id}/real").text
    assert "Nothing: all its actions are free" in asked
    stale = owner.post(f"/rules/{rule.id}/real", data={"version": rule.version + 1})
    assert stale.status_code == 412
    done = owner.post(f"/rules/{rule.id}/real", data={"version": rule.version})
    assert done.status_code == 303
    session.refresh(rule)
    assert (rule.mode, rule.version) == ("live", 2)
    assert "What practice shows" not in owner.get(f"/rules/{rule.id}").text


def test_only_editors_make_it_real(
    app: Flask, session: Session, people: People, keywords: list[Keyword]
) -> None:
    rule = make_rule(session, people.account, mode="shadow")
    operator = browser_of(app, session, people.operator)
    assert "Make it real" not in operator.get(f"/rules/{rule.id}").text
    assert operator.post(f"/rules/{rule.id}/real", data={"version": 1}).status_code == 403
