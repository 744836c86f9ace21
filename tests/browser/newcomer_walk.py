"""What a new user does first in a browser: a site, a rule, an import."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.rule_form_walk import go_on

KEYWORDS = """Keyword,Search Volume,Keyword Difficulty,Intent
trail running shoes,5400,41,Commercial
best trail running shoes,2900,38,Commercial
trail running shoes for women,1900,30,Commercial
how to clean trail running shoes,320,12,Informational
hiking boots,8100,55,Commercial
waterproof hiking boots,1600,44,Commercial
how to waterproof hiking boots,700,15,Informational
"""


def add_site(page: Page) -> None:
    """From the form of a new site."""
    page.get_by_label("Name").fill("Outdoor shop")
    page.locator("main form button[type=submit]").last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Outdoor shop")


def import_keywords(page: Page, folder: Path) -> None:
    """From the form that asks for the file."""
    file = folder / "export.csv"
    file.write_text(KEYWORDS)
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Check the file").click()
    page.get_by_role("button", name="Import 7 rows").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Imported")


def answer_questions(page: Page, name: str, trigger: str, *actions: str) -> None:
    """From the first question of a new rule up to its summary; each action is the one that the form proposes."""
    page.get_by_label("Name", exact=True).fill(name)
    go_on(page)
    page.get_by_label(trigger).check()
    for heading in ("Where may it work?", "Which records does it work on?", "What does it do?"):
        go_on(page)
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    for number, action in enumerate(actions, start=1):
        if number > 1:
            page.get_by_role("button", name="Add an action").click()
        expect(page.get_by_label(f"Action {number}", exact=True)).to_have_value(action)
    for heading in ("How often?", "What are its limits?", "Is this the rule you want?"):
        go_on(page)
        expect(page.get_by_role("heading", name=heading)).to_be_visible()


def save_and_switch_on(page: Page, name: str) -> None:
    """From the summary to the rule's page."""
    page.get_by_role("button", name="Save and switch on").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
