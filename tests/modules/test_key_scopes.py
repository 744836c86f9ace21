"""Keys with scopes, sites, an expiry and limits: over every call of the API, default deny, with an audit trail."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import ApiKey, AuditEntry, KeyScope, User
from app.business.accounts.services import api_keys
from app.business.accounts.services.api_keys import KeyLimits
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask
from app.modules.access import OWNER_OF_ALL, declare
from app.modules.api.declaration import declared_calls
from app.modules.openapi.document import document_of
from tests.factories import make_site
from tests.fuzz.world import fingerprint
from tests.modules.permissions import MISSING, address, make_rows, names_a_row
from tests.modules.test_permissions import REACHED, calls, comparable, stubbed
from tests.modules.test_scopes import make_others
from tests.people import People, browser_of, make_people

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
RULES = "/api/automation/rules/"
KEYWORDS = "/api/planner/keywords/"


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def rows(app: Flask, session: Session, people: People) -> dict[str, str]:
    rows = make_rows(app, session, people)
    for model in (AutomationRule, ScheduledTask):
        session.execute(update(model).values(site_id=int(rows["site"])))
    session.commit()
    return rows


@pytest.fixture
def unlimited(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "RATELIMIT_ENABLED", False)


def keyed(app: Flask, session: Session, user: User, **limits: Any) -> FlaskClient:
    _, secret = api_keys.issue(session, user, "Program", datetime.now(UTC), KeyLimits(**limits))
    session.commit()
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    return client


@pytest.mark.usefixtures("unlimited")
def test_a_key_makes_the_calls_of_its_scopes_and_no_others(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    declared = declared_calls(app)
    programs = {scope: keyed(app, session, people.owner, scopes=[scope]) for scope in KeyScope}
    both = keyed(app, session, people.owner, scopes=[KeyScope.READ, KeyScope.RUN])
    asked = [entry for entry in calls(app) if entry[0] in declared and declared[entry[0]].permission.role]
    assert {declared[endpoint].permission.scope for endpoint, *_ in asked} == set(KeyScope)
    with stubbed(app):
        for endpoint, method, rule in asked:
            needed, path = declared[endpoint].permission.scope, address(rule, rows)
            for scope, program in programs.items():
                answer = program.open(path, method=method)
                assert (answer.text == REACHED) == (scope == needed), (endpoint, scope)
                assert answer.status_code == (200 if scope == needed else 403)
            assert (both.open(path, method=method).status_code == 200) == (
                needed in (KeyScope.READ, KeyScope.RUN)
            )
    refused = programs[KeyScope.READ].delete(address(f"{RULES}<int:id>/", rows))
    assert "This needs a key with the scope write; this key has read." in refused.json["detail"]


def test_the_document_names_the_scope_of_each_call(app: Flask) -> None:
    operations = {
        operation["operationId"]: operation
        for methods in document_of(app)["paths"].values()
        for operation in methods.values()
        if "key" in operation["security"][0]
    }
    scopes = {name: operation["security"][0]["key"] for name, operation in operations.items()}
    assert all(len(needed) == 1 and needed[0] in list(KeyScope) for needed in scopes.values())
    for name, scope in (
        ("list_runs", "read"), ("show_price", "read"), ("execute_rule", "run"), ("cancel_run", "run"),
        ("change_rule", "write"), ("create_keyword", "write"), ("create_webhook", "admin"), ("show_ai", "admin"),
    ):  # fmt: skip
        assert scopes[name] == [scope], name
        assert f"needs `{scope}`" in operations[name]["description"]


def test_a_view_without_a_scope_is_closed_to_limited_keys(
    app: Flask, session: Session, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.view_functions, "planner_api.list_sites", declare(lambda: REACHED, OWNER_OF_ALL))
    limited = keyed(app, session, people.owner, scopes=list(KeyScope)).get("/api/planner/sites/")
    assert (limited.status_code, keyed(app, session, people.owner).get("/api/planner/sites/").text) == (
        403,
        REACHED,
    )


@pytest.mark.usefixtures("unlimited")
def test_a_key_of_some_sites_sees_no_row_of_another_one(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    """Every call, with ids of another site and with missing ones: the same 404, byte for byte; nothing changes."""
    others = rows | make_others(session, people)
    missing = rows | {kind: MISSING[kind] for kind in others if others[kind] != rows[kind]}
    program = keyed(app, session, people.owner, site_ids=[int(rows["site"])])
    before, asked = fingerprint(session), 0
    for endpoint, method, rule in calls(app):
        foreign_path, missing_path = address(rule, others), address(rule, missing)
        if endpoint in declared_calls(app) and names_a_row(rule) and foreign_path != missing_path:
            foreign, absent = (
                program.open(path, method=method, json={}) for path in (foreign_path, missing_path)
            )
            assert foreign.status_code == absent.status_code, (method, rule)
            assert foreign.status_code in (403, 404), (method, rule)
            assert comparable(foreign) == comparable(absent), (method, rule)
            asked += 1
    assert asked > 35
    assert fingerprint(session) == before
    names = {keyword["id"] for keyword in program.get(KEYWORDS).json["results"]}
    assert names == {int(rows["keyword"])}


def test_an_answer_kept_for_one_key_is_not_given_to_one_that_sees_other_sites(
    app: Flask, session: Session, people: People
) -> None:
    here, there = make_site(session, people.account), make_site(session, people.account)
    seen = keyed(app, session, people.owner, site_ids=[here.id])
    blind = keyed(app, session, people.owner, site_ids=[there.id])
    sent: dict[str, Any] = {
        "json": {"site": here.id, "text": "trail shoes"},
        "headers": {"Idempotency-Key": "nightly"},
    }
    first = seen.post(KEYWORDS, **sent)
    assert first.status_code == 201
    assert seen.post(KEYWORDS, **sent).data == first.data
    refused = blind.post(KEYWORDS, **sent)
    assert refused.status_code == 422
    assert "trail shoes" not in refused.text


def test_a_key_works_until_its_last_day_is_over(app: Flask, session: Session, people: People) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    program = keyed(app, session, people.owner, expires_at=end)
    assert program.get(RULES).status_code == 200
    with time_machine.travel(end, tick=False):
        assert program.get(RULES).status_code == 401


def test_the_last_use_and_its_address_are_recorded(app: Flask, session: Session, people: People) -> None:
    program, start = keyed(app, session, people.owner), datetime.now(UTC)

    def used(after: timedelta, address: str) -> tuple[datetime | None, str | None]:
        with time_machine.travel(start + after, tick=False):
            program.get(RULES, environ_base={"REMOTE_ADDR": address})
        row = session.execute(select(ApiKey.used_at, ApiKey.used_from)).one()
        session.rollback()
        return row[0], row[1]

    assert used(timedelta(), "192.0.2.1") == (start, "192.0.2.1")
    assert used(timedelta(minutes=9), "192.0.2.1") == (start, "192.0.2.1")
    assert used(timedelta(minutes=9), "2001:db8::7") == (start + timedelta(minutes=9), "2001:db8::7")
    assert used(timedelta(minutes=9, seconds=30), "192.0.2.1")[1] == "2001:db8::7"


def test_a_key_has_limits_of_its_own(app: Flask, session: Session, people: People) -> None:
    program = keyed(app, session, people.owner, requests_per_minute=3, changes_per_minute=1)
    with time_machine.travel(datetime.now(UTC).replace(second=20, microsecond=0), tick=False):
        changed = [program.post(KEYWORDS, json={}).status_code for _ in range(2)]
        read = [program.get(RULES) for _ in range(2)]
        other = keyed(app, session, people.owner).get(RULES)
    assert changed == [422, 429]
    assert [answer.status_code for answer in read] == [200, 429]
    assert read[0].headers["RateLimit-Policy"] == '"requests";q=3;w=60'
    assert other.headers["RateLimit-Policy"] == '"requests";q=6000;w=60'


def test_owners_make_and_change_limited_keys_and_each_change_is_audited(
    app: Flask, session: Session, people: People
) -> None:
    site = make_site(session, people.account, name="Harbour Blog")
    session.commit()
    owner = browser_of(app, session, people.owner)
    limits = {"name": "Import", "scopes": ["read", "write"], "site_ids": [str(site.id)]}
    made = owner.post("/api-keys", data=limits | {"expires_at": "2099-01-31", "requests_per_minute": "100"})
    assert made.status_code == 201
    key = session.scalars(select(ApiKey)).one()
    assert (key.scopes, key.site_ids, key.requests_per_minute) == (["read", "write"], [site.id], 100)
    assert key.expires_at == datetime(2099, 2, 1, tzinfo=UTC)
    page = owner.get("/api-keys").text
    assert "read, write" in page
    assert "on Harbour Blog" in page
    assert 'value="2099-01-31"' in owner.get(f"/api-keys/{key.id}/edit").text
    assert owner.post(f"/api-keys/{key.id}/edit", data=limits | {"scopes": ["read"]}).status_code == 303
    owner.post(f"/api-keys/{key.id}/revoke")
    session.expire_all()
    entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [entry.action for entry in entries] == ["api_key.made", "api_key.changed", "api_key.revoked"]
    assert entries[0].data
    assert entries[0].data["scopes"] == ["read", "write"]
    assert entries[1].data == {
        "scopes": {"from": ["read", "write"], "to": ["read"]},
        "expires_at": {"from": "2099-02-01T00:00:00+00:00", "to": None},
        "requests_per_minute": {"from": 100, "to": None},
    }
    assert owner.get(f"/api-keys/{key.id}/edit").status_code == 409


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scopes": []}, "stays limited"),
        ({"scopes": ["all"]}, "is not a valid choice"),
        ({"expires_at": "2020-01-01"}, "This day is over"),
        ({"requests_per_minute": "0"}, "Enter a number from 1 to 6,000"),
    ],
)
def test_a_limited_key_stays_limited_and_wrong_limits_are_refused_beside_their_field(
    app: Flask, session: Session, people: People, changes: dict[str, Any], words: str
) -> None:
    owner = browser_of(app, session, people.owner)
    owner.post("/api-keys", data={"name": "Import", "scopes": ["read"]})
    key = session.scalars(select(ApiKey)).one()
    sent = {"name": "Import again", "scopes": ["read"]} | changes
    answer = owner.post(f"/api-keys/{key.id}/edit", data=sent)
    assert answer.status_code == 422
    assert words in answer.text
    assert "Import again" in answer.text
    session.refresh(key)
    assert (key.name, key.scopes, key.expires_at) == ("Import", ["read"], None)


def test_keys_of_a_person_who_is_switched_off_are_audited_one_by_one(
    app: Flask, session: Session, people: People
) -> None:
    for _ in range(2):
        keyed(app, session, people.editor)
    browser_of(app, session, people.owner).post(f"/team/{people.editor.id}/off")
    entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "api_key.revoked")).all()
    assert [entry.user_id for entry in entries] == [people.owner.id] * 2


def test_trace_is_no_method_whatever_its_precondition(client: FlaskClient) -> None:
    answer = client.open(RULES, method="TRACE", headers={"If-Match": "broken"})
    assert answer.status_code == 405
