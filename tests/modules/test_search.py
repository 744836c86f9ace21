"""Search: everything a person may see by name, runs by number; a page without script, a part with it."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.services.history.search import search
from tests.factories import (
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)
from tests.modules.automation_pages import make_rule, make_run
from tests.people import People, browser_of, make_people

KINDS = ["rule", "site", "keyword", "cluster", "idea", "task", "content"]


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def browser(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.viewer)


def one_of_each(session: Session, people: People, word: str) -> int:
    """A row of each kind with the word in its name; the id of a run."""
    site = make_site(session, people.account, name=f"{word} site")
    sector = make_sector(session, site)
    make_keyword(session, sector, text=f"{word.lower()} keyword")
    make_cluster(session, sector, name=f"{word} cluster")
    make_idea(session, sector, title=f"{word} idea")
    make_task(session, sector, title=f"{word} task")
    make_content(session, sector, title=f"{word} content")
    return make_run(session, make_rule(session, people.account, name=f"{word} rule"), "completed").id


def titles(html: str) -> list[str]:
    return re.findall(r'class="found-title">([^<]*)<', html)


def test_it_finds_one_of_each_kind_whatever_the_case_and_the_order_of_words(
    session: Session, people: People
) -> None:
    one_of_each(session, people, "Zebra")
    make_keyword(session, make_sector(session, make_site(session, people.account)), text="horse keyword")
    scope = Scope(people.account.id)
    assert [group.kind for group in search(session, scope, "ZEBRA")] == KINDS
    assert [group.kind for group in search(session, scope, "keyword zebra")] == ["keyword"]
    assert search(session, Scope(people.stranger.account_id), "zebra") == []


@pytest.mark.parametrize("said", ["{}", "#{}", "run {}", "Run #{}"])
def test_a_run_is_found_by_its_number_in_its_own_account_only(
    session: Session, people: People, said: str
) -> None:
    text = said.format(one_of_each(session, people, "Zebra"))
    found = search(session, Scope(people.account.id), text)
    assert [group.kind for group in found if group.kind == "run"] == ["run"]
    assert not [group for group in search(session, Scope(people.stranger.account_id), text) if group.rows]


def test_it_sees_only_the_sites_of_the_scope(session: Session, people: People) -> None:
    one_of_each(session, people, "Zebra")
    other = make_site(session, people.account, name="Other")
    make_keyword(session, make_sector(session, other), text="zebra there")
    found = search(session, Scope(people.account.id, frozenset({other.id})), "zebra")
    assert [(group.kind, [row.text for row in group.rows]) for group in found] == [
        ("keyword", ["zebra there"])
    ]


def test_too_little_or_odd_text_finds_nothing_and_says_so(
    browser: FlaskClient, session: Session, people: People
) -> None:
    one_of_each(session, people, "Zebra")
    session.commit()
    for text in ("", " ", "z", "9" * 40, "#", "\u200b", "zebr\x00a"):
        answer = browser.get("/search", query_string={"q": text})
        assert answer.status_code == 200
        assert titles(answer.text) == [], text
    assert "Type two letters or more" in browser.get("/search?q=z").text
    assert "in its name" in browser.get("/search?q=qqqq").text


def test_the_page_groups_what_it_finds_and_leads_to_the_rest(
    browser: FlaskClient, session: Session, people: People
) -> None:
    one_of_each(session, people, "Zebra")
    sector = make_sector(session, make_site(session, people.account))
    for number in range(6):
        make_keyword(session, sector, text=f"zebra {number}")
    session.commit()
    page = browser.get("/search?q=zebra").text
    assert "<h1>Search</h1>" in page
    assert 'value="zebra"' in page
    assert page.count('class="found-head"') == len(KINDS)
    assert 'href="/keywords?text=zebra"' in page
    assert 'href="/ideas?text=zebra"' not in page
    part = browser.get("/search?q=zebra", headers={"HX-Request": "true"}).text
    assert titles(part) == titles(page)
    assert "<h1>" not in part
    assert 'href="/credits"' in browser.get("/search?q=credit").text, "pages of the menu too"
    assert 'href="/team"' not in browser.get("/search?q=team").text.partition("search-results")[2]
