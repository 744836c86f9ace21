"""Archived records are excluded wherever records are read: lists, pages, counts, searches, exports and forms."""

from datetime import UTC, datetime

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.business.accounts.services.audit_log import AuditActor
from app.business.accounts.services.scope import Scope
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.planner.services.record_archive import archived_record, restore
from tests.fuzz.world import fingerprint
from tests.modules.archived_rows import make_archived
from tests.modules.permissions import address, make_rows
from tests.modules.test_permissions import calls, is_api
from tests.modules.test_scopes import HIDDEN, read
from tests.people import People, browser_of, make_people, program_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")

LISTS = {
    "keyword": "/keywords /api/planner/keywords/", "cluster": "/clusters /api/planner/clusters/",
    "idea": "/ideas /api/planner/ideas/", "task": "/tasks /api/writer/tasks/",
    "content": "/content /api/writer/content/",
}  # fmt: skip
COUNTING = """
    / /my-work /credits /sites /clusters/{cluster} /why/keyword/{keyword} /rules/{rule} /rules/{rule}/test
    /api/planner/clusters/{cluster}/ /api/automation/rules/{rule}/
"""
"""Pages that count or offer records. All other pages are covered by the test of scopes."""


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def rows(app: Flask, session: Session, people: People) -> dict[str, str]:
    app.config["RATELIMIT_ENABLED"] = False
    return make_rows(app, session, people)


def restore_all(session: Session, people: People, archived: dict[str, str]) -> None:
    for kind, id in archived.items():
        row = archived_record(session, MODELS[kind], int(id), Scope(people.account.id))
        restore(session, row, actor=AuditActor(people.owner.id), now=datetime.now(UTC))
    session.commit()


def clients_of(app: Flask, session: Session, people: People) -> dict[bool, FlaskClient]:
    return {False: browser_of(app, session, people.owner), True: program_of(app, session, people.owner)}


def test_what_is_read_is_the_same_with_and_without_archived_records(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    clients = clients_of(app, session, people)
    searches = [path for paths in LISTS.values() for path in paths.split()]
    asked = [path.format_map(rows) for path in COUNTING.split()] + searches
    asked += [f"{path}?text={HIDDEN}" for path in searches]
    with time_machine.travel(datetime.now(UTC), tick=False):
        clients[True].get("/api/planner/sites/")  # From now on the page of keys says that it was used.
        before = [read(clients[is_api(path)], path) for path in asked]
        archived = make_archived(session, rows, HIDDEN)
        after = [read(clients[is_api(path)], path) for path in asked]
    assert [path for path, old, new in zip(asked, before, after, strict=True) if new != old] == []
    restore_all(session, people, archived)
    for path in searches:
        assert HIDDEN.encode() in clients[is_api(path)].get(path).data, path


def test_no_archived_record_is_opened_or_changed_until_it_is_restored(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    archived, clients = make_archived(session, rows, HIDDEN), clients_of(app, session, people)
    before, opened = fingerprint(session), []
    for kind, id in archived.items():
        for _, method, rule in calls(app):
            where = address(rule, rows | {kind: id})
            if where != address(rule, rows):
                client = clients[is_api(rule)]
                answer = client.open(where, method=method, json={} if is_api(rule) else None)
                assert answer.status_code == 404, (method, rule, answer.status_code)
                opened += [(client, where)] if method == "GET" else []
    assert len(opened) >= 10
    assert fingerprint(session) == before
    restore_all(session, people, archived)
    for client, where in opened:
        assert client.get(where).status_code != 404, where


def test_a_request_that_names_archived_records_leaves_them_alone(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    archived, clients = make_archived(session, rows, HIDDEN), clients_of(app, session, people)
    before, number = fingerprint(session), int(archived["keyword"])
    for path, kind, status in (
        ("/keywords/decide", "keyword", "ignored"), ("/ideas/decide", "idea", "accepted"),
        ("/tasks/decide", "task", "queued"),
    ):  # fmt: skip
        answer = clients[False].post(path, data={"ids": archived[kind], "status": status})
        assert answer.status_code == 303, path
    rule = f"/api/automation/rules/{rows['rule']}"
    for path, body in (
        ("execute", {"record_ids": [number], "even_if_off": True}), ("price", {"record_ids": [number]}),
        ("test", {"record_id": number}),
    ):  # fmt: skip
        assert clients[True].post(f"{rule}/{path}/", json=body).status_code == 404, path
    assert fingerprint(session) == before
    assert session.scalar(text("SELECT count(*) FROM keyword WHERE archived_at IS NOT NULL")) == 1
