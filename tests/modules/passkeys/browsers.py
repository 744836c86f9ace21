"""What browsers and devices do, as the tests of passkeys tell them to."""

import html
import re
from datetime import UTC, datetime
from typing import Any

from flask import Flask, current_app
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import AuditEntry, User, UserSession
from app.business.accounts.passkey_models import Passkey, PasskeyChallenge
from app.infrastructure.passkey_ceremonies import relying_party
from tests.authenticator import Device
from tests.people import browser_of

PASSWORD = "correct horse battery"
AT = datetime(2026, 11, 29, 12, 0, 5, tzinfo=UTC)
PAGE = "/profile/passkeys"


def new_device(**values: Any) -> Device:
    party = relying_party(current_app.extensions["settings"])
    assert party
    return Device(party.id, party.origin, **values)


def token_of(client: FlaskClient) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
    assert found
    return found.group(1)


def options_on(page: str) -> str:
    found = re.search(r'data-options="([^"]+)"', page)
    assert found, page
    return html.unescape(found.group(1))


def begin(browser: FlaskClient, **form: str) -> str:
    """What the browser is asked to make, after the person has said who they are."""
    page = browser.post(f"{PAGE}/new", data={"name": "Phone", "password": PASSWORD} | form)
    assert page.status_code == 200, page.text
    return options_on(page.text)


def added(browser: FlaskClient, name: str = "Phone", **values: Any) -> Device:
    """A device with a passkey of the person who is signed in there."""
    device = new_device(**values)
    answer = browser.post(PAGE, data={"name": name, "credential": device.make(begin(browser, name=name))})
    assert (answer.status_code, answer.location) == (303, PAGE)
    return device


def ask(client: FlaskClient) -> str:
    answer = client.post("/sign-in/passkey/options", headers={"X-CSRFToken": token_of(client)})
    assert answer.status_code == 200
    return answer.text


def send(client: FlaskClient, credential: str, next: str = "") -> tuple[int, str, str]:
    form = {"csrf_token": token_of(client), "credential": credential}
    answer = client.post(f"/sign-in/passkey?next={next}", data=form)
    return answer.status_code, answer.location or "", answer.text


def give_password(client: FlaskClient, user: User) -> str:
    form = {"csrf_token": token_of(client), "email": user.email, "password": PASSWORD}
    return client.post("/sign-in?next=/keywords", data=form).location or ""


def is_in(client: FlaskClient) -> bool:
    return client.get("/profile").status_code == 200


def rows(session: Session) -> tuple[int, ...]:
    session.expire_all()
    counted = (Passkey, UserSession, AuditEntry, PasskeyChallenge)
    return tuple(session.scalar(select(func.count()).select_from(model)) or 0 for model in counted)


def entry(session: Session, action: str) -> AuditEntry:
    return session.scalars(select(AuditEntry).where(AuditEntry.action == action)).one()


def added_as(app: Flask, session: Session, user: User) -> Device:
    browser, device = browser_of(app, session, user), new_device()
    page = browser.post(f"{PAGE}/new", data={"name": "Theirs"})
    browser.post(PAGE, data={"name": "Theirs", "credential": device.make(options_on(page.text))})
    return device
