"""Writing an article in the browser: typed, pasted, undone, kept when the line breaks, and by two people at once."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from app.business.writer.models import Content
from tests.factories import (
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)
from tests.people import People

OLD = (
    "<h2>Sizes</h2><p>Measure <strong>both</strong> feet<sup>1</sup>.</p>"
    "<table><tbody><tr><td>42</td></tr></tbody></table>"
)
WORD = (
    "<html xmlns:o='urn:schemas-microsoft-com:office:office'><body><!--StartFragment-->"
    "<h1 class=MsoTitle style='color:red'>Care</h1><p class=MsoNormal><b><span style='mso-fareast:x'>"
    "Wash</span></b> by <i>hand</i><o:p></o:p></p>"
    "<script>alert(1)</script><img src=x onerror=alert(1)><!--EndFragment--></body></html>"
)
PASTE = """([html]) => {
  const data = new DataTransfer();
  data.setData("text/html", html);
  data.setData("text/plain", "plain");
  const target = document.querySelector(".editor-text");
  target.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""
Open = Callable[..., Page]


@pytest.fixture
def content(session: Session, people: People) -> Content:
    sector = make_sector(session, make_site(session, people.account))
    cluster = make_cluster(session, sector, name="Socks")
    for text, volume in (("wool socks", 900), ("sock sizes", 300)):
        make_keyword(session, sector, text=text, volume=volume, cluster_id=cluster.id, status="clustered")
    idea = make_idea(session, sector, cluster_id=cluster.id)
    task = make_task(session, sector, idea_id=idea.id, brief="Say how to measure.", word_count=200)
    made = make_content(session, sector, task_id=task.id, title="Socks", html=OLD)
    session.commit()
    return made


def begin(page: Page, content: Content) -> Any:
    page.goto(f"/content/{content.id}/edit")
    text = page.get_by_role("textbox", name="Article")
    expect(text).to_be_visible()
    return text


def saved(page: Page, session: Session, content: Content) -> str:
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    session.refresh(content)
    html = content.html
    # A transaction left open would lock the database for the next request.
    session.rollback()
    return html


def test_what_is_typed_is_saved_and_the_rest_stays(
    open_page: Open, people: People, session: Session, content: Content
) -> None:
    page = open_page(people.owner)
    text = begin(page, content)
    text.press("Control+End")
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    text.get_by_text("Measure").click()
    text.press("End")
    text.press("Enter")
    text.press_sequentially("Wool socks are ")
    text.press("Control+b")
    text.press_sequentially("warm")
    expect(page.get_by_role("button", name="Bold")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-search='wool socks']")).to_have_attribute("data-used", "")
    html = saved(page, session, content)
    assert "<p>Wool socks are <strong>warm</strong></p>" in html
    assert "<strong>both</strong> feet<sup>1</sup>." in html
    assert "<td>42</td>" in html


def test_an_article_that_was_only_looked_at_is_not_changed(
    open_page: Open, people: People, session: Session, content: Content
) -> None:
    page = open_page(people.owner)
    begin(page, content)
    page.get_by_label("Title", exact=True).fill("Socks and sizes")
    assert saved(page, session, content) == OLD
    expect(page.get_by_role("heading", name="Socks and sizes")).to_be_visible()


def test_what_a_word_processor_pastes_becomes_plain_article_markup(
    open_page: Open, people: People, session: Session, content: Content
) -> None:
    page = open_page(people.owner)
    text = begin(page, content)
    text.press("Control+a")
    page.evaluate(PASTE, [WORD])
    expect(text.get_by_role("heading", name="Care")).to_be_visible()
    expect(text.locator("script, img, [style], [class]")).to_have_count(0)
    html = saved(page, session, content)
    assert "<h2>Care</h2>" in html
    assert "<p><strong>Wash</strong> by <em>hand</em></p>" in html


def test_undo_and_redo(open_page: Open, people: People, content: Content) -> None:
    page = open_page(people.owner)
    text = begin(page, content)
    text.get_by_text("Measure").click()
    page.get_by_role("button", name="Smaller heading").click()
    expect(text.locator("h3")).to_contain_text("Measure")
    page.get_by_role("button", name="Undo").click()
    expect(text.locator("h3")).to_have_count(0)
    page.get_by_role("button", name="Redo").click()
    expect(text.locator("h3")).to_contain_text("Measure")


def test_text_outlives_a_broken_line(
    open_page: Open, people: People, session: Session, content: Content
) -> None:
    page = open_page(people.owner)
    text = begin(page, content)
    text.get_by_text("Measure").click()
    text.press("Home")
    text.press_sequentially("First of all: ")
    expect(page.get_by_text("It is kept in this browser until you save.")).to_be_visible()
    page.context.set_offline(True)
    page.get_by_role("button", name="Save").click()
    page.context.set_offline(False)
    text = begin(page, content)
    expect(text).not_to_contain_text("First of all")
    page.get_by_role("button", name="Continue with it").click()
    expect(text).to_contain_text("First of all: Measure")
    assert "<p>First of all: Measure" in saved(page, session, content)
    begin(page, content)
    expect(page.get_by_role("button", name="Continue with it")).to_be_hidden()


def test_text_that_was_not_saved_is_not_left_to_the_next_person(
    open_page: Open, people: People, content: Content
) -> None:
    page = open_page(people.owner)
    text = begin(page, content)
    text.get_by_text("Measure").click()
    text.press_sequentially("Mine. ")
    expect(page.get_by_text("It is kept in this browser until you save.")).to_be_visible()
    page.locator("form[action$='/sign-out']").evaluate("form => form.requestSubmit()")
    expect(page).to_have_url(re.compile("sign-in"))
    assert page.evaluate("Object.keys(localStorage)") == []


def test_the_second_of_two_people_is_shown_both_texts(
    open_page: Open, people: People, session: Session, content: Content
) -> None:
    theirs, mine = open_page(people.owner), open_page(people.editor)
    for page, words in ((theirs, "Theirs. "), (mine, "Mine. ")):
        text = begin(page, content)
        text.get_by_text("Measure").click()
        text.press("Home")
        text.press_sequentially(words)
    assert "Theirs. Measure" in saved(theirs, session, content)
    mine.get_by_role("button", name="Save").click()
    expect(mine.get_by_text("Somebody else saved this article meanwhile")).to_be_visible()
    expect(mine.get_by_role("textbox", name="Article")).to_contain_text("Mine. Measure")
    mine.get_by_label("Save mine over theirs.").check()
    assert "Mine. Measure" in saved(mine, session, content)


def test_without_scripts_the_text_is_markdown(
    open_page: Open, people: People, session: Session, content: Content
) -> None:
    page = open_page(people.owner, java_script_enabled=False)
    page.goto(f"/content/{content.id}/edit")
    field = page.locator("textarea[name=html]")
    assert field.input_value().startswith("## Sizes\n\nMeasure **both** feet")
    field.fill("## Care\n\nWash by *hand*.")
    assert saved(page, session, content) == "<h2>Care</h2>\n<p>Wash by <em>hand</em>.</p>"
