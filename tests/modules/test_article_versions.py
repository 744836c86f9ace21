"""The versions of an article: every save is listed, compared word by word, and can be gone back to."""

from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.business.writer.models import Content
from app.business.writer.services.article_html import from_markdown
from app.business.writer.services.article_markdown import to_markdown
from app.business.writer.services.content_versions import compare, keep_first_version
from tests.factories import make_content, make_sector, make_site
from tests.people import People, browser_of, make_people

WORDS = st.lists(st.sampled_from(["wool", "socks", "are", "warm", "\n\n", "## Care", "dry"]), max_size=30)


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def content(session: Session, people: People) -> Content:
    sector = make_sector(session, make_site(session, people.account))
    made = make_content(session, sector, title="Socks", html="<p>Wool socks are warm.</p>")
    session.commit()
    return made


@pytest.fixture
def browser(app: Flask, session: Session, people: People, content: Content) -> FlaskClient:
    client = browser_of(app, session, people.operator)
    for text in ("Wool socks are dry.", "Silk socks are dry."):
        assert (
            client.post(f"/content/{content.id}/edit", data={"html": text, "html-as": "markdown"}).status_code
            == 303
        )
    return client


def test_every_save_is_listed_with_what_it_changed(browser: FlaskClient, content: Content) -> None:
    page = browser.get(f"/content/{content.id}/versions").text
    assert [f"Version {number}" in page for number in (1, 2, 3, 4)] == [True, True, True, False]
    changed = unescape(browser.get(f"/content/{content.id}/versions/2").text)
    assert "<del>warm.</del><ins>dry.</ins>" in changed
    since = unescape(browser.get(f"/content/{content.id}/versions/1?against=now").text)
    assert "<del>Wool</del><ins>Silk</ins>" in since
    assert f'src="/content/{content.id}/article?version=1"' not in since
    assert browser.get(f"/content/{content.id}/article?version=9").status_code == 404
    assert browser.get(f"/content/{content.id}/versions/9").status_code == 404


def test_the_only_version_is_shown_as_it_reads(
    app: Flask, session: Session, people: People, content: Content
) -> None:
    viewer = browser_of(app, session, people.viewer)
    keep_first_version(session, content)
    session.commit()
    address = f"/content/{content.id}/article?version=1"
    page = viewer.get(f"/content/{content.id}/versions/1")
    assert f'src="{address}"' in page.text
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    framed = viewer.get(address)
    assert "<p>Wool socks are warm.</p>" in framed.text
    assert framed.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_going_back_is_a_new_version_and_loses_nothing(
    browser: FlaskClient, session: Session, content: Content
) -> None:
    address = f"/content/{content.id}/versions/1/restore"
    assert browser.post(address, data={"seen": "3"}).status_code == 303
    session.refresh(content)
    assert (content.html, content.version, content.word_count) == ("<p>Wool socks are warm.</p>", 4, 4)
    assert "Version 4" in browser.get(f"/content/{content.id}/versions").text


def test_it_overwrites_nothing_that_was_saved_meanwhile(
    browser: FlaskClient, session: Session, content: Content
) -> None:
    browser.post(f"/content/{content.id}/versions/1/restore", data={"seen": "2"})
    session.refresh(content)
    assert content.html == "<p>Silk socks are dry.</p>"
    assert "Somebody saved this article meanwhile" in browser.get(f"/content/{content.id}/versions").text


def test_an_article_that_was_never_changed_says_so(
    app: Flask, session: Session, people: People, content: Content
) -> None:
    page = browser_of(app, session, people.viewer).get(f"/content/{content.id}/versions").text
    assert "No earlier version" in page


@given(WORDS, WORDS)
def test_the_parts_are_both_texts(before: list[str], after: list[str]) -> None:
    one, other = from_markdown(" ".join(before)), from_markdown(" ".join(after))
    parts = compare(one, other)
    assert "".join(text for kind, text in parts if kind != "added") == to_markdown(one)
    assert "".join(text for kind, text in parts if kind != "removed") == to_markdown(other)


def test_very_long_texts_are_compared_by_line() -> None:
    line = "A line of the article. " * 4
    before = "".join(f"<p>{number} {line}</p>" for number in range(1_000))
    parts = compare(before, before.replace("<p>500 A", "<p>500 One"))
    assert [kind for kind, _ in parts] == ["same", "removed", "added", "same"]


def test_a_text_written_anew_is_one_change_and_not_shreds_around_chance_words() -> None:
    one = "<p>The rain in the hills fell on the old road for days and nobody came by the house at all.</p>"
    other = "<p>Choose boots by the sole and try them on late in the day with the socks you mean to wear.</p>"
    assert [kind for kind, _ in compare(one, other)][:2] == ["removed", "added"]
    assert sum(kind != "same" for kind, _ in compare(one, other)) == 2
    small = [
        part
        for part in compare("<p>Wool socks are warm.</p>", "<p>Silk socks are dry.</p>")
        if part[1].strip()
    ]
    assert [kind for kind, _ in small] == ["removed", "added", "same", "removed", "added"]


def test_long_stretches_without_a_change_are_folded(
    app: Flask, session: Session, content: Content, browser: FlaskClient
) -> None:
    lines = [f"Line {number} stays." for number in range(40)]
    for text in (lines, [*lines[:20], "New.", *lines[20:]]):
        answer = browser.post(
            f"/content/{content.id}/edit", data={"html": "\n\n".join(text), "html-as": "markdown"}
        )
        assert answer.status_code == 303
    session.expire_all()
    page = browser.get(f"/content/{content.id}/versions/{content.version}").text
    assert page.count("words without a change") == 2
    assert "1 word added" in page
    assert "0 words removed" in page
    assert "Text" in browser.get(f"/content/{content.id}/versions").text
