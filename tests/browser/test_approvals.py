"""People decide in the browser: on an outline before its article, on ticked drafts, and on the sheet of a workbook."""

from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask
from app.business.planner.models import Keyword
from app.business.writer.models import Content
from tests.browser.conftest import serious_faults
from tests.business.automation.machine import Machine
from tests.business.automation.outline_question import ask_about_outline
from tests.business.planner.test_import_layouts import QUERIES, book
from tests.factories import make_content, make_sector, make_site
from tests.people import People

BOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pytest.fixture
def machine(session: Session) -> Machine:
    return Machine(session, now=datetime.now(UTC))


@pytest.fixture
def waiting(session: Session, people: People, machine: Machine) -> ScheduledTask:
    return ask_about_outline(session, people.account, machine)


def test_an_outline_is_changed_and_approved_and_the_article_follows_it(
    open_page: Any, session: Session, people: People, machine: Machine, waiting: ScheduledTask
) -> None:
    address = f"/runs/{waiting.id}"
    page = open_page(people.operator, bypass_csp=True)
    page.goto("/my-work")
    page.locator(f"a[href='{address}']").first.click()
    expect(page.get_by_text("Is this outline right? “Oak tables”")).to_be_visible()
    assert serious_faults(page) == []
    page.get_by_text("Change the outline").click()
    page.get_by_role("textbox", name="Sections").fill("Which oak\n- Grain\n- Colour\n\nHow to care for it\n")
    page.get_by_role("button", name="Approve the outline").click()
    expect(page.get_by_role("button", name="Approve the outline")).to_have_count(0)
    machine.now = datetime.now(UTC)
    machine.settle()
    page.goto(address)
    page.get_by_role("link", name="Oak tables").first.click()
    expect(page.locator("body")).to_contain_text("Oak tables")
    html = session.scalars(select(Content.html)).one()
    assert all(heading in html for heading in ("Which oak", "How to care for it"))


def test_ticked_drafts_are_approved_at_once_and_taken_back_at_once(
    open_page: Any, session: Session, people: People
) -> None:
    sector = make_sector(session, make_site(session, people.account))
    for number in range(3):
        make_content(session, sector, title=f"Draft number {number}", html="<p>Text.</p>")
    session.commit()
    page = open_page(people.operator)
    page.goto("/my-work")
    for number in (0, 2):
        page.get_by_role("checkbox", name=f"Draft number {number}").check()
    page.get_by_role("group", name="With the ticked rows").get_by_role("button", name="Approve").click()
    page.get_by_role("button", name="Approve 2 content items").click()
    expect(page.get_by_text("2 content items approved")).to_be_visible()
    assert statuses(session) == ["approved", "draft", "approved"]
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("2 records as before.")).to_be_visible()
    assert statuses(session) == ["draft"] * 3


def statuses(session: Session) -> list[str]:
    session.expire_all()
    found = list(session.scalars(select(Content.status).order_by(Content.id)))
    # Nothing stays open that the served application would wait for.
    session.rollback()
    return found


def test_another_sheet_of_a_workbook_is_chosen_and_imported(
    open_page: Any, session: Session, people: People
) -> None:
    make_sector(session, make_site(session, people.account), name="Tables")
    session.commit()
    old = [["Keyword", "Owner"], ["ash table", "Ann"], ["pine table", "Bob"]]
    data = book({"Chart": ("visible", [["Date"], ["2026-05-01"]]), "Queries": ("visible", QUERIES),
                 "Old": ("hidden", old)})  # fmt: skip
    page = open_page(people.operator, bypass_csp=True)
    page.goto("/keywords/import")
    page.locator("input[type=file]").set_input_files(
        {"name": "search.xlsx", "mimeType": BOOK, "buffer": data}
    )
    page.get_by_role("button", name="Check the file").click()
    expect(page.get_by_text("Sheet “Queries”")).to_be_visible()
    page.get_by_label("Sheet", exact=True).select_option("Old")
    expect(page.get_by_text("Sheet “Old”")).to_be_visible()
    expect(page.get_by_text("ash table").first).to_be_visible()
    assert serious_faults(page) == []
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("heading", name="Imported", exact=True)).to_be_visible()
    session.expire_all()
    assert set(session.scalars(select(Keyword.text))) == {"ash table", "pine table"}
