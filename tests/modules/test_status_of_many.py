"""One status for many records over REST."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.events import Event
from app.business.planner.models import Sector
from tests.factories import make_cluster, make_idea, make_keyword, make_sector, make_site, make_task
from tests.people import People, make_people, program_of


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.operator)


@pytest.fixture
def sector(session: Session, people: People) -> Sector:
    return make_sector(session, make_site(session, people.account))


@pytest.mark.both_databases
def test_those_that_may_be_moved_are_and_the_others_are_named(
    api: FlaskClient, session: Session, sector: Sector
) -> None:
    cluster = make_cluster(session, sector)
    ideas = [
        make_idea(session, sector, cluster_id=cluster.id, status=status) for status in ("new", "new", "used")
    ]
    keywords = [make_keyword(session, sector) for _ in range(2)]
    task = make_task(session, sector)
    session.commit()
    ids = [idea.id for idea in ideas]
    answer = api.post("/api/planner/ideas/set-status/", json={"ids": [*ids, ids[0]], "status": "accepted"})
    assert (answer.status_code, answer.json) == (200, {"moved": ids[:2], "left": ids[2:]})
    both = [keyword.id for keyword in keywords]
    ignored = api.post("/api/planner/keywords/set-status/", json={"ids": both, "status": "ignored"})
    assert ignored.json == {"moved": both, "left": []}
    ready = api.post("/api/writer/tasks/set-status/", json={"ids": [task.id], "status": "queued"})
    assert ready.json["moved"] == [task.id]
    # Of five records, and of the cluster, which has open ideas now.
    assert session.scalar(select(func.count()).select_from(Event)) == 6
    for row in (*ideas, *keywords, task):
        session.refresh(row)
    assert [row.status for row in (*ideas, *keywords, task)] == [
        "accepted", "accepted", "used", "ignored", "ignored", "queued"
    ]  # fmt: skip


def test_nothing_moves_if_one_is_missing_or_the_status_is_none(
    app: Flask, session: Session, people: People, api: FlaskClient, sector: Sector
) -> None:
    keyword = make_keyword(session, sector)
    session.commit()
    path = "/api/planner/keywords/set-status/"
    for ids, status, code in (
        ([keyword.id, 987654], "ignored", 404),
        ([keyword.id], "clustered", 422),
        ([keyword.id], "", 422),
        ([], "ignored", 422),
    ):
        refused = api.post(path, json={"ids": ids, "status": status})
        assert refused.status_code == code, (ids, status, refused.text)
    stranger = program_of(app, session, people.stranger)
    assert stranger.post(path, json={"ids": [keyword.id], "status": "ignored"}).status_code == 404
    session.refresh(keyword)
    assert keyword.status == "new"
