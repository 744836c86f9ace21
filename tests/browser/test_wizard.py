"""The rule form in a real browser: with script, without it, and by axe-core."""

import time
from datetime import datetime
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleDraft
from app.business.automation.services.rules import rule_drafts
from tests.browser.conftest import serious_faults
from tests.factories import make_keyword, make_sector, make_site
from tests.people import People


@pytest.fixture
def keywords(session: Session, people: People) -> None:
    sector = make_sector(session, make_site(session, people.account))
    for volume in (100, 600, 900):
        make_keyword(session, sector, text=f"word {volume}", volume=volume)
    session.commit()


def go_on(page: Page) -> None:
    page.get_by_role("button", name="Next", exact=True).last.click()


def tab_to(page: Page, id: str) -> None:
    """Press the tabulator until that element has the focus."""
    for _ in range(60):
        if page.evaluate("document.activeElement.id") == id:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"The keyboard does not reach {id}.")


def to_conditions(page: Page) -> None:
    page.goto("/rules/new")
    page.get_by_label("Name", exact=True).fill("Easy words")
    go_on(page)
    page.get_by_label("When keywords are added").check()
    go_on(page)
    expect(page.get_by_role("heading", name="Where may it work?")).to_be_visible()
    go_on(page)
    expect(page.get_by_role("heading", name="Which records does it work on?")).to_be_visible()


def finish(page: Page) -> None:
    """From the conditions to the saved rule."""
    go_on(page)
    expect(page.get_by_role("heading", name="What does it do?")).to_be_visible()
    page.get_by_label("Action 1", exact=True).select_option("update_records")
    if page.get_by_role("button", name="Show the inputs").is_visible():
        page.get_by_role("button", name="Show the inputs").click()
    page.get_by_label("Labels to add").fill("easy")
    for _ in range(3):
        go_on(page)
    page.get_by_role("button", name="Save and switch on").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Easy words")


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
    """Inputs are renewed in place: an entry of the questions before must not stay chosen among the new ones."""
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


def test_an_answer_that_comes_late_takes_nothing_back(
    open_page: Any, people: People, session: Session, keywords: None
) -> None:
    """The answer to a chosen question is held back while a number is typed and a group is added."""
    page = open_page(people.editor)
    to_conditions(page)
    page.get_by_role("button", name="Add a condition").click()
    page.locator("#c0-field").select_option("volume")
    expect(page.locator("#c0-operator option[value=gte]")).to_have_count(1)
    page.locator("#c0-value").fill("400")
    held: list[Route] = []
    page.route("**/which", lambda route: held.append(route))
    page.locator("#c0-operator").select_option("gte")
    page.locator("#c0-value").fill("500")
    page.locator("#g0-add-group").click()
    page.locator("#c0-value").fill("600")
    page.locator("#g0-add-group").focus()
    late = held[:]
    page.route("**/which", lambda route: route.continue_())
    for route in reversed(late):
        route.continue_()
    expect(page.locator("#c1-field")).to_be_focused()
    expect(page.locator("#c0-value")).to_have_value("600")
    expect(page.locator("#c0-operator")).to_have_value("gte")
    page.locator("#c1-remove").click()
    expect(page.locator("#c1-field")).to_have_count(0)
    finish(page)
    volume = {"field": "volume", "operator": "gte", "value": 600}
    assert session.scalars(select(AutomationRule)).one().conditions == {"all": [volume]}


def test_an_answer_that_comes_late_leaves_the_keyboard_where_it_is(
    open_page: Any, people: People, keywords: None
) -> None:
    """Else the next press would fall on something that nobody looks at."""
    page = open_page(people.editor)
    to_conditions(page)
    for row in ("c0", "c1"):
        page.locator("#g0-add").click()
        expect(page.locator(f"#{row}-field")).to_be_focused()
    held: list[Route] = []
    page.route("**/which", lambda route: held.append(route))
    page.locator("#c1-up").press("Enter")
    tab_to(page, "c1-remove")
    late = held[:]
    page.route("**/which", lambda route: route.continue_())
    for route in late:
        route.continue_()
    expect(page.locator("#c1-down")).to_be_visible()
    expect(page.locator("#c1-remove")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#c1-field")).to_have_count(0)
    expect(page.locator("#c0-field")).to_be_visible()
    expect(page.locator("#g0-add")).to_be_focused()


def test_a_choice_made_before_the_page_listens_is_asked_for(
    open_page: Any, people: People, keywords: None
) -> None:
    page = open_page(people.editor)
    to_conditions(page)
    page.locator("#g0-add").click()
    expect(page.locator("#c0-field")).to_be_focused()
    held: list[Route] = []
    page.route("**/htmx.min.js*", lambda route: held.append(route))
    page.goto(page.url, wait_until="commit")
    page.locator("#c0-field").select_option("volume")
    expect(page.locator("#c0-operator option[value=gte]")).to_have_count(0)
    for route in held:
        route.continue_()
    expect(page.locator("#c0-operator option[value=gte]")).to_have_count(1)


def test_presses_that_follow_at_once_are_all_kept(open_page: Any, people: People, keywords: None) -> None:
    """Each is asked of the form that the one before left, however late its answer came."""
    page = open_page(people.editor)
    to_conditions(page)
    page.locator("#g0-add").click()
    expect(page.locator("#c0-field")).to_be_focused()
    held: list[Route] = []
    page.route("**/which", lambda route: held.append(route))
    for button in ("#g0-add", "#g0-add-group", "#g0-add"):
        page.locator(button).click()
    late = held[:]
    page.route("**/which", lambda route: route.continue_())
    for route in late:
        route.continue_()
    expect(page.locator(".condition-part select[id$=-field]")).to_have_count(4)
    expect(page.locator("#c3-field")).to_be_focused()


def test_going_on_waits_for_what_is_on_its_way(
    open_page: Any, people: People, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow answer to a choice must not come to the server's books after the press that followed it."""
    keep_step = rule_drafts.keep_step

    def keep_slowly(session: Session, draft: RuleDraft, step: str, typed: Any, now: datetime) -> None:
        if step == "which" and ["c0-value", ""] in typed and ["c0-operator", "gte"] in typed:
            time.sleep(1)
        keep_step(session, draft, step, typed, now)

    monkeypatch.setattr(rule_drafts, "keep_step", keep_slowly)
    page = open_page(people.editor)
    to_conditions(page)
    page.get_by_role("button", name="Add a condition").click()
    page.locator("#c0-field").select_option("volume")
    expect(page.locator("#c0-operator option[value=gte]")).to_have_count(1)
    page.locator("#c0-operator").select_option("gte")
    page.locator("#c0-value").fill("700")
    go_on(page)
    expect(page.get_by_role("heading", name="What does it do?")).to_be_visible()
    time.sleep(1.2)
    session.expire_all()
    assert ["c0-value", "700"] in session.scalars(select(RuleDraft)).one().steps["which"]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_have_no_serious_fault(open_page: Any, people: People, width: int, scheme: str) -> None:
    size = {"width": width, "height": 900}
    page = open_page(people.owner, viewport=size, color_scheme=scheme, bypass_csp=True)
    for address in ("/", "/rules", "/history", "/my-work", "/notices", "/rules/new"):
        page.goto(address)
        assert serious_faults(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address
