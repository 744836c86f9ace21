"""Two people, one record: on every edit form the second one is shown both versions, and nothing is lost unseen."""

import re
from collections.abc import Callable
from datetime import datetime
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.planner.models import Sector
from app.business.planner.services.record_changes import KEYWORD, set_status
from app.business.writer.models import ContentVersion
from app.business.writer.services.record_editors import update_record
from tests.business.planner.stories import rule
from tests.factories import (
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)
from tests.people import People, browser_of, make_people, program_of

pytestmark = pytest.mark.both_databases

Form = dict[str, str]
Make = Callable[[Session, Sector], Any]

KINDS: dict[str, tuple[Make, str, tuple[str, str, Any], tuple[str, str, Any]]] = {
    # how it is made · its edit form · what A changes (field, value, what is stored) · what B changes
    "keyword": (make_keyword, "/keywords/{}/edit", ("volume", "70", 70), ("country", "NL", "NL")),
    "cluster": (make_cluster, "/clusters/{}/edit", ("name", "Boots", "Boots"), ("note", "Mine", "Mine")),
    "idea": (make_idea, "/ideas/{}/edit", ("title", "Boots", "Boots"), ("description", "Mine", "Mine")),
    "task": (make_task, "/tasks/{}/edit", ("brief", "Theirs", "Theirs"), ("word_count", "90", 90)),
    "content": (
        lambda session, sector: make_content(session, sector, html="<p>One</p>\n<p>two.</p>"),
        "/content/{}/edit",
        ("html", "A **new** text.", "<p>A <strong>new</strong> text.</p>"),
        ("meta_title", "Mine", "Mine"),
    ),
    "site": (
        lambda session, sector: sector.site,
        "/sites/{}/edit",
        ("name", "Tea", "Tea"),
        ("language", "de", "de"),
    ),
    "sector": (
        lambda session, sector: sector,
        "/sites/sectors/{}/edit",
        ("name", "Theirs", "Theirs"),
        ("name", "Mine", "Mine"),
    ),
}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def sector(session: Session, people: People) -> Sector:
    return make_sector(session, make_site(session, people.account, name="Socks"), name="Running")


@pytest.fixture
def browser(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.owner)


def fields_of(page: str) -> Form:
    """The form of a page as a browser sends it when nothing is typed."""
    form = page[page.index('<form method="post" action="/', page.index("<main")) :]
    form = form[: form.index("</form>")]
    fields: Form = {}
    for tag in re.findall(r"<input [^>]*>", form):
        given = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if "name" in given and given.get("type") not in ("submit", "checkbox"):
            fields[given["name"]] = unescape(given.get("value", ""))
    for name, text in re.findall(r'<textarea [^>]*name="(\w+)"[^>]*>\r?\n?(.*?)</textarea>', form, re.DOTALL):
        fields[name] = unescape(text).replace("\n", "\r\n")
    for name, choices in re.findall(r'<select [^>]*name="(\w+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option selected value="([^"]*)"', choices)
        fields[name] = unescape(chosen[1]) if chosen else ""
    return fields


