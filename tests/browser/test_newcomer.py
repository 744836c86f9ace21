"""The way of the README's newcomer on an empty account; what pages said of money is what the ledger says afterwards."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask, Status
from app.business.billing.models import CreditEntry
from tests.browser.wizard_walk import go_on
from tests.business.automation.machine import Machine
from tests.people import People

# Credits are tried on both databases elsewhere: one shows whether pages say what is then charged.
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
KEYWORDS = """Keyword,Search Volume
trail running shoes,5400
best trail running shoes,2900
trail running shoes for women,1900
how to clean trail running shoes,320
hiking boots,8100
waterproof hiking boots,1600
how to waterproof hiking boots,700
"""


def add_site(page: Page) -> None:
    page.goto("/sites/new")
    page.get_by_label("Name").fill("Outdoor shop")
    page.locator("main form button[type=submit]").last.click()
    expect(page.get_by_role("link", name="Outdoor shop")).to_be_visible()


def import_keywords(page: Page, folder: Path) -> None:
    file = folder / "export.csv"
    file.write_text(KEYWORDS)
    page.goto("/keywords/import")
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Check the file").click()
    page.get_by_role("button", name="Import 7 rows").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Imported")


def write_rule(page: Page, name: str, trigger: str, *actions: str) -> int:
    """Through the eight questions, also on what is here already; returns the credits named for that, at most."""
    page.goto("/rules/new")
    page.get_by_label("Name", exact=True).fill(name)
    go_on(page)
    page.get_by_label(trigger).check()
    for heading in ("Where may it work?", "Which records does it work on?", "What does it do?"):
        go_on(page)
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    for number, action in enumerate(actions, start=1):
        if number > 1:
            page.get_by_role("button", name="Add an action").click()
        page.get_by_label(f"Action {number}", exact=True).select_option(action)
    for heading in ("How often?", "What are its limits?", "Is this the rule you want?"):
        go_on(page)
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    existing = page.get_by_label("Existing records")
    most = credits_in(existing.locator("xpath=ancestor::label").inner_text())
    assert page.locator("input[name=max_credits]").input_value() == str(most)
    existing.check()
    page.get_by_role("button", name="Save and switch on").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    return most


def credits_in(sentence: str) -> int:
    """The most that the sentence names: `about 12, at most 45 credits in 2 runs`, `1 credit in 1 run`."""
    found = re.search(r"([\d,]+) credits? in [\d,]+ runs?", sentence)
    assert found, sentence
    return int(found[1].replace(",", ""))


def used(session: Session) -> int:
    query = select(-func.sum(CreditEntry.amount)).where(CreditEntry.kind == "charge")
    credits = session.scalar(query) or 0
    session.commit()
    return credits


def settle(session: Session) -> Machine:
    """What the workers do meanwhile."""
    machine = Machine(session, now=datetime.now(UTC))
    machine.settle()
    assert machine.breaches() == []
    # Whoever reads holds the database of one writer meanwhile.
    session.commit()
    return machine


@on_one_database
def test_what_was_said_of_money_is_what_the_ledger_says(
    open_page: Any, people: People, session: Session, tmp_path: Path
) -> None:
    page = open_page(people.owner)
    add_site(page)
    import_keywords(page, tmp_path)
    settle(session)
    planned = write_rule(page, "Plan", "When keywords are added", "cluster_keywords", "generate_ideas")
    settle(session)
    for_ideas = used(session)
    assert 0 < for_ideas <= planned
    written = write_rule(page, "Write", "When ideas are made", "create_tasks", "generate_content")
    machine = settle(session)
    assert for_ideas < used(session) <= for_ideas + written
    assert {run.status for run in machine.runs()} == {Status.COMPLETED}
    assert sum(session.scalars(select(ScheduledTask.credits_used))) == used(session)
    total = used(session)
    page.goto("/credits")
    expect(page.locator(".stat", has_text="Used this month")).to_contain_text(f"{total:,}")
    page.goto("/rules?state=on")
    page.get_by_role("link", name="Write", exact=True).click()
    page.get_by_role("link", name="Run now").first.click()
    expect(page.locator("#content")).to_contain_text("Nothing that a run could take matches now.")
