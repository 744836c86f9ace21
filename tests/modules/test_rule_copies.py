"""Copies of rules, and rules from the starter set."""

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.business.accounts.models import AuditEntry
from app.business.automation.models import AutomationRule, RuleDraft
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.transfer.templates import TEMPLATES, Template
from app.business.planner.models import Sector
from tests.factories import make_sector, make_site
from tests.modules.automation_pages import make_rule
from tests.modules.automation_rest import RULES
from tests.people import People, browser_of, make_people, program_of


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def editor(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.editor)


def rules(session: Session) -> list[AutomationRule]:
    session.expire_all()
    return list(session.scalars(select(AutomationRule).order_by(AutomationRule.id)))


def test_a_copy_says_the_same_is_off_and_has_a_name_of_its_own(
    editor: FlaskClient, session: Session, people: People
) -> None:
    original = make_rule(session, people.account)
    for _ in range(2):
        assert editor.post(f"/rules/{original.id}/copy").status_code == 303
    found = rules(session)
    assert [rule.name for rule in found[1:]] == ["Copy of Nightly clusters", "Copy of Nightly clusters (2)"]
    kept = {"name": "", "is_active": None}
    assert definition_of(found[1]) | kept == definition_of(original) | kept
    assert [rule.is_active for rule in found] == [True, False, False]
    entry = session.scalars(select(AuditEntry).where(AuditEntry.subject_id == found[1].id)).one()
    assert (entry.action, entry.user_id) == ("rule.created", people.editor.id)
    assert entry.data == {"version": 1, "copy_of": original.id}


def test_a_long_name_is_shortened(editor: FlaskClient, session: Session, people: People) -> None:
    original = make_rule(session, people.account, name="n" * 255)
    editor.post(f"/rules/{original.id}/copy")
    assert rules(session)[1].name == "Copy of " + "n" * 247


def test_an_unreadable_rule_is_copied_into_the_form(
    editor: FlaskClient, session: Session, people: People
) -> None:
    sector = make_sector(session, make_site(session, people.account))
    rule = make_rule(session, people.account, site=sector.site_id, sector=sector.id, is_active=False)
    rule.sector_id = None
    rule.conditions = {"field": "no_such", "operator": "eq", "value": 1}
    session.execute(delete(Sector))
    session.commit()
    answer = editor.post(f"/rules/{rule.id}/copy")
    assert "/rules/drafts/" in answer.location
    assert "needs repair" in editor.get(answer.location, follow_redirects=True).text
    assert len(rules(session)) == 1


def test_a_program_makes_a_copy(app: Flask, session: Session, people: People) -> None:
    rule = make_rule(session, people.account)
    answer = program_of(app, session, people.editor).post(f"{RULES}{rule.id}/copy/")
    assert (answer.status_code, answer.json["name"]) == (201, "Copy of Nightly clusters")
    assert answer.json["is_active"] is False
    assert answer.location.endswith(f"{RULES}{answer.json['id']}/")


def test_permissions_of_copies(app: Flask, session: Session, people: People) -> None:
    rule = make_rule(session, people.account)
    assert browser_of(app, session, people.operator).post(f"/rules/{rule.id}/copy").status_code == 403
    assert browser_of(app, session, people.stranger).post(f"/rules/{rule.id}/copy").status_code == 404
    assert program_of(app, session, people.stranger).post(f"{RULES}{rule.id}/copy/").status_code == 404
    assert len(rules(session)) == 1


def test_the_starter_set_shows_each_rule_as_a_sentence_with_its_price(
    editor: FlaskClient, people: People
) -> None:
    text = editor.get("/rules/templates").text
    for entry in TEMPLATES:
        assert entry.name in text
    assert "5 credits for every 5 ideas of a cluster, rounded up. One run costs at most 50 credits." in text
    assert "/rules/templates" in editor.get("/rules").text
    assert "/rules/templates" in editor.get("/rules/new").text


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda entry: entry.key)
def test_a_chosen_template_is_a_draft_that_can_be_saved_as_it_is(
    editor: FlaskClient, session: Session, people: People, template: Template
) -> None:
    location = editor.post(f"/rules/templates/{template.key}").location
    assert location.endswith("/where")
    assert "Where may it work?" in editor.get(location).text
    assert rules(session) == []
    draft = location.rpartition("/")[0]
    data = {"on": "0"} | ({"practice": "y"} if template.rule.get("mode") == "shadow" else {})
    assert editor.post(f"{draft}/save", data=data).status_code == 303
    saved = definition_of(rules(session)[0])
    assert saved == template.definition(people.account.timezone).model_dump(mode="json")


def test_viewers_see_templates_and_cannot_use_them(app: Flask, session: Session, people: People) -> None:
    viewer = browser_of(app, session, people.viewer)
    page = viewer.get("/rules/templates")
    assert page.status_code == 200
    assert "Use this" not in page.text
    assert viewer.post("/rules/templates/credits-low").status_code == 403
    assert browser_of(app, session, people.editor).post("/rules/templates/none-such").status_code == 404
    assert session.scalars(select(RuleDraft)).all() == []


def test_a_template_that_is_filled_in_leads_straight_to_the_summary(editor: FlaskClient) -> None:
    location = str(editor.post(f"/rules/templates/{TEMPLATES[0].key}").location)
    form = BeautifulSoup(editor.get(location).text, "html.parser").select_one(".wizard-form")
    assert form is not None
    main, by_enter = form.select_one("button.is-primary"), form.select_one("button")
    for button in (main, by_enter):
        assert button is not None
        assert (button["name"], button["value"]) == ("go", "check")
    assert form.find("button", string="Next")