@pytest.mark.parametrize("kind", KINDS)
def test_the_second_of_two_is_shown_both_versions_and_loses_nothing(
    browser: FlaskClient, session: Session, sector: Sector, kind: str
) -> None:
    make, path, theirs, mine = KINDS[kind]
    row = make(session, sector)
    session.commit()
    address = path.format(row.id)
    opened = fields_of(browser.get(address).text)
    assert browser.post(address, data=opened | {theirs[0]: theirs[1]}).status_code == 303

    answer = browser.post(address, data=opened | {mine[0]: mine[1]})
    assert answer.status_code == 412
    assert "Somebody else saved this" in answer.text
    session.refresh(row)
    assert getattr(row, theirs[0]) == theirs[2]
    shown = fields_of(answer.text)
    assert shown[mine[0]] == mine[1], "what was typed stays"
    assert theirs[0] == mine[0] or shown[theirs[0]].replace("\r\n", "\n") == str(theirs[1])
    assert unescape(answer.text).count(str(theirs[1])) >= 1

    assert browser.post(address, data=shown).status_code == 412, "not before it is asked for"
    overwrite = {"overwrite": str(row.version)}
    assert browser.post(address, data=shown | overwrite).status_code == 303
    session.refresh(row)
    assert getattr(row, mine[0]) == mine[2]
    assert theirs[0] == mine[0] or getattr(row, theirs[0]) == theirs[2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_form_sent_as_it_was_shown_changes_nothing(
    browser: FlaskClient, session: Session, sector: Sector, kind: str
) -> None:
    make, path, theirs, _ = KINDS[kind]
    row = make(session, sector)
    session.commit()
    opened = fields_of(browser.get(path.format(row.id)).text)
    before, version = getattr(row, theirs[0]), row.version
    assert browser.post(path.format(row.id), data=opened).status_code == 303
    session.refresh(row)
    assert (getattr(row, theirs[0]), row.version) == (before, version)


def test_a_third_save_is_not_overwritten_by_what_the_second_was_shown(
    browser: FlaskClient, session: Session, sector: Sector
) -> None:
    row = make_task(session, sector, title="Sheds")
    session.commit()
    address = f"/tasks/{row.id}/edit"
    opened = fields_of(browser.get(address).text)
    for text in ("first", "second"):
        browser.post(address, data=fields_of(browser.get(address).text) | {"brief": text})
    shown_too_early = opened | {"brief": "mine", "overwrite": "2"}
    assert browser.post(address, data=shown_too_early).status_code == 412
    session.refresh(row)
    assert row.brief == "second"


def test_a_change_outside_the_form_disturbs_nobody(
    browser: FlaskClient, session: Session, sector: Sector, now: datetime
) -> None:
    row = make_keyword(session, sector)
    session.commit()
    address = f"/keywords/{row.id}/edit"
    opened = fields_of(browser.get(address).text)
    set_status(session, KEYWORD, [row.id], "ignored", rule(sector), now)
    session.commit()
    assert browser.post(address, data=opened | {"volume": "12"}).status_code == 303
    session.refresh(row)
    assert (row.status, row.volume) == ("ignored", 12)


def test_a_rule_counts_as_another_person(
    browser: FlaskClient, session: Session, sector: Sector, now: datetime
) -> None:
    row = make_idea(session, sector)
    session.commit()
    address = f"/ideas/{row.id}/edit"
    opened = fields_of(browser.get(address).text)
    update_record(session, row, {"labels": ["spring"]}, origin=rule(sector), now=now)
    session.commit()
    answer = browser.post(address, data=opened | {"title": "Mine"})
    assert (answer.status_code, fields_of(answer.text)["labels"]) == (412, "spring")


def test_a_form_without_a_version_changes_only_what_it_sends(
    browser: FlaskClient, session: Session, sector: Sector
) -> None:
    row = make_content(session, sector, html="<p>One</p>", title="Sheds")
    session.commit()
    sent = {"title": "Sheds", "meta_title": "Mine"}
    assert browser.post(f"/content/{row.id}/edit", data=sent).status_code == 303
    session.refresh(row)
    assert (row.html, row.meta_title) == ("<p>One</p>", "Mine")


@pytest.mark.parametrize("version", ["²", "", "-1", "9" * 30, "1;--", "٣"])
def test_odd_versions_are_old_ones(
    browser: FlaskClient, session: Session, sector: Sector, version: str
) -> None:
    row = make_cluster(session, sector, name="Boots")
    session.commit()
    address = f"/clusters/{row.id}/edit"
    opened = fields_of(browser.get(address).text)
    odd = {"version": version, "read": "\x00:" + "ä" * 5_000, "overwrite": "²", "name": "Mine"}
    assert browser.post(address, data=opened | odd).status_code == 412
    session.refresh(row)
    assert row.name == "Boots"


def test_both_texts_of_an_article_are_kept(browser: FlaskClient, session: Session, sector: Sector) -> None:
    row = make_content(session, sector, html="<p>Old.</p>")
    session.commit()
    address = f"/content/{row.id}/edit"
    opened = fields_of(browser.get(address).text)
    browser.post(address, data=opened | {"html": "Theirs."})
    answer = browser.post(address, data=opened | {"html": "<p>Mine.</p>", "html-as": "html"})
    assert "Theirs." in answer.text
    assert "Mine." in answer.text
    browser.post(address, data=fields_of(answer.text) | {"overwrite": "2"})
    texts = session.scalars(select(ContentVersion.html).order_by(ContentVersion.number)).all()
    assert texts == ["<p>Old.</p>", "<p>Theirs.</p>", "<p>Mine.</p>"]


API: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "keyword": ("planner/keywords", {"volume": 70}, {"country": "NL"}),
    "cluster": ("planner/clusters", {"name": "Boots"}, {"note": "Mine"}),
    "idea": ("planner/ideas", {"title": "Boots"}, {"description": "Mine"}),
    "task": ("writer/tasks", {"brief": "Theirs"}, {"word_count": 90}),
    "content": ("writer/content", {"html": "<p>A</p>"}, {"meta_title": "Mine"}),
    "site": ("planner/sites", {"name": "Tea"}, {"language": "de"}),
    "sector": ("planner/sectors", {"name": "Theirs"}, {"name": "Mine"}),
}


@pytest.mark.parametrize("kind", API)
def test_the_entity_tag_is_the_version(
    app: Flask, session: Session, people: People, sector: Sector, kind: str
) -> None:
    row = KINDS[kind][0](session, sector)
    session.commit()
    api = program_of(app, session, people.owner)
    path, theirs, mine = API[kind]
    address = f"/api/{path}/{row.id}/"
    assert api.get(address).headers["ETag"] == '"1"'
    first = api.patch(address, json=theirs, headers={"If-Match": '"1"'})
    assert (first.status_code, first.headers["ETag"]) == (200, '"2"')
    late = api.patch(address, json=mine, headers={"If-Match": '"1"'})
    assert late.status_code == 412
    assert late.json is not None
    assert late.json["current"] == first.json
    plain = api.patch(address, json=mine)
    assert plain.json is not None
    assert (plain.status_code, plain.headers["ETag"]) == (200, '"3"')
    assert plain.json.items() >= (theirs | mine).items(), "only what is sent changes"
