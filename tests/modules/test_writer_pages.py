"""The writer's pages: tasks, and content with its preview, decisions and downloads."""

import re
from io import BytesIO
from zipfile import ZipFile

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.planner.models import Sector
from app.business.writer.models import Content, Task
from app.business.writer.services.article_markdown import to_markdown
from app.business.writer.services.sent_article import slug_of
from tests.factories import make_content, make_idea, make_sector, make_site, make_task
from tests.people import People, browser_of, make_people

APPROVING = 'name="status" value="approved"'
HOSTILE = "<p>Text</p><script>alert(1)</script><img src=x onerror=alert(1)><a href='javascript:x'>go</a>"


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def sector(session: Session, people: People) -> Sector:
    sector = make_sector(session, make_site(session, people.account))
    session.commit()
    return sector


@pytest.fixture
def browser(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.operator)


def made(session: Session, sector: Sector, **values: object) -> Content:
    content = make_content(session, sector, **values)
    session.commit()
    return content


def primary_of(page: str) -> str:
    """The words of the one button that stands out beside the heading."""
    (button,) = BeautifulSoup(page, "html.parser").select(".page-actions .is-primary")
    return button.text.strip()


def test_a_task_is_written_edited_and_marked_ready(
    browser: FlaskClient, session: Session, sector: Sector
) -> None:
    fields = {"title": "Write", "task_type": "write", "word_count": "800", "due_on": "2026-12-24"}
    answer = browser.post("/tasks/new", data=fields | {"place": f"{sector.site_id}-{sector.id}"})
    assert answer.status_code == 303
    task = session.scalars(select(Task)).one()
    assert browser.post(f"/tasks/{task.id}/edit", data=fields | {"word_count": "900"}).status_code == 303
    assert browser.post(f"/tasks/{task.id}/edit", data=fields | {"due_on": "soon"}).status_code == 422
    browser.post("/tasks/decide", data={"ids": task.id, "status": "queued"})
    page = browser.get(f"/tasks/{task.id}").text
    assert [word in page for word in ("900 words", "24 Dec 2026", "Queued")] == [True] * 3


def test_a_task_of_an_idea_starts_with_its_texts(
    browser: FlaskClient, session: Session, sector: Sector
) -> None:
    idea = make_idea(session, sector, title="Ten socks", description="Compare them.")
    session.commit()
    page = browser.get(f"/tasks/new?idea={idea.id}").text
    assert ("Ten socks" in page, "Compare them." in page) == (True, True)


def test_drafts_are_labelled_to_check_and_briefs_are_marked(
    browser: FlaskClient, session: Session, sector: Sector
) -> None:
    task = make_task(session, sector)
    content = made(session, sector, outline=True, task_id=task.id)
    assert "A brief, made without an AI connection" in browser.get(f"/content/{content.id}").text
    for address in ("/content", f"/content/{content.id}", f"/tasks/{task.id}", "/my-work"):
        page = browser.get(address).text
        assert ("To check" in page, "Brief</span>" in page) == (True, True)


def test_the_article_is_in_a_frame_in_which_nothing_runs(
    browser: FlaskClient, session: Session, sector: Sector
) -> None:
    content = made(session, sector, html=HOSTILE)
    page = browser.get(f"/content/{content.id}")
    assert ("sandbox title" in page.text, "<script>alert" in page.text) == (True, False)
    article = browser.get(f"/content/{content.id}/article")
    assert "<p>Text</p>" in article.text
    assert not any(word in article.text for word in ("alert", "onerror", "javascript:"))
    assert article.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert article.headers["Content-Security-Policy"].endswith("sandbox")


def test_an_article_is_approved_and_sent_back_with_a_note(
    browser: FlaskClient, session: Session, sector: Sector
) -> None:
    content = made(session, sector, note="Earlier")
    browser.post(f"/content/{content.id}/decide", data={"status": "approved"})
    assert "Approved" in browser.get(f"/content/{content.id}").text
    browser.post(f"/content/{content.id}/decide", data={"status": "draft", "note": "Shorter intro"})
    session.refresh(content)
    assert content.status == "draft"
    assert content.note.startswith("Operator, ")
    assert content.note.endswith(": Shorter intro\n\nEarlier")
    assert browser.post(f"/content/{content.id}/decide", data={"status": "published"}).status_code == 422


def test_an_edited_article_is_cleaned_and_counted(
    browser: FlaskClient, session: Session, sector: Sector
) -> None:
    content = made(session, sector)
    fields = {"title": "Socks", "html": "<p>One two three</p><script>x</script>"}
    assert browser.post(f"/content/{content.id}/edit", data=fields).status_code == 303
    session.refresh(content)
    assert (content.html, content.word_count) == ("<p>One two three</p>", 3)


