"""The main job as a person does it: sign in, add a site, write two rules, import, see drafts appear, restart."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.newcomer_walk import add_site, answer_questions, import_keywords, save_and_switch_on
from tests.journeys.running_copy import Copy, started
from tests.preloaded import Run
from tests.processes import eventually

EMAIL, PASSWORD = "owner@example.com", "a quiet long password"


def sign_in(page: Page) -> None:
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dashboard")


def make_rule(page: Page, name: str, trigger: str, *actions: str) -> None:
    page.goto("/rules/new")
    answer_questions(page, name, trigger, *actions)
    save_and_switch_on(page, name)


@pytest.fixture
def page(command: Run, chromium: Browser, tmp_path: Path) -> Any:
    made = ("create-account", "Agency", "--email", EMAIL, "--password-stdin")
    with started(tmp_path) as copy:
        assert command(*made, environment=copy.environment, typed=PASSWORD).returncode == 0
        context = chromium.new_context(base_url=f"http://127.0.0.1:{copy.port}")
        yield copy, context.new_page()
        context.close()


def test_keywords_become_drafts_in_a_live_history(
    command: Run, page: tuple[Copy, Page], tmp_path: Path
) -> None:
    copy, browser = page
    sign_in(browser)
    browser.goto("/sites/new")
    add_site(browser)
    make_rule(browser, "Plan", "When keywords are added", "cluster_keywords", "generate_ideas")
    make_rule(browser, "Write", "When ideas are made", "create_tasks", "generate_content")
    browser.goto("/keywords/import")
    import_keywords(browser, tmp_path)
    browser.goto("/")
    # Nothing is pressed here: the table renews itself while runs are on their way.
    drafts = browser.locator("#history_table").get_by_text("content item", exact=False)
    expect(drafts.first).to_be_visible(timeout=90_000)
    eventually(lambda: has_settled(copy), within=90, what="all is done")
    # A sweep may just count or mail something: then a second look finds nothing.
    eventually(lambda: audit_is_clean(command, copy), within=60, what="a clean audit")
    browser.goto("/content")
    expect(browser.locator("main table").get_by_text("To check").first).to_be_visible()


def has_settled(copy: Copy) -> bool:
    """Whether every event has been dispatched and every run has ended; asked often, for the audit takes seconds."""
    with closing(sqlite3.connect(copy.data_dir / "igny8.sqlite3")) as database:
        (waiting,) = database.execute(
            "SELECT (SELECT count(*) FROM event_batch WHERE dispatched_at IS NULL)"
            " + (SELECT count(*) FROM scheduled_task WHERE status IN ('pending', 'running'))"
        ).fetchone()
    return not waiting


def audit_is_clean(command: Run, copy: Copy) -> bool:
    """`audit` finds nothing once everything has settled."""
    return "All invariants hold." in command("audit", environment=copy.environment).stdout
