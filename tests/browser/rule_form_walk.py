"""The way through the rule form in a browser, up to the step that a test looks at."""

from playwright.sync_api import Page, expect


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
