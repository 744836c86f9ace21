"""The list of rules, one rule, its switch, test, start by hand and versions."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleRecord, RuleVersion
from app.business.automation.run_models import ScheduledTask
from app.business.planner.models import Keyword
from tests.factories import NOW, make_keyword, make_sector, make_site
from tests.modules.automation_pages import ON_KEYWORDS, make_rule, make_run
from tests.people import People, browser_of, make_people


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def owner(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.owner)


@pytest.fixture
def keyword(session: Session, people: People) -> Keyword:
    keyword = make_keyword(
        session, make_sector(session, make_site(session, people.account)), text="iron pan", volume=900
    )
    session.commit()
    return keyword


def test_a_rule_reads_as_a_sentence(owner: FlaskClient, session: Session, people: People) -> None:
    rule = make_rule(session, people.account)
    run = make_run(session, rule, "completed")
    for page in ("/rules", f"/rules/{rule.id}", f"/runs/{run.id}", "/history"):
        text = owner.get(page).text
        assert "Every day at 02:30 Europe/Berlin" in text
        assert "volume is at least 100" in text


def test_the_list_narrows_by_state_trigger_and_text(
    owner: FlaskClient, session: Session, people: People
) -> None:
    make_rule(session, people.account, is_active=False)
    make_rule(
        session, people.account, **ON_KEYWORDS | {"record_type": None, "conditions": {}, "schedule": {}}
    )
    assert "Mark brands" not in owner.get("/rules?state=off").text
    assert "Nightly" not in owner.get("/rules?trigger=keyword_added").text
    assert "Nightly" in owner.get("/rules?text=nightly").text
    assert "No rule fits this filter" in owner.get("/rules?state=archived").text


def test_a_rule_that_waits_for_another_names_it(owner: FlaskClient, session: Session, people: People) -> None:
    first = make_rule(session, people.account)
    tell = {
        "actions": [{"type": "notify", "params": {"message": "x"}}],
        "record_type": None,
        "conditions": {},
    }
    after = {"trigger": "run_finished", "trigger_options": {"rule_id": first.id}, "schedule": {}}
    rule = make_rule(session, people.account, name="After", **tell, **after)
    for page in ("/rules", f"/rules/{rule.id}"):
        assert "When a run of “Nightly clusters” has ended" in owner.get(page).text


def test_the_switch_turns_a_schedule_off_and_on(owner: FlaskClient, session: Session, people: People) -> None:
    rule = make_rule(session, people.account)
    for on in (0, 1):
        assert owner.post(f"/rules/{rule.id}/switch", data={"on": on}).status_code == 303
        session.expire_all()
        assert session.get_one(AutomationRule, rule.id).is_active == bool(on)


def test_switching_an_event_rule_on_asks_about_existing_records(
    owner: FlaskClient, session: Session, people: People, keyword: Keyword
) -> None:
    off = ON_KEYWORDS | {"record_type": None, "conditions": {}, "schedule": {}, "is_active": False}
    rule = make_rule(session, people.account, **off)
    assert "start with the 1 keyword already here" in owner.get(f"/rules/{rule.id}/switch").text
    owner.post(f"/rules/{rule.id}/switch", data={"on": 1, "backfill": 1})
    assert session.scalars(select(ScheduledTask.cause)).all() == ["backfill"]


def test_archiving_keeps_the_rule_and_restoring_brings_it_back_off(
    owner: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account)
    owner.post(f"/rules/{rule.id}/archive")
    assert "rule_1" not in owner.get("/rules").text
    assert "This rule is archived" in owner.get(f"/rules/{rule.id}").text
    owner.post(f"/rules/{rule.id}/restore")
    session.expire_all()
    assert not session.get_one(AutomationRule, rule.id).is_active


def test_a_test_shows_every_check_with_its_values_and_writes_nothing(
    owner: FlaskClient, session: Session, people: People, keyword: Keyword
) -> None:
    rule = make_rule(session, people.account)
    before = session.scalar(select(func.count(ScheduledTask.id)))
    text = owner.get(f"/rules/{rule.id}/test").text
    assert "It would run" in text
    assert "found 900" in text
    assert "Group keywords into clusters" in text
    assert session.scalar(select(func.count(ScheduledTask.id))) == before


def test_a_manual_start_shows_price_and_what_is_left_today(
    owner: FlaskClient, session: Session, people: People, keyword: Keyword
) -> None:
    rule = make_rule(session, people.account)
    text = owner.get(f"/rules/{rule.id}/run").text
    assert "10 of 10" in text
    assert "1 keyword, 1 credit in 1 run." in text
    assert 'name="max_credits" value="1"' in text
    data = {"how": "chosen", "records": keyword.id}
    location = owner.post(f"/rules/{rule.id}/run", data=data).location
    assert "Started by" in owner.get(location).text


def test_a_rule_that_is_off_runs_only_when_that_is_confirmed(
    owner: FlaskClient, session: Session, people: People, keyword: Keyword
) -> None:
    rule = make_rule(session, people.account, is_active=False)
    refused = owner.post(f"/rules/{rule.id}/run", data={"how": "matching"})
    assert refused.status_code == 422
    assert "Tick this to run it although it is off." in refused.text
    taken = owner.post(f"/rules/{rule.id}/run", data={"how": "matching", "even_if_off": "y"})
    assert taken.status_code == 303


def test_an_operator_may_not_start_what_costs_too_much(
    app: Flask, session: Session, people: People, keyword: Keyword
) -> None:
    rule = make_rule(session, people.account, credit_limit_per_execution=500)
    people.account.operator_credit_limit = 0
    session.commit()
    operator = browser_of(app, session, people.operator)
    answer = operator.post(f"/rules/{rule.id}/run", data={"how": "matching"})
    assert answer.status_code == 403
    assert "This start may cost up to 1 credit with all that follows" in answer.text
    assert operator.post(f"/rules/{rule.id}/switch", data={"on": 0}).status_code == 403


def test_an_old_version_shows_what_it_changed_and_is_restored(
    owner: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account)
    owner.post(f"/rules/{rule.id}/switch", data={"on": 0})
    assert "Switched on" in owner.get(f"/rules/{rule.id}/versions/2").text
    owner.post(f"/rules/{rule.id}/versions/1/restore")
    session.expire_all()
    assert session.get_one(AutomationRule, rule.id).is_active is False
    assert session.scalar(select(func.count(RuleVersion.id))) == 2


def test_records_set_aside_are_named_and_released(
    owner: FlaskClient, session: Session, people: People, keyword: Keyword
) -> None:
    rule = make_rule(session, people.account)
    run = make_run(session, rule, "failed", reason="timed_out")
    session.add(
        RuleRecord(
            account_id=rule.account_id, rule_id=rule.id, record_type="keyword", record_id=keyword.id,
            state="set_aside", run_id=run.id, failures=3, updated_at=NOW,
        )
    )  # fmt: skip
    session.commit()
    assert "iron pan" in owner.get(f"/rules/{rule.id}").text
    owner.post(f"/rules/{rule.id}/give-back")
    session.expire_all()
    assert session.scalars(select(RuleRecord.state)).all() == ["free"]
