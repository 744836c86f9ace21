"""The API's notices: the person's own, filtered, in order, and marked as read one by one or all at once."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.accounts.models import Role
from app.business.accounts.services.notices import add_notice
from tests.people import People, make_people, program_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
NOTICES = "/api/automation/notices/"


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def viewer(app: Flask, session: Session, people: People) -> FlaskClient:
    now = datetime.now(UTC)
    before = now - timedelta(minutes=1)
    for index, (level, role) in enumerate(
        [("info", None), ("danger", None), ("warning", Role.OWNER), ("info", Role.VIEWER)]
    ):
        at = now + timedelta(minutes=index)
        add_notice(
            session, account_id=people.account.id, level=level, title=f"n{index}", body="b", now=at, role=role
        )
    add_notice(
        session,
        account_id=people.account.id,
        level="info",
        title="owner's",
        body="b",
        now=before,
        user_id=people.owner.id,
    )
    session.commit()
    return program_of(app, session, people.viewer)


def titles(program: FlaskClient, query: str = "") -> list[str]:
    return [notice["title"] for notice in program.get(f"{NOTICES}{query}").json["results"]]


def test_notices_are_those_of_the_person_by_age_and_filter(
    app: Flask, session: Session, people: People, viewer: FlaskClient
) -> None:
    assert titles(viewer) == ["n3", "n1", "n0"]
    assert titles(viewer, "?ordering=created_at") == ["n0", "n1", "n3"]
    assert titles(viewer, "?level=danger") == ["n1"]
    assert titles(viewer, "?read=true") == []
    first = viewer.get(f"{NOTICES}?limit=2&count=true").json
    assert first["count"] == 3
    assert titles(viewer, f"?limit=2&cursor={first['next']}") == ["n0"]
    assert titles(program_of(app, session, people.owner)) == ["n3", "n2", "n1", "n0", "owner's"]
    assert titles(program_of(app, session, people.stranger)) == []


def test_one_notice_and_all_are_marked_as_read(
    app: Flask, session: Session, people: People, viewer: FlaskClient
) -> None:
    notice = viewer.get(f"{NOTICES}?level=danger").json["results"][0]
    one = viewer.get(f"{NOTICES}{notice['id']}/")
    assert one.json == notice
    stale = viewer.post(f"{NOTICES}{notice['id']}/read/", headers={"If-Match": '"other"'})
    assert stale.status_code == 412
    read = viewer.post(f"{NOTICES}{notice['id']}/read/", headers={"If-Match": one.headers["ETag"]})
    assert read.json == {"unread": 2}
    assert titles(viewer, "?read=false") == ["n3", "n0"]
    assert viewer.get(f"{NOTICES}{notice['id']}/").json["read_at"]
    owner = program_of(app, session, people.owner)
    hidden = next(item for item in owner.get(NOTICES).json["results"] if item["title"] == "owner's")
    refused = viewer.post(f"{NOTICES}{hidden['id']}/read/")
    assert refused.status_code == 404
    assert viewer.post(f"{NOTICES}read/").json == {"unread": 0}
    assert titles(viewer, "?read=false") == []
    assert titles(owner, "?read=false") == ["n2", "owner's"]
