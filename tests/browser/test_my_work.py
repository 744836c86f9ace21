"""My work in a real browser: by keyboard, without script, and readable by everybody."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy.orm import Session

from app.business.writer.models import Content
from tests.browser.conftest import serious_faults
from tests.factories import make_content, make_sector, make_site
from tests.people import People

LOOKS = [(1280, "light"), (390, "dark")]


@pytest.fixture
def drafts(session: Session, people: People) -> list[int]:
    sector, now = make_sector(session, make_site(session, people.account)), datetime.now(UTC)
    made = [
        make_content(
            session, sector, title=f"Draft number {n}", html="<p>Text of it.</p>",
            status_since=now - timedelta(hours=9 - n),
        ).id
        for n in range(4)
    ]  # fmt: skip
    session.commit()
    return made


def status_of(session: Session, content_id: int) -> str:
    session.expire_all()
    status = session.get_one(Content, content_id).status
    # Nothing stays open that the served application would wait for.
    session.rollback()
    return status


def test_drafts_are_checked_by_keyboard(
    open_page: Any, session: Session, people: People, drafts: list[int]
) -> None:
    page = open_page(people.operator, bypass_csp=True)
    page.goto("/my-work")
    assert serious_faults(page) == []
    expect(page.get_by_role("heading", name="Draft number 0")).to_be_visible()
    page.keyboard.press("j")
    expect(page.get_by_role("heading", name="Draft number 1")).to_be_visible()
    page.wait_for_load_state()  # Keys work from then on.
    page.keyboard.press("a")
    expect(page.get_by_role("heading", name="Draft number 2")).to_be_visible()
    assert status_of(session, drafts[1]) == "approved"
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("1 record as before.")).to_be_visible()
    assert status_of(session, drafts[1]) == "draft"
    page.wait_for_load_state()
    page.get_by_role("checkbox", name="Keys").uncheck()
    page.keyboard.press("a")
    page.reload()
    assert status_of(session, drafts[0]) == "draft"


def test_ticked_ones_are_sent_back_together_and_a_key_leads_to_the_people(
    open_page: Any, session: Session, people: People, drafts: list[int]
) -> None:
    page = open_page(people.operator)
    page.goto("/my-work")
    bar = page.get_by_role("group", name="With the ticked rows")
    expect(bar).to_be_hidden()
    for number in (1, 3):
        page.get_by_role("checkbox", name=f"Draft number {number}").check()
    bar.get_by_label("Note for the ticked").fill("Shorter, please.")
    bar.get_by_role("button", name="Send back").click()
    page.get_by_role("button", name="Send back 2").click()
    expect(page.get_by_text("2 content items sent back with your note.")).to_be_visible()
    noted = [bool(session.get_one(Content, id).note) for id in drafts]
    session.rollback()
    assert noted == [False, True, False, True]
    page.wait_for_load_state()
    page.keyboard.press("p")
    expect(page.get_by_label("Or somebody else checks it")).to_be_focused()


def test_on_a_phone_it_is_a_list_and_then_an_article_and_keys_decide_on_no_hidden_one(
    open_page: Any, session: Session, people: People, drafts: list[int]
) -> None:
    page = open_page(people.operator, viewport={"width": 390, "height": 844})
    page.goto("/my-work")
    listed, article = page.locator(".inbox-list"), page.locator(".inbox-open")
    expect(listed).to_be_visible()
    expect(article).to_be_hidden()
    page.keyboard.press("a")
    page.get_by_role("link", name="Draft number 2").click()
    expect(article).to_be_visible()
    expect(listed).to_be_hidden()
    assert status_of(session, drafts[0]) == "draft"
    page.wait_for_load_state()
    page.keyboard.press("a")
    expect(page.get_by_role("heading", name="Draft number 3")).to_be_visible()
    assert status_of(session, drafts[2]) == "approved"
    page.get_by_role("link", name="All to check").click()
    expect(listed).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_bar_appears_with_a_tick_and_nothing_is_hard_to_read(
    open_page: Any, people: People, drafts: list[int], width: int, scheme: str
) -> None:
    page = open_page(
        people.operator, bypass_csp=True, viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    page.goto("/my-work")
    bar = page.get_by_role("group", name="With the ticked rows")
    expect(bar).to_be_hidden()
    page.get_by_role("checkbox", name="Draft number 3").check()
    expect(bar).to_be_visible()
    assert serious_faults(page) == []
    page.goto("/content/99999")
    expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
    assert serious_faults(page) == []


def test_without_script_one_is_sent_back_with_a_note(
    open_page: Any, session: Session, people: People, drafts: list[int]
) -> None:
    page = open_page(people.operator, java_script_enabled=False)
    page.goto("/my-work")
    page.get_by_label("What should change").fill("Shorter, please")
    page.get_by_role("button", name="Send back").click()
    expect(page.get_by_text("1 content item sent back with your note.")).to_be_visible()
    session.expire_all()
    assert "Shorter, please" in session.get_one(Content, drafts[0]).note


def test_a_step_of_the_rule_form_begins_at_its_first_field(open_page: Any, people: People) -> None:
    page = open_page(people.editor)
    page.goto("/rules/new")
    expect(page.locator(".wizard-form input:not([type=hidden]), .wizard-form select").first).to_be_visible()
    assert page.evaluate("document.activeElement.closest('.wizard-form') !== null")
