"""The permission matrix over the whole URL map: two accounts, four roles and nobody, sessions and API keys."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.business.accounts.models import Account, Role
from app.modules.access import Permission, declare, permission_of
from tests.factories import make_site, make_user
from tests.fuzz.world import fingerprint
from tests.modules.permissions import (
    MISSING,
    NEEDED,
    PRIVATE,
    ROLES,
    WITH_OWN_SIGNATURE,
    address,
    make_rows,
    names_a_row,
)
from tests.people import People, browser_of, make_people, program_of
from tests.sampling import turn

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
READING = ("GET", "HEAD")
REACHED = "the view was reached"
Clients = dict[str, tuple[str | None, FlaskClient]]
ON_ONE_SITE = ("viewer", "editor")
"""Roles whose holders in the other account see one of its sites only."""


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def rows(app: Flask, session: Session, people: People) -> dict[str, str]:
    app.config["RATELIMIT_ENABLED"] = False
    return make_rows(app, session, people)


@pytest.fixture(autouse=True)
def limits(app: Flask) -> Iterator[None]:
    yield
    app.config["RATELIMIT_ENABLED"] = True


def calls(app: Flask) -> list[tuple[str, str, str]]:
    """Endpoint, method and rule of every address."""
    return [
        (entry.endpoint, method, entry.rule)
        for entry in app.url_map.iter_rules()
        for method in sorted((entry.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def test_every_address_is_in_the_table_with_the_role_that_it_declares(app: Flask) -> None:
    with app.app_context():
        declared = {
            name: permission.role.value if permission.role else "anyone"
            for name in app.view_functions
            if (permission := permission_of(name))
        }
    assert declared == NEEDED, "Enter new addresses in tests/modules/permissions.py."


def test_callers_below_the_role_are_refused_and_nothing_changes(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    clients = everybody(app, session, people)
    before = fingerprint(session)
    for endpoint, method, rule in calls(app):
        for who, (role, client) in clients.items():
            if is_let_in(endpoint, rule, role, who):
                continue
            answer = client.open(address(rule, rows), method=method)
            signed_out = role is None or (who.startswith("key") and not is_api(rule))
            if signed_out and method in READING and not is_api(rule):
                assert (answer.status_code, answer.location.partition("?")[0]) == (302, "/sign-in"), rule
            else:
                assert answer.status_code == (401 if signed_out else 403), (who, method, rule)
    assert fingerprint(session) == before


def test_callers_from_the_role_up_are_let_in(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    clients = everybody(app, session, people)
    with stubbed(app):
        for endpoint, method, rule in calls(app):
            for who, (role, client) in clients.items():
                if who.startswith(("nobody", "key")) and method not in READING and not is_api(rule):
                    continue  # Without a session no form has a token.
                if is_let_in(endpoint, rule, role, who):
                    answer = client.open(address(rule, rows), method=method)
                    assert answer.text == REACHED, (who, method, rule, answer.status_code)


def test_who_may_read_a_page_can_also_open_it(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    """Not only the guard: the views themselves require no more than the table says."""
    clients = everybody(app, session, people)
    for endpoint, method, rule in calls(app):
        # An upload belongs to its sender, whatever the role.
        if method == "GET" and NEEDED[endpoint] != "anyone" and "<name>" not in rule:
            for way in ("session", "key") if is_api(rule) else ("session",):
                answer = clients[f"{way} {NEEDED[endpoint]}"][1].get(address(rule, rows) + query_of(endpoint))
                # 409: the subject of the page is in another state.
                assert answer.status_code in (200, 204, 303, 409), (endpoint, answer.status_code)


def test_foreign_and_missing_rows_answer_alike(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    """For every role of another account, on all of its sites and on one, by session and by key: the same 404, byte for
    byte, and nothing changes."""
    account = session.get_one(Account, people.stranger.account_id)
    strangers = {role: make_user(session, account, Role(role)) for role in ROLES[:-1]}
    own_site = make_site(session, account)
    for role in ON_ONE_SITE:
        strangers[role].site_ids = [own_site.id]
    others = People(people.account, **strangers, owner=people.stranger, stranger=people.owner)
    clients = everybody(app, session, others)
    before = fingerprint(session)
    for number, (endpoint, method, rule) in enumerate(calls(app)):
        if names_a_row(rule):
            for who in let_in_by_turns(clients, endpoint, rule, number):
                role, client = clients[who]
                foreign, missing = (
                    client.open(address(rule, ids), method=method, json={} if is_api(rule) else None)
                    for ids in (rows, MISSING)
                )
                is_closed = role in ON_ONE_SITE and acts_on_the_account(app, endpoint)
                expected = 403 if is_closed else 404
                assert foreign.status_code == missing.status_code == expected, (who, method, rule)
                assert comparable(foreign) == comparable(missing), (who, method, rule)
                assert foreign.headers["Content-Type"] == missing.headers["Content-Type"]
    assert fingerprint(session) == before


def test_a_persons_own_rows_are_hidden_from_their_owner_too(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    owner = browser_of(app, session, people.owner)
    before = fingerprint(session)
    private = [(method, rule) for _, method, rule in calls(app) if any(part in rule for part in PRIVATE)]
    assert len(private) > 8
    for method, rule in private:
        foreign, missing = (owner.open(address(rule, ids), method=method) for ids in (rows, MISSING))
        assert foreign.status_code == missing.status_code == 404, (method, rule)
        assert comparable(foreign) == comparable(missing), (method, rule)
    assert fingerprint(session) == before


@pytest.mark.parametrize("token", [None, "forged"])
def test_no_change_is_taken_without_the_token_of_the_session(
    app: Flask, session: Session, people: People, rows: dict[str, str], token: str | None
) -> None:
    owner, nobody = browser_of(app, session, people.owner), app.test_client()
    del owner.environ_base["HTTP_X_CSRFTOKEN"]
    headers = {"X-CSRFToken": token} if token else {}
    before = fingerprint(session)
    for endpoint, method, rule in calls(app):
        if method not in READING and endpoint not in WITH_OWN_SIGNATURE:
            answer = owner.open(address(rule, rows), method=method, headers=headers)
            assert answer.status_code == 400, (method, rule)
            if NEEDED[endpoint] == "anyone":
                answer = nobody.open(address(rule, rows), method=method, headers=headers)
                assert answer.status_code == 400, (method, rule)
    assert fingerprint(session) == before
    assert owner.get("/team").status_code == 200


def test_signed_addresses_exist(app: Flask) -> None:
    assert {endpoint for endpoint, *_ in calls(app)} >= WITH_OWN_SIGNATURE


def everybody(app: Flask, session: Session, people: People) -> Clients:
    """Name -> role and client: each role by session and by key, an anonymous client, and an invalid key."""
    clients: Clients = {"nobody": (None, app.test_client())}
    for role in ROLES:
        clients[f"session {role}"] = (role, browser_of(app, session, getattr(people, role)))
        clients[f"key {role}"] = (role, program_of(app, session, getattr(people, role)))
    return clients


def let_in_by_turns(clients: Clients, endpoint: str, rule: str, number: int) -> list[str]:
    """Who may call it: one of them by session and one by key; for the address of the next number the next ones."""
    let_in = [who for who, (role, _) in clients.items() if is_let_in(endpoint, rule, role, who)]
    ways = ([who for who in let_in if who.startswith("key") is by_key] for by_key in (False, True))
    return [who for way in ways if way for who in turn(way, number)]


def is_let_in(endpoint: str, rule: str, role: str | None, who: str) -> bool:
    """Whether the table allows it; keys are valid for the REST API only."""
    needed = NEEDED[endpoint]
    if needed == "anyone":
        return True
    if role is None or (who.startswith("key") and not is_api(rule)):
        return False
    return ROLES.index(role) >= ROLES.index(needed)


def acts_on_the_account(app: Flask, endpoint: str) -> bool:
    with app.app_context():
        permission = permission_of(endpoint)
    return bool(permission and permission.whole_account)


def is_api(rule: str) -> bool:
    return rule.startswith("/api/") and not rule.startswith("/api/docs")


def query_of(endpoint: str) -> str:
    """Query parameters that an address requires."""
    return {"automation_api.explain_rule": "?record_id=1", "accounts.ask_role": "?role=editor"}.get(
        endpoint, ""
    )


@contextmanager
def stubbed(app: Flask) -> Iterator[None]:
    """Every view only records that it was reached; its declaration stays."""
    real = dict(app.view_functions)
    with app.app_context():
        for name in real:
            permission = permission_of(name)
            assert permission
            app.view_functions[name] = _stub(permission)
    try:
        yield
    finally:
        app.view_functions.update(real)


def _stub(permission: Permission) -> Any:
    return declare(lambda **_values: REACHED, permission)


def comparable(answer: TestResponse) -> bytes:
    """The response without CSRF tokens and time of day, which vary."""
    tokens = rb'name="csrf[^>]*(content|value)="[^"]*"|"X-CSRFToken"\s*:[^}]*|data-(now|mark)="[^"]*"'
    return re.sub(tokens, b"", answer.data)
