"""What the pages of the console are for, done in a real browser with script and without it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
from flask import current_app
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.services import second_factor
from app.business.accounts.services.passwords import HASHER
from app.business.planner.models import Keyword
from app.infrastructure.secret_box import SecretBox
from app.modules.throttle import limiter
from tests.factories import make_content, make_keyword, make_sector, make_site
from tests.modules.automation_pages import make_rule, make_run
from tests.people import People

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
BOTH = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
PASSWORD = "correct horse battery"
DAY = timedelta(days=1)


@pytest.fixture
def runs(session: Session, people: People) -> int:
    """A rule with a failed run of yesterday and a completed one of the day before; its id."""
    rule = make_rule(session, people.account, name="Cluster at night")
    make_run(session, rule, "failed", DAY, reason="timed_out", error_message="Too slow.")
    make_run(session, rule, "completed", 2 * DAY)
    return rule.id


@pytest.fixture
def many(session: Session, people: People) -> None:
    """More keywords than a page shows."""
    sector = make_sector(session, make_site(session, people.account))
    for number in range(60):
        make_keyword(session, sector, text=f"word {number:02}", volume=number * 10, clicks=60 - number)
    session.commit()


@BOTH
def test_a_day_of_the_grid_leads_to_its_runs(open_page: Any, people: People, runs: int, script: bool) -> None:
    page: Page = open_page(people.viewer, java_script_enabled=script)
    page.goto("/history/days")
    day = page.get_by_role("link", name="1 failed")
    if script:
        page.get_by_role("link", name="1 completed").focus()
        page.keyboard.press("ArrowRight")
        expect(day).to_be_focused()
        page.keyboard.press("Enter")
    else:
        day.click()
    expect(page.get_by_role("cell", name="Too slow.")).to_be_visible()
    expect(page.locator("#history_table tbody tr")).to_have_count(1)


@BOTH
def test_filters_are_chips_and_are_kept_under_a_name(
    open_page: Any, people: People, runs: int, script: bool
) -> None:
    page: Page = open_page(people.operator, java_script_enabled=script)
    page.goto("/history")
    page.get_by_role("combobox", name="Status").select_option(label="Failed")
    page.get_by_role("combobox", name="When").select_option(label="Last 7 days")
    if not script:
        page.get_by_role("button", name="Filter", exact=True).click()
    chips = page.get_by_role("list", name="Chosen filters")
    expect(chips.get_by_role("listitem")).to_have_count(3)
    expect(page.locator("#history_table tbody tr")).to_have_count(1)
    page.locator("#save_filter > summary").click()
    page.get_by_label("Name").fill("Failed this week")
    page.get_by_role("button", name="Save", exact=True).click()
    chips.get_by_role("link", name="Status").click()
    expect(page.locator("#history_table tbody tr")).to_have_count(2)
    page.goto("/history")
    page.get_by_text("Saved filters").click()
    page.get_by_role("link", name="Failed this week").click()
    expect(chips.get_by_role("listitem")).to_have_count(3)


@BOTH
def test_columns_are_chosen_and_sort_the_list(
    open_page: Any, people: People, many: None, script: bool
) -> None:
    page: Page = open_page(people.viewer, java_script_enabled=script)
    page.goto("/keywords")
    page.locator("#columns_choice > summary").click()
    page.get_by_role("checkbox", name="Clicks").check()
    page.get_by_role("button", name="Show these").click()
    page.get_by_role("columnheader", name="Clicks").get_by_role("link").click()
    expect(page.locator("th", has_text="sorted")).to_contain_text("Clicks")
    expect(page.locator("#keywords_table tbody tr").first).to_contain_text("word 00")


@BOTH
def test_all_that_match_are_changed_and_taken_back(
    open_page: Any, session: Session, people: People, many: None, script: bool
) -> None:
    page: Page = open_page(people.operator, java_script_enabled=script)
    page.goto("/keywords")
    page.get_by_role("checkbox", name="word 59").check()
    page.get_by_role("checkbox", name="All 60 that match").check()
    page.get_by_role("button", name="Ignore").click()
    expect(page.get_by_role("heading", name="Ignore 60 keywords?")).to_be_visible()
    page.get_by_role("button", name="Ignore").click()
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_visible()
    assert statuses(session) == {"ignored": 60}
    undo.click()
    expect(page.get_by_text("60 records as before.")).to_be_visible()
    assert statuses(session) == {"new": 60}


def statuses(session: Session) -> dict[str, int]:
    session.expire_all()
    found = dict(session.execute(select(Keyword.status, func.count()).group_by(Keyword.status)).all())
    session.rollback()
    return found


@BOTH
def test_a_share_link_opens_one_draft_until_it_is_ended(
    open_page: Any, session: Session, people: People, chromium: Browser, live_address: str, script: bool
) -> None:
    limiter.reset()
    sector = make_sector(session, make_site(session, people.account))
    draft = make_content(session, sector, title="How boots fit", html="<p>Snugly.</p>")
    session.commit()
    page: Page = open_page(people.operator, java_script_enabled=script)
    page.goto(f"/content/{draft.id}")
    page.get_by_role("button", name="Make a share link").click()
    address = page.locator("#share_link").inner_text()
    context = chromium.new_context(java_script_enabled=script)
    try:
        guest = context.new_page()
        guest.goto(live_address + address.partition("/shared/")[1] + address.partition("/shared/")[2])
        expect(guest.get_by_text("Snugly.")).to_be_visible()
        page.get_by_role("link", name="Back to the").click()
        page.locator("#shares summary", has_text="End link").click()
        page.locator("#shares").get_by_role("button", name="End link").click()
        expect(page.locator("#shares").get_by_text("End link")).to_have_count(0)
        guest.reload()
        expect(guest.get_by_text("Snugly.")).to_have_count(0)
    finally:
        context.close()


@BOTH
def test_the_audit_log_is_filtered(open_page: Any, session: Session, people: People, script: bool) -> None:
    make_rule(session, people.account, name="Cluster at night")
    make_site(session, people.account, name="Garden")
    session.commit()
    page: Page = open_page(people.owner, java_script_enabled=script)
    page.goto("/audit")
    rows = page.locator("table.list tbody tr")
    expect(rows.filter(has_text="Cluster at night")).to_have_count(1)
    page.get_by_label("What").select_option(label="Rules")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(rows).to_have_count(1)
    page.get_by_role("link", name="Only the rule").click()
    expect(page.get_by_text("Only what was done to this one.")).to_be_visible()


@BOTH
def test_the_second_factor_is_asked_for_after_the_password(
    session: Session, people: People, chromium: Browser, live_address: str, script: bool
) -> None:
    limiter.reset()
    people.viewer.password_hash = HASHER.hash(PASSWORD)
    device, before = pyotp.TOTP(second_factor.new_secret()), datetime.now(UTC) - timedelta(hours=1)
    seal = SecretBox.of(current_app.extensions["settings"]).seal
    second_factor.switch_on(session, people.viewer, device.secret, device.at(before), seal, before)
    session.commit()
    context = chromium.new_context(base_url=live_address, java_script_enabled=script)
    try:
        page = context.new_page()
        page.goto("/rules")
        page.get_by_label("E-mail").fill(people.viewer.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="One more step")).to_be_visible()
        page.goto("/rules")
        expect(page.get_by_role("heading", name="Rules", exact=True)).to_have_count(0)
        page.goto("/sign-in/code?next=/rules")
        page.get_by_label("Code").fill(device.now())
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Rules", exact=True)).to_be_visible()
    finally:
        context.close()


def test_the_inbox_takes_one_key_from_draft_to_draft(
    open_page: Any, session: Session, people: People
) -> None:
    sector, now = make_sector(session, make_site(session, people.account)), datetime.now(UTC)
    for number in range(3):
        make_content(
            session, sector, title=f"Draft {number}", status_since=now - DAY + timedelta(hours=number)
        )
    session.commit()
    page: Page = open_page(people.operator)
    page.goto("/")
    page.keyboard.press("g")
    page.keyboard.press("w")
    for key, title in (
        ("", "Draft 0"),
        ("j", "Draft 1"),
        ("j", "Draft 2"),
        ("k", "Draft 1"),
        ("a", "Draft 2"),
    ):
        if key:
            # Keys work from then on.
            page.wait_for_load_state("load")
            page.keyboard.press(key)
        expect(page.locator(".inbox-open").get_by_role("heading", name=title)).to_be_visible()
