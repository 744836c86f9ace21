"""Signing in: passwords, one-use links, limits of wrong tries; signing out."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import User, UserSession
from app.business.accounts.services import welcome
from app.business.accounts.services.passwords import HASHER, is_right
from app.modules.throttle import limiter
from tests.people import People, browser_of, make_people, program_of

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def password_hash() -> str:
    return HASHER.hash(PASSWORD)


@pytest.fixture
def people(session: Session, password_hash: str) -> People:
    people = make_people(session)
    people.owner.password_hash = people.viewer.password_hash = password_hash
    session.commit()
    return people


def _token(client: FlaskClient) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
    assert found
    return found.group(1)


def _sign_in(client: FlaskClient, user: User, password: str = PASSWORD, next: str = "") -> int:
    form = {"email": user.email, "password": password, "csrf_token": _token(client)}
    return client.post("/sign-in", query_string={"next": next}, data=form).status_code


def test_the_right_password_opens_the_console(client: FlaskClient, people: People) -> None:
    assert _sign_in(client, people.owner) == 303
    assert people.owner.email in client.get("/profile").text


def test_an_installation_without_an_account_says_how_to_make_one(
    client: FlaskClient, session: Session
) -> None:
    assert "flask --app wsgi create-account" in client.get("/sign-in").text
    make_people(session)
    assert "create-account" not in client.get("/sign-in").text


def test_the_address_asked_for_comes_next(client: FlaskClient, people: People) -> None:
    form = {"email": people.owner.email, "password": PASSWORD, "csrf_token": _token(client)}
    answer = client.post("/sign-in?next=/credits", data=form)
    assert answer.location == "/credits"
    assert (
        client.post("/sign-in?next=//evil.example", data=form | {"csrf_token": _token(client)}).location
        == "/"
    )


def test_an_unknown_address_and_a_wrong_password_read_the_same(client: FlaskClient, people: People) -> None:
    form = {"email": people.owner.email, "password": "not the password", "csrf_token": _token(client)}
    wrong = client.post("/sign-in", data=form)
    unknown = client.post("/sign-in", data=form | {"email": "nobody@example.com"})
    assert wrong.status_code == unknown.status_code == 422
    assert "do not match" in wrong.text
    pages = (wrong.text.replace(people.owner.email, "X"), unknown.text.replace("nobody@example.com", "X"))
    # The CSRF token contains the second of its creation.
    assert len({re.sub(r"[\w-]{40,}\.[\w-]+\.[\w-]+", "", page) for page in pages}) == 1


def test_a_former_session_is_not_taken_over(client: FlaskClient, session: Session, people: People) -> None:
    with client.session_transaction() as cookie:
        cookie["token"] = "planted-by-an-attacker"
    _sign_in(client, people.owner)
    with client.session_transaction() as cookie:
        assert cookie["token"] != "planted-by-an-attacker"
    assert session.scalar(select(func.count(UserSession.id))) == 1


def test_the_eleventh_try_has_to_wait(client: FlaskClient, people: People) -> None:
    codes = [_sign_in(client, people.owner, "wrong password") for _ in range(10)]
    assert codes == [422] * 10
    form = {"email": people.owner.email, "password": PASSWORD, "csrf_token": _token(client)}
    refused = client.post("/sign-in", data=form)
    assert refused.status_code == 429
    assert re.search(r"Try again in 1[45] minutes\.", refused.text)
    assert 800 < int(refused.headers["Retry-After"]) <= 901


def test_strangers_cannot_lock_somebody_out_of_a_known_browser(
    app: Flask, client: FlaskClient, people: People
) -> None:
    _sign_in(client, people.owner)
    client.post("/sign-out", data={"csrf_token": _token(client)})
    stranger = app.test_client()
    assert [_sign_in(stranger, people.owner, "wrong password") for _ in range(11)][-1] == 429
    assert _sign_in(client, people.owner) == 303


def test_a_right_answer_resets_the_wrong_ones(app: Flask, people: People) -> None:
    for _ in range(2):
        browser = app.test_client()
        assert [_sign_in(browser, people.viewer, "wrong password") for _ in range(6)] == [422] * 6
        assert _sign_in(browser, people.viewer) == 303


def test_fifty_wrong_tries_block_the_address(app: Flask, client: FlaskClient, people: People) -> None:
    token = _token(client)
    form = {"password": "x" * 400, "csrf_token": token}
    codes = [
        client.post("/sign-in", data=form | {"email": f"user{number}@example.com"}).status_code
        for number in range(51)
    ]
    assert codes == [422] * 50 + [429]


def test_a_known_browser_signs_in_while_its_address_is_blocked(
    app: Flask, client: FlaskClient, people: People
) -> None:
    _sign_in(client, people.owner)
    client.post("/sign-out", data={"csrf_token": _token(client)})
    stranger = app.test_client()
    form = {"password": "x" * 400, "csrf_token": _token(stranger)}
    for number in range(50):
        stranger.post("/sign-in", data=form | {"email": f"user{number}@example.com"})
    assert _sign_in(app.test_client(), people.owner) == 429
    assert _sign_in(client, people.owner) == 303


def test_while_the_queue_server_hangs_tries_are_counted_in_memory(
    client: FlaskClient, people: People, valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage: Any = limiter.storage
    pool = storage.storage.connection_pool
    # In production a second; the test need not wait that long.
    monkeypatch.setitem(pool.connection_kwargs, "socket_timeout", 0.05)
    # Not `disconnect`: a connection that the pool has made keeps its own time.
    pool.reset()
    valkey.client_pause(30_000, all=False)
    try:
        codes = [_sign_in(client, people.owner, "wrong password") for _ in range(11)]
    finally:
        valkey.client_unpause()
        limiter._storage_dead = False
        pool.reset()
    assert codes == [422] * 10 + [429]


def test_signing_out_ends_the_session_on_the_server(
    app: Flask, session: Session, client: FlaskClient, people: People
) -> None:
    _sign_in(client, people.owner)
    with client.session_transaction() as cookie:
        token = cookie["token"]
    assert client.post("/sign-out", data={"csrf_token": _token(client)}).location == "/sign-in"
    with client.session_transaction() as cookie:
        cookie["token"] = token
    assert client.get("/profile").status_code == 302


def test_a_welcome_link_signs_in_once_and_offers_a_password(
    app: Flask, session: Session, people: People, client: FlaskClient
) -> None:
    token = welcome.issue_for(session, people.editor, datetime.now(UTC))
    session.commit()
    for look in (client.head, client.get, client.get):
        assert look(f"/welcome/{token}").status_code == 200
    assert client.get("/profile").status_code == 302
    assert "token" not in client.get(f"/welcome/{token}").headers.get("Set-Cookie", "")
    used = client.post(f"/welcome/{token}", data={"csrf_token": _token(client)})
    assert used.location == "/profile/password"
    assert "Set your password" in client.get("/profile/password").text
    for look in (app.test_client().get, app.test_client().head):
        assert look(f"/welcome/{token}").status_code == 410


def test_a_link_without_the_token_of_its_own_page_signs_nobody_in(
    session: Session, people: People, client: FlaskClient
) -> None:
    token = welcome.issue_for(session, people.editor, datetime.now(UTC))
    session.commit()
    assert client.post(f"/welcome/{token}").status_code == 400
    assert welcome.find_user(session, token, datetime.now(UTC)) == people.editor


@pytest.mark.parametrize("end_keys", [True, False])
def test_a_forgotten_password_is_replaced_by_a_link(
    app: Flask, session: Session, people: People, client: FlaskClient, end_keys: bool
) -> None:
    there = browser_of(app, session, people.owner)
    program = program_of(app, session, people.owner)
    token = welcome.issue_for(session, people.owner, datetime.now(UTC))
    session.commit()
    client.get(f"/welcome/{token}")
    client.post(f"/welcome/{token}", data={"csrf_token": _token(client)})
    page = client.get("/profile/password").text
    assert "present" not in page
    assert re.search(r'<input[^>]*checked[^>]*name="end_keys"', page)
    form = {"csrf_token": _token(client), "password": "another long password"}
    answer = client.post("/profile/password", data=form | ({"end_keys": "y"} if end_keys else {}))
    assert answer.status_code == 303
    session.expire_all()
    assert is_right("another long password", people.owner.password_hash)
    assert there.get("/profile").status_code == 302
    assert program.get("/api/billing/credits/").status_code == (401 if end_keys else 200)


def test_an_old_link_still_requires_the_present_password(
    session: Session, people: People, client: FlaskClient
) -> None:
    token = welcome.issue_for(session, people.owner, datetime.now(UTC))
    session.commit()
    client.get(f"/welcome/{token}")
    client.post(f"/welcome/{token}", data={"csrf_token": _token(client)})
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=2)):
        answer = client.post(
            "/profile/password", data={"csrf_token": _token(client), "password": "a new long one"}
        )
    assert answer.status_code == 422
    assert "present password" in answer.text


def test_a_new_password_ends_every_other_session(app: Flask, session: Session, people: People) -> None:
    here, there = (browser_of(app, session, people.owner) for _ in range(2))
    form = {"present": PASSWORD, "password": "another long password"}
    assert here.post("/profile/password", data=form).status_code == 303
    assert here.get("/profile").status_code == 200
    assert there.get("/profile").status_code == 302


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"present": "wrong", "password": "another long password"}, "not your present password"),
        ({"present": PASSWORD, "password": "short"}, "at least 8 characters"),
        ({"present": PASSWORD, "password": "password123"}, "among the first that attackers try"),
        ({"present": PASSWORD, "password": "x" * 300}, "at most 256 characters"),
    ],
)
def test_an_invalid_password_is_refused_beside_its_field(
    app: Flask, session: Session, people: People, form: dict[str, str], sentence: str
) -> None:
    answer = browser_of(app, session, people.owner).post("/profile/password", data=form)
    assert answer.status_code == 422
    assert sentence in answer.text
