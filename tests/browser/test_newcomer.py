"""The README's first rule, step by step on an empty account; credits on pages equal those in the ledger."""

import re
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import ROOT
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.transfer.templates import FIRST, template
from app.business.billing.models import CreditEntry
from tests.browser.newcomer_walk import add_site, answer_questions, import_keywords, save_and_switch_on
from tests.business.automation.machine import Machine
from tests.people import People

# Credits are tried on both databases elsewhere: one shows whether pages say what is then charged.
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
README = (ROOT / "README.md").read_text()
PRESS = re.compile(r"\*\*(\w+)\*\* → \*([^*]+)\*")
"""A page of the menu and what is pressed there, as the README writes it."""


def first_rule_steps() -> list[tuple[str, str]]:
    section = README.partition("## Your first rule")[2].partition("\n## ")[0]
    return PRESS.findall(section)


def write_rule(page: Page, name: str, trigger: str, *actions: str) -> int:
    """A rule that also takes existing records; returns the most credits named for that."""
    page.goto("/rules/new")
    answer_questions(page, name, trigger, *actions)
    existing = page.get_by_label("Existing records")
    most = credits_in(existing.locator("xpath=ancestor::label").inner_text())
    assert page.locator("input[name=max_credits]").input_value() == str(most)
    existing.check()
    save_and_switch_on(page, name)
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
    """Let the workers finish."""
    machine = Machine(session, now=datetime.now(UTC))
    machine.settle()
    assert machine.breaches() == []
    # A reader blocks the only writer of the database meanwhile.
    session.commit()
    return machine


def plan_on_import(page: Page) -> None:
    answer_questions(page, "Plan", "When keywords are added", "cluster_keywords", "generate_ideas")
    save_and_switch_on(page, "Plan")


@on_one_database
def test_the_readme_s_first_rule_works_and_costs_what_pages_say(
    open_page: Any, people: People, session: Session, tmp_path: Path
) -> None:
    page = open_page(people.owner)
    steps = {
        "Add site": add_site,
        "New rule": plan_on_import,
        "Import": partial(import_keywords, folder=tmp_path),
    }
    assert [pressed for _, pressed in first_rule_steps()] == list(steps)
    page.goto("/")
    for menu, pressed in first_rule_steps():
        page.get_by_role("navigation").get_by_role("link", name=menu, exact=True).first.click()
        page.get_by_role("link", name=pressed).first.click()
        steps[pressed](page)
        # Rules take what happens after they were made.
        settle(session)
    for_ideas = used(session)
    (planned,) = session.scalars(select(ScheduledTask))
    assert (planned.status, planned.cause) == (Status.COMPLETED, "event")
    assert 0 < for_ideas <= planned.credits_used
    session.commit()
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


@on_one_database
def test_the_first_steps_lead_from_a_site_to_a_draft_and_go(
    open_page: Any, people: People, session: Session, tmp_path: Path
) -> None:
    """Each step leads to its page, is ticked when it is done, and after the draft the list is gone."""
    page = open_page(people.owner)
    steps = page.locator("#first_steps")

    def follow(done: int, link: str) -> None:
        page.goto("/")
        expect(steps).to_contain_text(f"{done} of 4 done")
        expect(page.locator(".first-step.is-done")).to_have_count(done)
        page.locator(".first-step.is-next").get_by_role("link", name=link).click()

    follow(0, "Add a site")
    add_site(page)
    follow(1, "Import keywords")
    import_keywords(page, tmp_path)
    follow(2, "Choose a template")
    page.get_by_role("button", name=f"Use this: “{template(FIRST).name}”").click()
    expect(page.get_by_role("heading", name="Where may it work?")).to_be_visible()
    page.get_by_role("button", name="To the summary").click()
    # Nothing that costs is ticked beforehand.
    expect(page.get_by_label("Existing records")).not_to_be_checked()
    save_and_switch_on(page, template(FIRST).name)
    follow(3, "Start it on these")
    start = page.get_by_role("button", name="Start on 7 keywords")
    most = credits_in(page.locator(".banner", has=start).inner_text())
    start.click()
    expect(start).to_have_count(0)
    follow(3, "See its run")
    expect(page.get_by_role("heading", level=1)).to_have_text(template(FIRST).name)
    settle(session)
    assert 0 < used(session) <= most
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(steps).to_have_count(0)
    page.goto("/my-work")
    expect(page.locator("#content")).to_contain_text("To check")
