"""The rule form in a real browser: with script, without it, and by axe-core."""

from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from tests.browser.conftest import serious_faults
from tests.browser.rule_form_walk import finish, tab_to, to_conditions
from tests.people import People
from tests.sampling import times

LOOKS = times(
    full=[("light", 1280), ("light", 390), ("dark", 1280), ("dark", 390)],
    sample=[("light", 1280), ("dark", 390)],
)


def test_a_rule_is_made_with_a_live_count(
    open_page: Any, people: People, session: Session, keywords: None
) -> None:
    page = open_page(people.editor)
    to_conditions(page)
    page.get_by_role("button", name="Add a condition").click()
    page.locator("#c0-field").select_option("volume")
    expect(page.locator("#c0-operator option[value=gte]")).to_have_count(1)
    page.locator("#c0-operator").select_option("gte")
    page.locator("#c0-value").fill("500")
    expect(page.locator("#match_preview")).to_contain_text("2 of 3 keywords match now")
    finish(page)
    rule = session.scalars(select(AutomationRule)).one()
    assert rule.conditions == {"all": [{"field": "volume", "operator": "gte", "value": 500}]}


def test_a_rule_is_made_without_script(open_page: Any, people: People, session: Session) -> None:
    page = open_page(people.editor, java_script_enabled=False)
    to_conditions(page)
    page.get_by_role("button", name="Add a condition").click()
    page.locator("#c0-field").select_option("volume")
    page.get_by_role("button", name="Show the inputs").click()
    page.locator("#c0-operator").select_option("gte")
    page.locator("#c0-value").fill("500")
    finish(page)
    assert session.scalars(select(AutomationRule)).one().conditions["all"][0]["value"] == 500


def test_the_browsers_back_keeps_what_was_typed(open_page: Any, people: People) -> None:
    page = open_page(people.editor)
    to_conditions(page)
    page.go_back()
    expect(page.get_by_role("heading", name="Where may it work?")).to_be_visible()
    page.go_back()
    expect(page.get_by_label("When keywords are added")).to_be_checked()


def test_nested_conditions_are_written_by_keyboard_alone(
    open_page: Any, people: People, session: Session, keywords: None
) -> None:
    page = open_page(people.editor, viewport={"width": 390, "height": 844}, bypass_csp=True)
    to_conditions(page)
    keys = page.keyboard
    tab_to(page, "g0-add")
    keys.press("Enter")
    expect(page.locator("#c0-field")).to_be_focused()
    keys.type("volume")
    expect(page.locator("#c0-operator option[value=gte]")).to_have_count(1)
    tab_to(page, "c0-operator")
    keys.type("is at least")
    tab_to(page, "c0-value")
    keys.type("500")
    tab_to(page, "g0-add-group")
    keys.press("Enter")
    expect(page.locator("#c1-field")).to_be_focused()
    tab_to(page, "c1-value")
    keys.type("9")
    tab_to(page, "g1-add")
    keys.press("Enter")
    expect(page.locator("#c2-field")).to_be_focused()
    tab_to(page, "c2-up")
    keys.press("Enter")
    expect(page.locator("#c2-up")).to_be_focused()
    tab_to(page, "c2-remove")
    keys.press("Enter")
    expect(page.locator("#g1-add")).to_be_focused()
    expect(page.locator("#match_preview")).to_contain_text("0 of 3 keywords match now")
    assert serious_faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    finish(page)
    words = {"field": "text", "operator": "eq", "value": "9", "ignore_case": True}
    volume = {"field": "volume", "operator": "gte", "value": 500}
    assert session.scalars(select(AutomationRule)).one().conditions == {"all": [volume, {"any": [words]}]}


def test_lists_show_what_the_rule_will_say(open_page: Any, people: People, keywords: None) -> None:
    """Inputs are replaced in place: an entry of the former questions must not stay chosen among the new ones."""
    page = open_page(people.editor)
    to_conditions(page)
    page.get_by_role("button", name="Add a condition").click()
    for field, first in (("intent", "eq"), ("labels", "contains"), ("handled_at", "not_handled_within")):
        page.locator("#c0-field").select_option(field)
        expect(page.locator("#c0-operator")).to_have_value(first)
    page.locator("#c0-field").select_option("volume")
    expect(page.locator("#c0-operator")).to_have_value("eq")
    page.locator("#c0-operator").select_option("gte")
    page.locator("#c0-value").fill("500")
    expect(page.locator("#match_preview")).to_contain_text("2 of 3 keywords match now")
    page.locator("#c0-remove").click()
    expect(page.locator("#match_preview")).to_contain_text("3 of 3 keywords match now")


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_pages_have_no_serious_fault(open_page: Any, people: People, width: int, scheme: str) -> None:
    size = {"width": width, "height": 900}
    page = open_page(people.owner, viewport=size, color_scheme=scheme, bypass_csp=True)
    for address in ("/", "/rules", "/history", "/my-work", "/notices", "/rules/new"):
        page.goto(address)
        assert serious_faults(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address
