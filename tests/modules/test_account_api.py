"""Settings and people of the account over REST."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import AuditEntry
from tests.people import People, make_people, program_of

SETTINGS = "/api/accounts/settings/"


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.owner)


@pytest.mark.both_databases
def test_settings_are_changed_and_the_audit_log_says_what(
    api: FlaskClient, session: Session, people: People
) -> None:
    before = api.get(SETTINGS)
    said = before.json | {"daily_ceiling": 300, "name": "  Shoes   and more "}
    saved = api.patch(SETTINGS, json=said, headers={"If-Match": before.headers["ETag"]})
    assert saved.status_code == 200, saved.text
    assert saved.json == api.get(SETTINGS).json == said | {"name": "Shoes and more"}
    entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "account.changed")).one()
    assert entry.data is not None
    assert entry.data["daily_ceiling"] == {"from": before.json["daily_ceiling"], "to": 300}
    assert entry.api_key_id is not None
    late = api.patch(SETTINGS, json={"daily_ceiling": 1}, headers={"If-Match": before.headers["ETag"]})
    assert (late.status_code, late.json["current"]["daily_ceiling"]) == (412, 300)


def test_what_cannot_be_set_is_refused_by_name(api: FlaskClient) -> None:
    for sent, name in (
        ({"timezone": "Nowhere/Else"}, "timezone"),
        ({"second_factor_required": True}, "second_factor_required"),
        ({"name": " "}, "name"),
        ({"daily_ceiling": -1}, "daily_ceiling"),
        ({"nothing": 1}, "nothing"),
    ):
        refused = api.patch(SETTINGS, json=sent)
        assert (refused.status_code, [*refused.json["errors"]]) == (422, [name]), sent
    assert api.patch(SETTINGS, json={"timezone": "Asia/Tokyo"}).json["timezone"] == "Asia/Tokyo"


def test_people_are_listed_by_name_without_their_addresses(
    app: Flask, session: Session, people: People
) -> None:
    people.viewer.is_active = False
    session.commit()
    found = program_of(app, session, people.operator).get("/api/accounts/people/?limit=200").json["results"]
    everybody = (people.owner, people.editor, people.operator, people.viewer)
    assert {person["id"]: person["is_active"] for person in found} == {
        person.id: person.is_active for person in everybody
    }
    assert {person["name"] for person in found} == {person.name for person in everybody}
    assert not any("@" in str(person) for person in found)
