"""Passkeys are for the public address: elsewhere nothing offers them, and the page says why."""

import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.infrastructure.passkey_ceremonies import relying_party
from app.settings import Settings
from tests.modules.passkeys.browsers import PAGE, PASSWORD
from tests.people import People, browser_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")


ADDRESSES = {
    "http://localhost:8000": ("localhost", "http://localhost:8000"),
    "https://Console.Example": ("console.example", "https://console.example"),
    "https://console.example:443/at/a/path": ("console.example", "https://console.example"),
    "https://console.example:8443": ("console.example", "https://console.example:8443"),
    "https://müller.example": ("xn--mller-kva.example", "https://xn--mller-kva.example"),
    "http://console.example": None,
    "http://127.0.0.1:8000": None,
    "https://10.0.0.5": None,
    "https://[::1]": None,
    "": ("localhost", "http://localhost:8001"),
}


@pytest.mark.parametrize(("public_url", "expected"), ADDRESSES.items())
def test_passkeys_are_for_the_public_address(
    app: Flask, public_url: str, expected: tuple[str, str] | None
) -> None:
    party = relying_party(Settings(public_url=public_url, port=8001))
    assert (party and (party.id, party.origin)) == expected


def test_where_they_cannot_work_the_page_says_why_and_nothing_offers_them(
    app: Flask, session: Session, people: People
) -> None:
    browser, there = browser_of(app, session, people.viewer), "http://127.0.0.1:8000"
    cookie = browser.get_cookie("console")
    assert cookie
    browser.set_cookie("console", cookie.value, domain="127.0.0.1")
    page = browser.get(PAGE, base_url=there).text
    assert "This page was opened at 127.0.0.1" in page
    assert "http://localhost:" in page
    assert f'action="{PAGE}/new"' not in page
    form = {"name": "Phone", "password": PASSWORD}
    assert browser.post(f"{PAGE}/new", data=form, base_url=there).status_code == 409
    assert "Sign in with a passkey" not in app.test_client().get("/sign-in", base_url=there).text
    assert "Sign in with a passkey" in app.test_client().get("/sign-in").text


def test_only_the_pages_that_use_them_may_ask_a_browser_for_passkeys(
    app: Flask, session: Session, people: People
) -> None:
    browser = browser_of(app, session, people.viewer)

    def opened(answer: Any) -> list[str]:
        return re.findall(r"([\w-]+)=\(self\)", answer.headers["Permissions-Policy"])

    assert opened(browser.get("/profile")) == opened(browser.get(PAGE)) == []
    assert opened(app.test_client().get("/sign-in")) == ["publickey-credentials-get"]
    making = browser.post(f"{PAGE}/new", data={"name": "Phone", "password": PASSWORD})
    assert opened(making) == ["publickey-credentials-create"]
