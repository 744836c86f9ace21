"""Passkeys in a real browser, with an authenticator that the browser itself plays."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, CDPSession, Page, expect
from sqlalchemy.orm import Session

from app.business.accounts.services.passwords import HASHER
from app.modules.throttle import limiter
from tests.browser.conftest import serious_faults
from tests.people import People

PASSWORD = "correct horse battery"
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def address(app: Flask, live_address: str) -> Iterator[str]:
    """The console by a name for which browsers keep passkeys, which is its public one."""
    address = live_address.replace("127.0.0.1", "localhost")
    before = app.extensions["settings"]
    app.extensions["settings"] = before.model_copy(update={"public_url": address})
    yield address
    app.extensions["settings"] = before


BARE = "PublicKeyCredential = undefined"
"""As at an address where a browser knows no passkeys."""


@pytest.fixture
def page(
    request: pytest.FixtureRequest, session: Session, people: People, chromium: Browser, address: str
) -> Iterator[Page]:
    limiter.reset()
    people.viewer.password_hash = HASHER.hash(PASSWORD)
    session.commit()
    context = chromium.new_context(base_url=address, **getattr(request, "param", {}))
    yield context.new_page()
    context.close()


def with_authenticator(page: Page, **options: Any) -> tuple[CDPSession, str]:
    line = page.context.new_cdp_session(page)
    line.send("WebAuthn.enable")
    made = line.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR | options})
    return line, made["authenticatorId"]


def sign_in(page: Page, people: People) -> None:
    page.goto("/sign-in?next=/profile/passkeys")
    page.get_by_label("E-mail").fill(people.viewer.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Passkeys", exact=True)).to_be_visible()


def begin(page: Page, name: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Make passkey").click()


def leave(page: Page) -> None:
    page.context.clear_cookies()
    page.goto("/sign-in?next=/profile/passkeys")


def test_added_used_to_sign_in_and_removed(page: Page, people: People) -> None:
    line, authenticator = with_authenticator(page)
    sign_in(page, people)
    begin(page, "This laptop")
    expect(page.get_by_text("“This laptop” is added.")).to_be_visible()
    kept = line.send("WebAuthn.getCredentials", {"authenticatorId": authenticator})["credentials"]
    assert [(one["isResidentCredential"], one["rpId"]) for one in kept] == [(True, "localhost")]
    leave(page)
    passkey = page.get_by_role("button", name="Sign in with a passkey")
    passkey.click()
    row = page.get_by_role("row", name="This laptop")
    expect(row).to_contain_text("127.0.0.1")
    page.goto("/profile/sessions")
    expect(page.get_by_role("row", name="This one")).to_contain_text("with a passkey")
    page.goto("/profile/passkeys")
    row.get_by_text("Remove").first.click()
    row.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("No passkeys yet")).to_be_visible()
    leave(page)
    passkey.click()
    expect(page.get_by_role("alert")).to_contain_text("This passkey was not accepted.")
    page.goto("/profile")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("page", [{"bypass_csp": True}], indirect=True)
def test_whoever_is_not_verified_signs_in_with_the_password(page: Page, people: People) -> None:
    line, authenticator = with_authenticator(page)
    sign_in(page, people)
    begin(page, "This laptop")
    expect(page.get_by_text("“This laptop” is added.")).to_be_visible()
    assert serious_faults(page) == []
    begin(page, "Again")
    expect(page.get_by_role("alert")).to_contain_text("has a passkey of yours")
    assert serious_faults(page) == []
    line.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False})
    leave(page)
    passkey = page.get_by_role("button", name="Sign in with a passkey")
    passkey.click()
    expect(page.get_by_role("alert")).to_contain_text("No passkey was used")
    expect(passkey).to_be_enabled()
    assert serious_faults(page) == []
    page.evaluate(BARE)
    passkey.click()
    expect(page.get_by_role("alert")).to_contain_text("This browser knows no passkeys")
    sign_in(page, people)


def test_without_script_nothing_offers_what_cannot_be_done(
    session: Session, people: People, chromium: Browser, address: str, page: Page
) -> None:
    context = chromium.new_context(base_url=address, java_script_enabled=False)
    try:
        plain = context.new_page()
        sign_in(plain, people)
        expect(plain.get_by_text("let this page run its script")).to_be_visible()
        expect(plain.get_by_role("button", name="Continue")).to_have_count(0)
        context.clear_cookies()
        plain.goto("/sign-in")
        expect(plain.get_by_role("button", name="Sign in with a passkey")).to_have_count(0)
    finally:
        context.close()
