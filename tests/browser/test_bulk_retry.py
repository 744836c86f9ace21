"""Retrying all failed runs in a real browser, from the history to the end, with script and without."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.operation_registry import KINDS
from app.business.automation.services.operations import lifecycle
from tests.browser.conftest import serious_faults
from tests.business.automation.machine import Machine
from tests.factories import make_ai_connection, make_sector, make_site, make_task
from tests.modules.automation_pages import make_rule, make_run
from tests.people import People

WRITING = {
    "name": "Write at night",
    "trigger": "task_created",
    "record_type": "task",
    "conditions": {},
    "schedule": {},
    "actions": [{"type": "generate_content", "params": {}}],
}


@pytest.fixture
def failed(session: Session, people: People) -> list[ScheduledTask]:
    """Two failed runs, each of an article of 300 words."""
    make_ai_connection(session, people.account)
    sector = make_sector(session, make_site(session, people.account))
    rule, at = make_rule(session, people.account, **WRITING), datetime.now(UTC)
    return [
        make_run(
            session, rule, "failed", timedelta(hours=1), admitted_at=at, reason="timed_out", record_type="task",
            queue="long", detail={"records": [make_task(session, sector, word_count=300, title=title).id]},
        )
        for title in ("Season a pan", "Store an engine")
    ]  # fmt: skip


def to_the_question(page: Page) -> None:
    page.goto("/history?status=failed")
    page.get_by_role("link", name="Retry all failed…").click()
    expect(page.locator("#content")).to_contain_text("2 runs, at most 6 credits.")


def execute(session: Session) -> Machine:
    machine = Machine(session, now=datetime.now(UTC))
    lifecycle.execute_next(machine.transaction, KINDS, machine.clock)
    return machine


def test_runs_are_retried_while_the_page_shows_progress(
    open_page: Any, people: People, session: Session, failed: list[ScheduledTask]
) -> None:
    page = open_page(people.operator, bypass_csp=True)
    to_the_question(page)
    assert serious_faults(page) == []
    page.get_by_role("button", name="Retry 2 runs, at most 6 credits").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Retry of failed runs")
    expect(page.locator("#operation_body")).to_contain_text("Waiting for a free worker")
    machine = execute(session)
    expect(page.locator("#operation_body")).to_contain_text("2 runs were put back to work")
    machine.settle()
    expect(page.locator("#bulk_retry_result .stat", has_text="Completed")).to_contain_text("2")
    assert serious_faults(page) == []


def test_runs_are_retried_without_script(
    open_page: Any, people: People, session: Session, failed: list[ScheduledTask]
) -> None:
    page = open_page(people.operator, java_script_enabled=False)
    to_the_question(page)
    page.get_by_role("button", name="Retry 2 runs, at most 6 credits").click()
    execute(session)
    page.get_by_role("link", name="Show how far it is now").click()
    expect(page.locator("#operation_body")).to_contain_text("2 runs were put back to work")
