"""The preflight check on pages and in the API, and that a rule with blocking findings cannot be switched on."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleDraft
from tests.modules.automation_pages import ON_KEYWORDS, counted, make_rule, ring_of
from tests.modules.automation_rest import RULES
from tests.modules.rule_form_answers import ROW, begin, up_to_check
from tests.modules.rule_form_answers import answer as answer_steps
from tests.people import People, browser_of, make_people, program_of

EVENT: dict[str, Any] = {"record_type": None, "conditions": {}, "schedule": {}}
NEVER = {"conditions": {"field": "volume", "operator": "lt", "value": 0}}
NEVER_SAID = "Condition 1 can never hold: volume is below 0."
NOTHING = "Checked: nothing stands in its way."


@pytest.fixture
def people(session: Session) -> People:
    people = make_people(session)
    people.account.daily_ceiling = 100
    session.commit()
    return people


@pytest.fixture
def editor(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.editor)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.editor)


def is_on(session: Session, rule_id: int) -> bool:
    session.expire_all()
    return session.get_one(AutomationRule, rule_id).is_active


def test_a_hopeless_rule_stays_off_and_the_page_says_why(
    editor: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account, is_active=False, **NEVER)
    refused = editor.post(f"/rules/{rule.id}/switch", data={"on": 1})
    assert refused.status_code == 409
    for text in (refused.text, editor.get(f"/rules/{rule.id}/switch").text):
        assert "It cannot be switched on like this" in text
        assert NEVER_SAID in text
        assert 'name="on"' not in text
    assert not is_on(session, rule.id)


def test_a_good_rule_is_switched_on_with_one_press(
    editor: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account, is_active=False)
    assert NOTHING in editor.get(f"/rules/{rule.id}/switch").text
    assert editor.post(f"/rules/{rule.id}/switch", data={"on": 1}).status_code == 303
    assert is_on(session, rule.id)


def test_a_warning_is_shown_and_does_not_forbid(
    editor: FlaskClient, session: Session, people: People
) -> None:
    write = {"trigger": "content_generated", "actions": [{"type": "generate_content", "params": {}}]}
    rule = make_rule(session, people.account, **EVENT | write, name="Write again", is_active=False)
    page = editor.get(f"/rules/{rule.id}/switch").text
    assert "“Write again” would start itself again: it writes content, and that is what it waits for." in page
    assert editor.post(f"/rules/{rule.id}/switch", data={"on": 1}).status_code == 303
    assert is_on(session, rule.id)
    assert "would start itself again" in editor.get(f"/rules/{rule.id}").text


@pytest.mark.parametrize("who", ["owner", "editor", "operator", "viewer"])
def test_everybody_who_sees_a_rule_sees_its_loop(
    app: Flask, session: Session, people: People, who: str
) -> None:
    rules = ring_of(session, people, 10)
    text = browser_of(app, session, getattr(people, who)).get(f"/rules/{rules[0].id}").text
    names = " → ".join(f"“Rule {number}”" for number in [*range(10), 0])
    assert f"These 10 rules would start one another without end: {names}." in text
    assert text.count('class="loop-box') == 10
    assert text.count('class="loop-arrow"') == 10
    assert f'<a href="/rules/{rules[9].id}">Rule 9</a>: its run ends, which starts “Rule 0” again.' in text


def test_the_rule_page_asks_no_more_the_more_rules_there_are(
    editor: FlaskClient, session: Session, people: People
) -> None:
    rules = ring_of(session, people, 2)
    # Whoever is new to a process is read twice.
    editor.get(f"/rules/{rules[0].id}")
    with counted() as few:
        editor.get(f"/rules/{rules[0].id}")
    ring_of(session, people, 12)
    with counted() as many:
        editor.get(f"/rules/{rules[0].id}")
    assert len(many) == len(few)


def test_a_rule_page_without_findings_shows_none(
    editor: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account)
    archived = make_rule(session, people.account, is_active=False, **NEVER)
    editor.post(f"/rules/{archived.id}/archive")
    for found in (rule, archived):
        assert 'id="preflight"' not in editor.get(f"/rules/{found.id}").text


def test_the_last_step_shows_the_findings(editor: FlaskClient) -> None:
    assert NOTHING in editor.get(f"{up_to_check(editor)}/check").text


def test_the_form_saves_a_hopeless_rule_switched_off_only(editor: FlaskClient, session: Session) -> None:
    draft = up_to_check(editor)
    row = ROW | {"c0-operator": "lt", "c0-value": "0"}
    answer_steps(editor, draft, ("which", {"record_type": "keyword", "record_minimum": "1"} | row))
    page = editor.get(f"{draft}/check").text
    assert NEVER_SAID in page
    assert f'<a href="{draft}/which">Change it</a>' in page
    assert "Save and switch on" not in page
    refused = editor.post(f"{draft}/save", data={"on": "1"})
    assert refused.status_code == 409
    assert NEVER_SAID in refused.text
    assert session.scalars(select(AutomationRule)).all() == []
    assert editor.post(f"{draft}/save", data={"on": "0"}).status_code == 303
    assert session.scalars(select(AutomationRule.is_active)).all() == [False]
    assert session.scalars(select(RuleDraft)).all() == []


def test_an_unfinished_draft_gets_no_preflight_check(editor: FlaskClient, session: Session) -> None:
    draft = begin(editor)
    page = editor.get(f"{draft}/check", follow_redirects=True)
    assert page.status_code == 200
    assert NOTHING not in page.text


def test_a_program_is_refused_with_the_fields(api: FlaskClient, session: Session, people: People) -> None:
    rule = make_rule(session, people.account, is_active=False, **NEVER)
    for answer in (
        api.post(f"{RULES}{rule.id}/enable/"),
        api.patch(f"{RULES}{rule.id}/", json={"is_active": True}),
    ):
        assert answer.status_code == 409
        assert answer.content_type == "application/problem+json"
        assert answer.json["errors"]["conditions"][0].startswith(NEVER_SAID)
    assert not is_on(session, rule.id)
    assert api.patch(f"{RULES}{rule.id}/", json={"name": "Later"}).status_code == 200


def test_a_program_may_request_the_preflight_check(
    api: FlaskClient, session: Session, people: People
) -> None:
    never = make_rule(session, people.account, is_active=False, **NEVER)
    found = api.post(f"{RULES}{never.id}/preflight/").json
    assert found["can_enable"] is False
    assert found["findings"][0] == {
        "code": "conditions_never",
        "level": "stop",
        "message": NEVER_SAID,
        "advice": "Change or remove one of them; as it is, the rule would never do anything.",
        "field": "conditions",
        "loop": [],
    }
    first, second = ring_of(session, people, 2)
    found = api.post(f"{RULES}{first.id}/preflight/").json
    assert found["can_enable"] is True
    assert found["findings"][0]["loop"] == [
        {"rule": first.id, "name": "Rule 0", "what": "its run ends"},
        {"rule": second.id, "name": "Rule 1", "what": "its run ends"},
    ]


def test_the_preflight_check_needs_an_operator_of_the_account(
    app: Flask, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account, **ON_KEYWORDS | EVENT)
    asked = f"{RULES}{rule.id}/preflight/"
    assert program_of(app, session, people.operator).post(asked).json == {"can_enable": True, "findings": []}
    assert program_of(app, session, people.viewer).post(asked).status_code == 403
    assert program_of(app, session, people.stranger).post(asked).status_code == 404
    assert program_of(app, session, people.operator).post(asked, json={"x": 1}).status_code == 422
