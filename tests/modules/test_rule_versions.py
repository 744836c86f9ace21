"""The versions of a rule: who, when, what; restoring; and two people who change one rule at once."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete
from sqlalchemy.orm import Session

from app.business.planner.models import Sector, Site
from tests.factories import make_sector, make_site
from tests.modules.automation_pages import make_rule
from tests.modules.automation_rest import RULES
from tests.modules.rule_changes import VOLUME, change
from tests.people import People, browser_of, make_people, program_of


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def owner(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.owner)


def test_every_version_says_who_changed_what(owner: FlaskClient, session: Session, people: People) -> None:
    rule = make_rule(session, people.account)
    change(session, rule, people.editor.id, conditions=VOLUME, priority=1)
    text = owner.get(f"/rules/{rule.id}/versions").text
    assert "<del>volume is at least 100</del>" in text
    assert "<ins>volume is at least 800</ins>" in text
    assert "Editor" in text
    assert "The first version" in text


def test_many_versions_come_in_pages_without_a_gap(
    owner: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account)
    for number in range(27):
        change(session, rule, None, name=f"Name {number}")
    first = owner.get(f"/rules/{rule.id}/versions").text
    assert "before=4" in first
    assert "<del>Name 1</del>" in first
    assert "<del>Name 0</del>" in owner.get(f"/rules/{rule.id}/versions?before=4").text


def test_a_version_is_compared_with_the_one_before_and_with_now(
    owner: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account)
    change(session, rule, people.editor.id, name="Second")
    change(session, rule, people.editor.id, name="Third")
    page = owner.get(f"/rules/{rule.id}/versions/2").text
    assert "What it changed" in page
    assert "Nightly clusters" in page
    now = owner.get(f"/rules/{rule.id}/versions/2?against=now").text
    assert "What has changed since" in now
    assert "Third" in now


def test_restoring_is_a_new_version(owner: FlaskClient, session: Session, people: People) -> None:
    rule = make_rule(session, people.account)
    change(session, rule, None, name="Second")
    answer = owner.post(f"/rules/{rule.id}/versions/1/restore", data={"seen": 2})
    assert answer.status_code == 303
    session.expire_all()
    assert (rule.name, rule.version) == ("Nightly clusters", 3)


def test_restoring_an_unseen_version_is_refused(owner: FlaskClient, session: Session, people: People) -> None:
    rule = make_rule(session, people.account)
    change(session, rule, None, name="Second")
    change(session, rule, None, name="Third, by somebody else")
    assert owner.post(f"/rules/{rule.id}/versions/1/restore", data={"seen": 2}).status_code == 412


def test_a_version_with_deleted_references_says_why_it_cannot_be_restored(
    owner: FlaskClient, session: Session, people: People
) -> None:
    sector = make_sector(session, make_site(session, people.account, name="Acme"))
    rule = make_rule(session, people.account, site=sector.site_id, sector=sector.id)
    change(session, rule, None, sector=None)
    session.execute(delete(Sector).where(Sector.id == sector.id))
    session.commit()
    text = owner.get(f"/rules/{rule.id}/versions/1").text
    assert "can no longer be restored" in text
    assert f"Sector {sector.id} was not found." in text
    refused = owner.post(f"/rules/{rule.id}/versions/1/restore", data={"seen": 2})
    assert refused.status_code == 422
    assert "can no longer be restored" in refused.text
    assert session.get_one(Site, sector.site_id)


def test_viewers_read_and_strangers_find_nothing(app: Flask, session: Session, people: People) -> None:
    rule = make_rule(session, people.account)
    viewer = browser_of(app, session, people.viewer)
    assert viewer.get(f"/rules/{rule.id}/versions").status_code == 200
    assert viewer.post(f"/rules/{rule.id}/versions/1/restore").status_code == 403
    stranger = browser_of(app, session, people.stranger)
    for path in ("versions", "versions/1"):
        assert stranger.get(f"/rules/{rule.id}/{path}").status_code == 404


def test_the_form_shows_what_somebody_else_saved_and_what_mine_would_change(
    app: Flask, owner: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account)
    draft = owner.post(f"/rules/{rule.id}/edit").location.rpartition("/")[0]
    owner.post(f"{draft}/name", data={"name": "Mine", "description": ""})
    change(session, rule, people.editor.id, conditions=VOLUME)
    refused = owner.post(f"{draft}/save", data={"on": "1"})
    assert refused.status_code == 412
    for words in ("Editor saved version 2", "<ins>volume is at least 800</ins>", "Theirs, now", "Mine"):
        assert words in refused.text
    change(session, rule, people.editor.id, priority=2)
    again = owner.post(f"{draft}/save", data={"on": "1", "overwrite": "2"})
    assert again.status_code == 412, "a third version came that nobody has seen"
    assert owner.post(f"{draft}/save", data={"on": "1", "overwrite": "3"}).status_code == 303
    session.expire_all()
    assert (rule.name, rule.version) == ("Mine", 4)


def test_a_program_with_an_old_tag_is_given_both_versions(
    app: Flask, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account)
    change(session, rule, people.editor.id, name="Second")
    api = program_of(app, session, people.owner)
    for send in (api.patch, api.put, api.delete):
        answer = send(f"{RULES}{rule.id}/", json={"name": "Mine"}, headers={"If-Match": '"1"'})
        assert answer.status_code == 412
        assert answer.content_type == "application/problem+json"
        assert (answer.json["yours"]["name"], answer.json["current"]["name"]) == (
            "Nightly clusters",
            "Second",
        )
        assert answer.json["changes"] == [
            {"field": "Name", "before": "Nightly clusters", "after": "Second", "kind": "changed"}
        ]
    unknown = api.patch(f"{RULES}{rule.id}/", json={"name": "x"}, headers={"If-Match": '"77"'})
    assert (unknown.status_code, unknown.json["yours"]) == (412, None)
    session.expire_all()
    assert rule.name == "Second"
