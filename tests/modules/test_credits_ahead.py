"""The outlook on the credits page, and the effect shown before a paid rule is switched on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AuditEntry, Role
from app.business.accounts.services.notices import add_notice, settle_notice
from app.business.automation.models import AutomationRule
from app.business.automation.services.forecast.credit_watch import RUN_OUT
from app.business.automation.services.triggering.rule_switch import switch
from tests.business.automation.forecast.past_use import make_paid_rule, make_steady_rule, use
from tests.factories import make_cluster, make_sector, make_site
from tests.modules.automation_pages import counted
from tests.people import People, browser_of, make_people

DAY = timedelta(days=1)


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def owner(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.owner)


@pytest.fixture
def rule(session: Session, people: People) -> AutomationRule:
    return make_steady_rule(session, people.account)


def test_everyone_sees_when_credits_run_out_and_who_uses_them(
    app: Flask, session: Session, people: People, rule: AutomationRule
) -> None:
    text = browser_of(app, session, people.viewer).get("/credits").text
    assert "Credits at each day&#39;s end" in text
    assert "560" in text
    assert "Ideas at once" in text
    assert "100\u00a0%" in text


def test_a_change_can_be_tried_and_nothing_is_saved(
    owner: FlaskClient, session: Session, rule: AutomationRule
) -> None:
    tried = owner.get(f"/credits?rule-{rule.id}=off").text
    assert "No rule uses credits at present" in tried
    assert "nothing is saved" in tried
    assert '<option value="off" selected>' in tried
    assert rule.is_active
    assert "about 1,200" in owner.get(f"/credits?rule-{rule.id}=double").text
    assert "about 300" in owner.get(f"/credits?rule-{rule.id}=half").text


def test_a_rule_that_is_off_can_be_tried_on(
    owner: FlaskClient, session: Session, rule: AutomationRule
) -> None:
    switch(session, rule, False, datetime.now(UTC))
    session.commit()
    assert "No rule uses credits at present" in owner.get("/credits").text
    assert "about 600" in owner.get(f"/credits?rule-{rule.id}=on").text


def test_htmx_gets_only_the_part_that_changed(owner: FlaskClient, rule: AutomationRule) -> None:
    wants = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#forecast"}
    part = owner.get(f"/credits?rule-{rule.id}=half", headers=wants).text
    assert part.lstrip().startswith('<div id="forecast"')
    assert "Latest entries" not in part


@pytest.mark.parametrize(
    "query", ["rule-1=nonsense", "rule-x=off", "rule-99999999999999999999=off", "rule-=off", "rule-²=off"]
)
def test_invalid_parameters_are_ignored(owner: FlaskClient, rule: AutomationRule, query: str) -> None:
    answer = owner.get(f"/credits?{query}")
    assert answer.status_code == 200
    assert "nothing is saved" not in answer.text


def test_rules_of_another_account_are_neither_shown_nor_tried(
    app: Flask, session: Session, people: People, rule: AutomationRule
) -> None:
    text = browser_of(app, session, people.stranger).get(f"/credits?rule-{rule.id}=off").text
    assert "Ideas at once" not in text
    assert "nothing is saved" not in text


def test_an_account_without_rules_plan_or_credits_has_its_page(
    owner: FlaskClient, session: Session, people: People
) -> None:
    assert "No rule uses credits at present" in owner.get("/credits").text
    people.account.plan_id = None
    session.commit()
    assert owner.get("/credits").status_code == 200


def test_the_outlook_takes_few_queries(owner: FlaskClient, rule: AutomationRule) -> None:
    wants = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#forecast"}
    with counted() as statements:
        owner.get("/credits", headers=wants)
    assert len(statements) <= 7


def test_the_dashboard_warns_while_credits_will_not_last(
    owner: FlaskClient, session: Session, people: People, rule: AutomationRule
) -> None:
    assert "Credits will run out" not in owner.get("/").text
    now = datetime.now(UTC)
    say = {
        "account_id": people.account.id,
        "level": "warning",
        "title": "Credits will run out about Thu 3 Dec",
    }
    add_notice(session, **say, body="", key=RUN_OUT, role=Role.EDITOR, now=now)
    session.commit()
    assert "Credits will run out about Thu 3 Dec" in owner.get("/").text
    settle_notice(session, people.account.id, RUN_OUT, now)
    session.commit()
    assert "Credits will run out" not in owner.get("/").text


def test_budgets_show_their_use(owner: FlaskClient, session: Session, people: People) -> None:
    now = datetime.now(UTC)
    people.account.daily_ceiling = 200
    site = make_site(session, people.account, name="Kaffeewerk", monthly_budget=300)
    rule = make_paid_rule(session, people.account, now - DAY, site=site.id, monthly_budget=50)
    use(session, rule, 40, now)
    session.commit()
    text = owner.get("/credits").text
    for shown in ("40 of 200 credits today", "40 of 300 credits this month", "40 of 50 credits this month"):
        assert shown in text


def paid(session: Session, account: Account, **values: Any) -> AutomationRule:
    rule = make_paid_rule(session, account, datetime.now(UTC), is_active=False, **values)
    session.commit()
    return rule


def test_switching_a_paid_rule_on_shows_what_it_adds(
    owner: FlaskClient, session: Session, people: People
) -> None:
    sector = make_sector(session, make_site(session, people.account))
    for _ in range(28):
        make_cluster(session, sector, created_at=datetime.now(UTC) - 2 * DAY)
    rule = paid(session, people.account, credit_limit_per_execution=40, max_executions_per_day=3)
    writes = [{"type": "generate_content", "params": {}}]
    make_paid_rule(session, people.account, datetime.now(UTC), name="Tasks", trigger="idea_created",
                   actions=[{"type": "create_tasks", "params": {}}])  # fmt: skip
    make_paid_rule(session, people.account, datetime.now(UTC), name="Drafts", trigger="task_created", actions=writes,
                   credit_limit_per_execution=20, max_executions_per_day=2)  # fmt: skip
    session.commit()
    text = owner.get(f"/rules/{rule.id}/switch").text
    # 28 clusters in 28 days at five credits; its limits pay for 120 a day, and those of the rule it leads to for 40.
    assert "About 150 credits" in text
    assert "160 credits" in text
    assert "which it starts" in text


def test_the_switch_of_a_paid_schedule_asks_first_and_that_of_a_free_one_does_not(
    owner: FlaskClient, session: Session, people: People
) -> None:
    daily = {"trigger": "schedule", "schedule": {"cron": "0 2 * * *"}, "record_type": "cluster"}
    rule = paid(session, people.account, **daily)
    free = paid(
        session, people.account, **daily | {"actions": [{"type": "notify", "params": {"message": "Hi"}}]}
    )
    page = owner.get("/rules").text
    forms = {rule_id: page.partition(f'id="rule_switch_{rule_id}"')[2][:80] for rule_id in (rule.id, free.id)}
    assert 'method="get"' in forms[rule.id]
    assert 'method="post"' in forms[free.id]
    assert "One day costs at most" in owner.get(f"/rules/{rule.id}/switch").text


def test_the_first_paid_rule_proposes_a_daily_ceiling_to_owners(
    app: Flask, owner: FlaskClient, session: Session, people: People
) -> None:
    rule = paid(session, people.account)
    assert "at most 200 credits a day" in owner.get(f"/rules/{rule.id}/switch").text
    editor = browser_of(app, session, people.editor)
    assert "at most 200 credits a day" not in editor.get(f"/rules/{rule.id}/switch").text
    editor.post(f"/rules/{rule.id}/switch", data={"on": 1, "ceiling": 1})
    session.refresh(people.account)
    assert people.account.daily_ceiling is None
    editor.post(f"/rules/{rule.id}/switch", data={"on": 0})
    owner.post(f"/rules/{rule.id}/switch", data={"on": 1, "ceiling": 1})
    session.refresh(people.account)
    assert people.account.daily_ceiling == 200
    assert "account.changed" in session.scalars(select(AuditEntry.action)).all()
    second = paid(session, people.account)
    assert "at most 200 credits a day" not in owner.get(f"/rules/{second.id}/switch").text


def test_an_owner_may_decline_the_ceiling(owner: FlaskClient, session: Session, people: People) -> None:
    rule = paid(session, people.account)
    owner.post(f"/rules/{rule.id}/switch", data={"on": 1})
    session.refresh(people.account)
    assert people.account.daily_ceiling is None


def test_the_last_step_of_the_form_shows_it_too_and_sets_the_ceiling(
    owner: FlaskClient, session: Session, people: People
) -> None:
    rule = paid(session, people.account)
    step = owner.post(f"/rules/{rule.id}/edit").location
    text = owner.get(step).text
    assert "One day costs at most" in text
    assert "at most 200 credits a day" in text
    owner.post(step.replace("/check", "/save"), data={"on": "1", "ceiling": "1"})
    session.refresh(people.account)
    session.refresh(rule)
    assert (people.account.daily_ceiling, rule.is_active) == (200, True)
