"""Callers: the person of a key or session after authentication, else the address."""

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.business.accounts.models import User
from app.infrastructure.fair_threads import Caller
from app.modules.callers import Callers
from tests.people import People, browser_of, make_people, program_of


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def callers(app: Flask) -> Callers:
    return Callers(app, 0)


def caller(user: User) -> Caller:
    return Caller(((f"user {user.id}", 6), (f"account {user.account_id}", 10)))


def names(caller: Caller) -> list[str]:
    return [name for name, _ in caller.shares]


def test_all_keys_and_sessions_of_a_person_are_one_caller(
    app: Flask, session: Session, people: People
) -> None:
    callers, seen = app.extensions["callers"], set()
    for client in (program_of(app, session, people.editor), program_of(app, session, people.editor)):
        headers = {"AUTHORIZATION": client.environ_base["HTTP_AUTHORIZATION"]}
        credential, *groups = names(callers(headers, "192.0.2.1"))
        assert (credential[:10], groups) == ("credential", ["address 192.0.2.1", "not known yet"])
        assert client.get("/api/planner/sites/").status_code == 200
        seen.add(callers(headers, "192.0.2.1"))
    for browser in (browser_of(app, session, people.editor), browser_of(app, session, people.editor)):
        assert browser.get("/sites").status_code == 200
        cookie = browser.get_cookie(app.config["SESSION_COOKIE_NAME"])
        assert cookie
        seen.add(callers({"COOKIE": f"other=1; {cookie.key}={cookie.value}"}, "192.0.2.1"))
    assert seen == {caller(people.editor)}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"AUTHORIZATION": "Basic abc"},
        {"COOKIE": "console=made.up.value"},
        {"COOKIE": "console=; =;;"},
        {"COOKIE": "\x00é=1"},
    ],
)
def test_whoever_has_no_credential_of_ours_is_an_address(callers: Callers, headers: dict[str, str]) -> None:
    assert names(callers(headers, "192.0.2.1")) == ["address 192.0.2.1", "not known yet"]


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.9", "192.0.2.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "198.51.100.7, 203.0.113.9", "203.0.113.9"),
        (2, "198.51.100.7, 203.0.113.9", "198.51.100.7"),
        (2, "203.0.113.9", "192.0.2.1"),
        (1, "", "192.0.2.1"),
    ],
)
def test_the_address_is_the_one_that_trusted_proxies_name(
    app: Flask, proxies: int, forwarded: str, address: str
) -> None:
    headers = {"X_FORWARDED_FOR": forwarded} if forwarded else {}
    assert names(Callers(app, proxies)(headers, "192.0.2.1"))[0] == f"address {address}"


def test_unknown_keys_share_the_quota_of_their_address(callers: Callers) -> None:
    made_up = [callers({"AUTHORIZATION": f"Bearer igny8_{number}"}, "192.0.2.1") for number in range(2)]
    assert made_up[0].shares[0] != made_up[1].shares[0]
    assert made_up[0].shares[1:] == made_up[1].shares[1:] == (("address 192.0.2.1", 6), ("not known yet", 10))
