"""In the rule form a red box disappears as soon as its error is fixed, also where the page is not submitted again."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.rule_form_walk import finish, go_on, to_conditions
from tests.people import People

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")


@on_one_database
@pytest.mark.usefixtures("keywords")
def test_a_red_box_disappears_with_its_error(open_page: Any, people: People) -> None:
    page: Page = open_page(people.editor)
    to_conditions(page)
    box = page.locator(".error-summary")
    page.get_by_role("button", name="Add a condition").click()
    value = page.locator("[name$='-value']")
    expect(value).to_be_visible()
    go_on(page)
    expect(box).to_contain_text("is empty")
    value.fill("500")
    value.blur()
    expect(box).to_have_count(0)
    expect(value).to_have_value("500")
    finish(page)
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("link", name="Limits", exact=True).click()
    runs, records = (
        page.get_by_role("spinbutton", name="Runs per day"),
        page.get_by_role("spinbutton", name="Records per run"),
    )
    runs.fill("0")
    records.fill("9999")
    page.get_by_role("button", name="To the summary").first.click()
    expect(box.locator("li")).to_have_count(2)
    runs.fill("5")
    runs.blur()
    expect(box.locator("li")).to_have_count(1)
    records.fill("50")
    records.blur()
    expect(box).to_have_count(0)
    expect(runs).to_have_value("5")