@pytest.mark.parametrize(
    ("kind", "start"), [("html", "<!doctype html>"), ("md", "---\ntitle: Content"), ("docx", "PK")]
)
def test_an_article_is_downloaded_as_a_file(
    browser: FlaskClient, session: Session, sector: Sector, kind: str, start: str
) -> None:
    content = made(session, sector, html="<h2>Socks</h2><p>Warm.</p>")
    file = browser.get(f"/content/{content.id}/article.{kind}")
    assert file.data.startswith(start.encode())
    name = f"{slug_of(content.title)}-{content.id}.{kind}"
    assert file.headers["Content-Disposition"] == f"attachment; filename={name}"


def test_many_are_downloaded_as_one_archive_without_those_of_others(
    app: Flask, browser: FlaskClient, session: Session, people: People, sector: Sector
) -> None:
    contents = [made(session, sector) for _ in range(3)]
    session.commit()
    asked = "&".join(f"ids={one.id}" for one in contents[:2])
    names = ZipFile(
        BytesIO(browser.get(f"/content/articles.zip?kind=docx&{asked}&ids=987654321").data)
    ).namelist()
    assert names == [f"{slug_of(one.title)}-{one.id}.docx" for one in contents[:2]]
    assert browser.get(f"/content/articles.zip?kind=exe&{asked}").status_code == 404
    assert browser.get("/content/articles.zip?kind=md&" + "ids=1&" * 201).status_code == 422
    stranger = browser_of(app, session, people.stranger)
    answer = stranger.get(f"/content/articles.zip?kind=md&{asked}")
    assert (answer.status_code, answer.location) == (303, "/content")


def test_the_list_offers_the_ticked_articles_as_one_file_of_each_kind(
    browser: FlaskClient, session: Session, sector: Sector
) -> None:
    content = made(session, sector)
    session.commit()
    page = browser.get("/content").text
    form = re.search(r'<form method="get" action="/content/articles.zip".*?</form>', page, re.DOTALL)
    assert form
    assert f'name="ids" value="{content.id}"' in form[0]
    for kind in re.findall(r'<option value="(\w+)">', form[0]):
        archive = browser.get(f"/content/articles.zip?ids={content.id}&kind={kind}")
        assert ZipFile(BytesIO(archive.data)).namelist() == [f"{slug_of(content.title)}-{content.id}.{kind}"]


def test_markdown_keeps_what_the_allow_list_keeps() -> None:
    html = "<h2>A</h2><p>b <strong>c</strong> 2*3 <a href='https://x.example'>d</a></p><ol><li>e</li><li>f</li></ol>"
    assert to_markdown(html) == "## A\n\nb **c** 2\\*3 [d](https://x.example)\n\n1. e\n2. f"
    table = "<table><tr><th>S</th><th>M</th></tr><tr><td>1</td><td>2</td></tr></table>"
    assert to_markdown(table) == "| S | M |\n| --- | --- |\n| 1 | 2 |"


def test_strangers_find_nothing_and_viewers_change_nothing(
    app: Flask, session: Session, people: People, sector: Sector
) -> None:
    content, task = made(session, sector), make_task(session, sector)
    session.commit()
    viewer, stranger = browser_of(app, session, people.viewer), browser_of(app, session, people.stranger)
    for path in ("", "/article", "/article.html", "/article.md"):
        assert viewer.get(f"/content/{content.id}{path}").status_code == 200
        assert stranger.get(f"/content/{content.id}{path}").status_code == 404
    for path in (f"/content/{content.id}/edit", f"/content/{content.id}/decide", f"/tasks/{task.id}/edit"):
        assert (viewer.post(path).status_code, stranger.post(path).status_code) == (403, 404)
    assert viewer.post("/tasks/decide", data={"ids": task.id, "status": "queued"}).status_code == 403


def test_a_brief_is_not_offered_for_approval_but_for_writing_it_out(
    browser: FlaskClient, session: Session, sector: Sector
) -> None:
    content = made(session, sector, outline=True)
    address = f"/content/{content.id}"
    page = browser.get(address).text
    assert ("never published" in page, "It is written out" in page, APPROVING in page) == (
        True, True, False,
    )  # fmt: skip
    assert primary_of(page) == "Write it"
    written = {"title": content.title, "html": "<p>All of it.</p>"}
    assert browser.post(f"{address}/edit", data=written).status_code == 303
    assert primary_of(browser.get(address).text) == "It is written out"
    browser.post(f"{address}/decide", data={"status": "approved"})
    page = browser.get(address).text
    assert "Approved as a brief." in page
    assert "may be published now" not in page
    browser.post(f"{address}/written-out")
    session.refresh(content)
    assert (content.outline, content.status) == (False, "draft")
    page = browser.get(address).text
    assert ("never published" in page, APPROVING in page) == (False, True)
