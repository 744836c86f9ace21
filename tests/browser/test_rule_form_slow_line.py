"""The rule form on a slow connection: no late answer undoes newer input, no press is lost."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import Event
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleDraft
from app.business.automation.services.rules import drafts
from tests.browser.rule_form_walk import finish, go_on, tab_to, to_conditions
from tests.people import People


@contextmanager
def held_back(page: Page, address: str = "**/which") -> Iterator[None]:
    """What is asked of that address meanwhile is answered at the end, the newest first."""
    held: list[Route] = []
    page.route(address, lambda route: held.append(route))
    yield
    late = held[::-1]
    page.route(address, lambda route: route.continue_())
    for route in late:
        route.continue_()


def with_one_condition(page: Page) -> None:
    """At the conditions, with a first row about the volume."""
    to_conditions(page)
    page.locator("#g0-add").click()
    page.locator("#c0-field").select_option("volume")
    expect(page.locator("#c0-operator option[value=gte]")).to_have_count(1)


def test_an_answer_that_comes_late_takes_nothing_back(
    open_page: Any, people: People, session: Session, keywords: None
) -> None:
    """The answer to a chosen question is held back while a number is typed and a group is added."""
    page = open_page(people.editor)
    with_one_condition(page)
    page.locator("#c0-value").fill("400")
    with held_back(page):
        page.locator("#c0-operator").select_option("gte")
        page.locator("#c0-value").fill("500")
        page.locator("#g0-add-group").click()
        page.locator("#c0-value").fill("600")
        page.locator("#g0-add-group").focus()
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
    with held_back(page):
        page.locator("#c1-up").press("Enter")
        tab_to(page, "c1-remove")
    expect(page.locator("#c1-down")).to_be_visible()
    expect(page.locator("#c1-remove")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#c1-field")).to_have_count(0)
    expect(page.locator("#c0-field")).to_be_visible()
    expect(page.locator("#g0-add")).to_be_focused()


def test_a_choice_made_before_the_script_is_ready_is_requested(
    open_page: Any, people: People, keywords: None
) -> None:
    page = open_page(people.editor)
    to_conditions(page)
    page.locator("#g0-add").click()
    expect(page.locator("#c0-field")).to_be_focused()
    with held_back(page, "**/htmx.min.js*"):
        page.goto(page.url, wait_until="commit")
        page.locator("#c0-field").select_option("volume")
        expect(page.locator("#c0-operator option[value=gte]")).to_have_count(0)
    expect(page.locator("#c0-operator option[value=gte]")).to_have_count(1)


def test_presses_that_follow_at_once_are_all_kept(open_page: Any, people: People, keywords: None) -> None:
    """Each is asked of the form that the one before left, however late its answer came."""
    page = open_page(people.editor)
    to_conditions(page)
    page.locator("#g0-add").click()
    expect(page.locator("#c0-field")).to_be_focused()
    with held_back(page):
        for button in ("#g0-add", "#g0-add-group", "#g0-add"):
            page.locator(button).click()
    expect(page.locator(".condition-part select[id$=-field]")).to_have_count(4)
    expect(page.locator("#c3-field")).to_be_focused()


def test_going_on_waits_for_what_is_on_its_way(
    open_page: Any, people: People, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow answer to a choice must not come to the server's books after the press that followed it."""
    keep_step, slow_one_is_kept = drafts.keep_step, Event()

    def keep_slowly(session: Session, draft: RuleDraft, step: str, typed: Any, now: datetime) -> None:
        is_slow = step == "which" and ["c0-value", ""] in typed and ["c0-operator", "gte"] in typed
        if is_slow:
            time.sleep(1)
        keep_step(session, draft, step, typed, now)
        if is_slow:
            slow_one_is_kept.set()

    monkeypatch.setattr(drafts, "keep_step", keep_slowly)
    page = open_page(people.editor)
    with_one_condition(page)
    page.locator("#c0-operator").select_option("gte")
    page.locator("#c0-value").fill("700")
    go_on(page)
    expect(page.get_by_role("heading", name="What does it do?")).to_be_visible()
    assert slow_one_is_kept.wait(30)
    session.expire_all()
    assert ["c0-value", "700"] in session.scalars(select(RuleDraft)).one().steps["which"]
