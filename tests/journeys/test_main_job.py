"""The main job as a person does it: sign in, add a site, write two rules, import, watch drafts appear, restart."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from app import ROOT
from tests.journeys.running_copy import Copy, started
from tests.processes import FLASK, eventually

EMAIL, PASSWORD = "owner@example.com", "a quiet long password"
KEYWORDS = """Keyword,Search Volume,Keyword Difficulty,Intent
trail running shoes,5400,41,Commercial
best trail running shoes,2900,38,Commercial
trail running shoes for women,1900,30,Commercial
how to clean trail running shoes,320,12,Informational
hiking boots,8100,55,Commercial
waterproof hiking boots,1600,44,Commercial
how to waterproof hiking boots,700,15,Informational
"""


def flask(copy: Copy, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """One command of the product beside the running copy."""
    return subprocess.run(
        [*FLASK, *arguments],
        cwd=ROOT,
        env=copy.environment,
        input=typed,
        capture_output=True,
        text=True,
        check=True,
    )


def sign_in(page: Page) -> None:
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dashboard")


def add_site(page: Page) -> None:
    page.goto("/sites/new")
    page.get_by_label("Name").fill("Outdoor shop")
    page.locator("main form button[type=submit]").last.click()
    expect(page.get_by_role("link", name="Outdoor shop")).to_be_visible()


def make_rule(page: Page, name: str, trigger: str, *actions: str) -> None:
    """Through the eight questions, with their defaults."""

    def go_on() -> None:
        page.get_by_role("button", name="Next", exact=True).last.click()

    page.goto("/rules/new")
    page.get_by_label("Name", exact=True).fill(name)
    go_on()
    page.get_by_label(trigger).check()
    for heading in ("Where may it work?", "Which records does it work on?", "What does it do?"):
        go_on()
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    for number, action in enumerate(actions, start=1):
        if number > 1:
            page.get_by_role("button", name="Add an action").click()
        page.get_by_label(f"Action {number}", exact=True).select_option(action)
    for heading in ("How often?", "What are its limits?", "Is this the rule you want?"):
        go_on()
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    page.get_by_role("button", name="Save and switch on").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def import_keywords(page: Page, folder: Path) -> None:
    file = folder / "export.csv"
    file.write_text(KEYWORDS)
    page.goto("/keywords/import")
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Check the file").click()
    page.get_by_role("button", name="Import 7 rows").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Imported")


@pytest.fixture
def page(chromium: Browser, tmp_path: Path) -> Any:
    with started(tmp_path) as copy:
        made = flask(copy, "create-account", "Agency", "--email", EMAIL, "--password-stdin", typed=PASSWORD)
        assert made.returncode == 0
        context = chromium.new_context(base_url=f"http://127.0.0.1:{copy.port}")
        yield copy, context.new_page()
        context.close()


def test_keywords_become_drafts_in_a_live_history(page: tuple[Copy, Page], tmp_path: Path) -> None:
    copy, browser = page
    sign_in(browser)
    add_site(browser)
    make_rule(browser, "Plan", "When keywords are added", "cluster_keywords", "generate_ideas")
    make_rule(browser, "Write", "When ideas are made", "create_tasks", "generate_content")
    import_keywords(browser, tmp_path)
    browser.goto("/")
    # Nothing is pressed here: the table renews itself while runs are on their way.
    drafts = browser.locator("#recent_runs").get_by_text("content item", exact=False)
    expect(drafts.first).to_be_visible(timeout=90_000)
    eventually(lambda: flask_audit_is_clean(copy), within=60, what="a clean audit")
    browser.goto("/content")
    expect(browser.locator("main table").get_by_text("To check").first).to_be_visible()


def flask_audit_is_clean(copy: Copy) -> bool:
    """`audit` finds nothing once everything has settled."""
    return "All invariants hold." in flask(copy, "audit").stdout
