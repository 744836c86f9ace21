"""Keywords in bulk, in one batch, and the calls of the audit log."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.events import Event, EventBatch
from app.business.planner.models import Keyword, Sector
from tests.factories import make_account, make_keyword, make_sector, make_site
from tests.fuzz.world import fingerprint
from tests.people import People, browser_of, make_people, program_of

KEYWORDS, AUDIT = "/api/planner/keywords/", "/api/accounts/audit/"


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.owner)


@pytest.fixture
def sector(session: Session, people: People) -> Sector:
    sector = make_sector(session, make_site(session, people.account))
    make_keyword(session, sector, text="here already")
    session.commit()
    return sector


@pytest.mark.both_databases
def test_a_thousand_keywords_are_one_batch(
    api: FlaskClient, session: Session, people: People, sector: Sector
) -> None:
    other = make_site(session, people.account)
    session.commit()
    sent = [
        {"site": sector.site_id if number % 2 else other.id, "text": f"Word {number}", "volume": number}
        for number in range(997)
    ]
    sent += [
        {"site": sector.site_id, "sector": sector.id, "text": text, "labels": ["feed"]}
        for text in ("new", "Here Already", "NEW")
    ]
    answer = api.post(KEYWORDS, json=sent)
    assert answer.status_code == 201
    assert (answer.json["created"], answer.json["duplicates"]) == (998, 2)
    assert len(answer.json["results"]) == 998
    new = answer.json["results"][-1]
    assert (new["text"], new["sector"], new["labels"]) == ("new", sector.id, ["feed"])
    assert session.scalar(select(func.count(Keyword.id))) == 999
    assert session.scalar(select(func.count(EventBatch.id))) == 1
    assert session.scalar(select(func.count(Event.id))) == 998


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ([{"text": "a"}, {"text": ""}], "1.text"),
        ([{"text": "a"}, {"text": "b", "volume": -1}], "1.volume"),
        ([{"text": "a"}, {"text": "b", "assignee": 987654321}], "1.assignee"),
        ([{"text": "a"}, {"text": "b", "sector": 987654321}], "1.sector"),
        ([{"text": "a"}, {"text": "b", "colour": "red"}], "1.colour"),
        ([], "body"),
        ([{"text": str(number)} for number in range(1001)], "body"),
    ],
)
def test_one_wrong_keyword_is_named_by_its_place_and_nothing_is_added(
    api: FlaskClient, session: Session, sector: Sector, sent: list[dict[str, Any]], path: str
) -> None:
    before = fingerprint(session)
    answer = api.post(KEYWORDS, json=[{"site": sector.site_id} | keyword for keyword in sent])
    assert answer.status_code == 422
    assert path in answer.json["errors"]
    assert fingerprint(session) == before


def test_a_list_with_a_foreign_site_or_with_no_objects_is_refused(
    api: FlaskClient, session: Session, people: People, sector: Sector
) -> None:
    foreign = make_site(session, make_account(session))
    session.commit()
    before = fingerprint(session)
    both = [
        api.post(KEYWORDS, json=[{"site": sector.site_id, "text": "a"}, {"site": site, "text": "b"}])
        for site in (foreign.id, 987654321)
    ]
    assert [answer.status_code for answer in both] == [404, 404]
    assert both[0].data == both[1].data
    assert api.post(KEYWORDS, json=["a"]).status_code == 400
    assert fingerprint(session) == before


def test_owners_read_the_audit_log_with_filters(
    app: Flask, api: FlaskClient, session: Session, people: People
) -> None:
    owner = browser_of(app, session, people.owner)
    for name in ("One", "Two"):
        owner.post("/api-keys", data={"name": name, "scopes": ["read"]})
    owner.post(f"/team/{people.viewer.id}/role", data={"role": "operator", "confirmed": "1"})
    entries = api.get(AUDIT).json["results"]
    assert [entry["action"] for entry in entries] == ["user.role_changed", "api_key.made", "api_key.made"]
    assert entries[0]["user"] == people.owner.id
    assert entries[1]["data"]["name"] == "Two"
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    for query, count in (
        ("action=api_key.made", 2), ("action=api_key.made&action=user.role_changed", 3), ("action=none", 0),
        (f"user={people.owner.id}", 3), (f"user={people.viewer.id}", 0), ("subject_type=user", 1),
        (f"subject_type=user&subject_id={people.viewer.id}", 1), (f"created_after={tomorrow}", 0),
        (f"created_before={tomorrow}", 3),
    ):  # fmt: skip
        answer = api.get(f"{AUDIT}?{query}&count=true")
        assert (answer.status_code, answer.json["count"]) == (200, count), query
    assert api.get(f"{AUDIT}?ordering=created_at&limit=1").json["results"][0]["data"]["name"] == "One"
    assert program_of(app, session, people.editor).get(AUDIT).status_code == 403
    assert program_of(app, session, people.stranger).get(AUDIT).json["results"] == []
