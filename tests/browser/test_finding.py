"""Search, keys and help in a real browser; the same pages without script."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from tests.browser.conftest import serious_faults
from tests.factories import make_keyword, make_sector, make_site
from tests.people import People

MOST_KEYS = 8
"""From the first field of a step to the next step."""
LISTENING = "() => !document.querySelector('form[hx-get]:not([data-htmx-powered])')"
"""Whether the fields that search react to what is typed."""


@pytest.fixture
def zebra(session: Session, people: People) -> None:
    sector = make_sector(session, make_site(session, people.account))
    for text in ("zebra one", "zebra two"):
        make_keyword(session, sector, text=text)
    session.commit()


def test_search_and_keys_by_keyboard_alone(open_page: Any, people: People, zebra: None) -> None:
    page: Page = open_page(people.operator, bypass_csp=True, color_scheme="dark")
    page.goto("/rules")
    page.wait_for_function(LISTENING)
    page.keyboard.press("/")
    page.keyboard.type("zebra")
    panel = page.locator("#search_results")
    expect(panel.get_by_role("link", name="zebra two")).to_be_visible()
    assert serious_faults(page) == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="zebra two")).to_be_visible()
    page.wait_for_load_state()  # Keys work from then on.
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    assert serious_faults(page) == []
    page.keyboard.press("g")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("k")
    expect(page.get_by_role("heading", name="Keywords")).to_be_visible()
    # Never while somebody types.
    page.get_by_role("searchbox", name="Search", exact=True).focus()
    page.keyboard.type("g r?/")
    expect(page.get_by_role("searchbox", name="Search", exact=True)).to_have_value("g r?/")
    expect(dialog).to_be_hidden()
    page.goto("/help?q=missing")
    assert serious_faults(page) == []
    page.wait_for_function(LISTENING)
    page.get_by_role("searchbox", name="Search help").fill("per click")
    expect(page.get_by_role("rowheader", name="Cost per click")).to_be_visible()
    expect(page.get_by_role("heading", name="Actions")).to_be_hidden()
    # Nor where a person has switched them off.
    page.goto("/profile")
    page.locator("main").get_by_label("Keys work in this browser").uncheck()
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.keyboard.press("?")
    expect(dialog).to_be_hidden()
    assert page.url.endswith("/profile")


def test_without_script_search_is_a_page(open_page: Any, people: People, zebra: None) -> None:
    page: Page = open_page(people.viewer, java_script_enabled=False)
    page.goto("/rules")
    box = page.get_by_role("searchbox", name="Search everything")
    box.fill("zebra")
    box.press("Enter")
    expect(page.get_by_role("heading", name="Search")).to_be_visible()
    page.get_by_role("link", name="zebra one").click()
    expect(page.get_by_role("heading", name="zebra one")).to_be_visible()
    page.get_by_role("contentinfo").get_by_role("link", name="Help").click()
    page.get_by_role("searchbox", name="Search help").fill("outline approve")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("Write the content")).to_be_visible()
    expect(page.get_by_role("heading", name="Planned times")).to_be_hidden()


def test_each_step_of_the_rule_form_takes_at_most_eight_keys(open_page: Any, people: People) -> None:
    page: Page = open_page(people.editor)
    page.goto("/rules/new")
    page.keyboard.type("By keyboard")
    page.keyboard.press("Enter")
    for step in ("when", "where", "which", "do", "often", "limits"):
        page.wait_for_url(f"**/{step}")
        page.wait_for_function("document.activeElement.closest('.wizard-form') !== null")
        keys = 0
        while page.evaluate("document.activeElement.textContent.trim()") != "Next":
            page.keyboard.press("Tab")
            keys += 1
            assert keys < MOST_KEYS, step
        page.keyboard.press("Enter")
    page.wait_for_url("**/check")
