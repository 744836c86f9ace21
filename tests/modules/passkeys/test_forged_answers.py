"""Answers that prove nothing sign nobody in, add nothing, and write nothing."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, User
from app.business.accounts.passkey_models import Passkey
from app.modules.accounts.passkey_challenges import NOT_ACCEPTED, OVER
from tests.authenticator import PRESENT, Device
from tests.modules.passkeys.browsers import (
    PAGE,
    added_as,
    ask,
    begin,
    is_in,
    new_device,
    rows,
    send,
    token_of,
)
from tests.people import People, browser_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")


@dataclass
class Try:
    """A sign-in that is to be refused."""

    app: Flask
    session: Session
    people: People
    device: Device
    client: FlaskClient
    clock: time_machine.Traveller

    def wrong(self, **said: Any) -> str:
        return self.device.sign(ask(self.client), **said)

    def replayed(self) -> str:
        right = self.device.sign(ask(self.client))
        assert send(self.client, right)[0] == 303
        self.client.post("/sign-out", data={"csrf_token": token_of(self.client)})
        return right

    def replayed_in_its_browser(self) -> str:
        """The cookie is put back as well: only the row that is gone refuses it."""
        right = self.device.sign(ask(self.client))
        with self.client.session_transaction() as cookie:
            before = cookie["passkey"]
        assert send(self.client, right)[0] == 303
        self.client.post("/sign-out", data={"csrf_token": token_of(self.client)})
        with self.client.session_transaction() as cookie:
            cookie["passkey"] = before
        return right

    def of_another_browser(self) -> str:
        other = self.app.test_client()
        theirs = ask(other)
        ask(self.client)
        return self.device.sign(theirs)

    def in_a_browser_that_did_not_ask(self) -> str:
        return self.device.sign(ask(self.app.test_client()))

    def meant_for_adding(self) -> str:
        browser = browser_of(self.app, self.session, self.people.viewer)
        options = begin(browser)
        with browser.session_transaction() as theirs, self.client.session_transaction() as cookie:
            cookie["passkey"] = theirs["passkey"]
        return self.device.sign(options)

    def too_late(self) -> str:
        right = self.device.sign(ask(self.client))
        self.clock.shift(301)
        return right

    def foreign(self) -> str:
        stranger = new_device(handle=self.device.handle)
        return stranger.sign(ask(self.client))

    def with_the_handle_of_another(self) -> str:
        other = added_as(self.app, self.session, self.people.editor)
        return self.device.sign(ask(self.client), handle=other.handle)

    def of_somebody_switched_off(self) -> str:
        self.session.execute(update(User).where(User.id == self.people.viewer.id).values(is_active=False))
        self.session.commit()
        return self.device.sign(ask(self.client))

    def of_a_closed_account(self) -> str:
        self.session.execute(
            update(Account).where(Account.id == self.people.account.id).values(status="closed")
        )
        self.session.commit()
        return self.device.sign(ask(self.client))

    def removed(self) -> str:
        self.session.execute(delete(Passkey))
        self.session.commit()
        return self.device.sign(ask(self.client))


FORGED: dict[str, tuple[Callable[[Try], str], str]] = {
    "wrong origin": (lambda at: at.wrong(origin="https://evil.example"), NOT_ACCEPTED),
    "another port": (lambda at: at.wrong(origin="http://localhost:1"), NOT_ACCEPTED),
    "within a page of another": (lambda at: at.wrong(crossOrigin=True), NOT_ACCEPTED),
    "wrong RP id": (lambda at: at.wrong(rp_id="evil.example"), NOT_ACCEPTED),
    "another challenge": (lambda at: at.wrong(challenge="AAAA"), NOT_ACCEPTED),
    "of the other ceremony": (lambda at: at.wrong(type="webauthn.create"), NOT_ACCEPTED),
    "nobody verified": (lambda at: at.wrong(flags=PRESENT), NOT_ACCEPTED),
    "nobody present": (lambda at: at.wrong(flags=0x04), NOT_ACCEPTED),
    "bad signature": (lambda at: at.wrong(key=ec.generate_private_key(ec.SECP256R1())), NOT_ACCEPTED),
    "no handle": (lambda at: at.wrong(handle=""), NOT_ACCEPTED),
    "handle of another": (Try.with_the_handle_of_another, NOT_ACCEPTED),
    "foreign credential": (Try.foreign, NOT_ACCEPTED),
    "replayed": (Try.replayed, OVER),
    "replayed with its cookie": (Try.replayed_in_its_browser, OVER),
    "another browser's challenge": (Try.of_another_browser, NOT_ACCEPTED),
    "a browser that did not ask": (Try.in_a_browser_that_did_not_ask, OVER),
    "a challenge for adding": (Try.meant_for_adding, OVER),
    "too late": (Try.too_late, OVER),
    "switched off": (Try.of_somebody_switched_off, NOT_ACCEPTED),
    "closed account": (Try.of_a_closed_account, NOT_ACCEPTED),
    "removed": (Try.removed, NOT_ACCEPTED),
    "nothing": (lambda at: ask(at.client) and "", NOT_ACCEPTED),
    "no JSON": (lambda at: ask(at.client) and "[" * 5000, NOT_ACCEPTED),
    "no base64": (
        lambda at: ask(at.client) and at.device.sign(ask(at.client)).replace("A", "é"),
        NOT_ACCEPTED,
    ),
    "half an answer": (
        lambda at: ask(at.client) and '{"id": "a", "rawId": "a", "response": {}}',
        NOT_ACCEPTED,
    ),
}


@pytest.mark.parametrize("case", FORGED.values(), ids=FORGED)
def test_a_forged_answer_signs_nobody_in_and_writes_nothing(
    app: Flask,
    session: Session,
    people: People,
    device: Device,
    clock: time_machine.Traveller,
    case: tuple[Callable[[Try], str], str],
) -> None:
    forge, words = case
    at = Try(app, session, people, device, app.test_client(), clock)
    credential = forge(at)
    known = session.execute(select(Passkey.id, Passkey.sign_count, Passkey.used_at)).all()
    before = rows(session)
    status, _, text = send(at.client, credential)
    assert (status, words in html.unescape(text)) == (422, True)
    assert not is_in(at.client)
    assert rows(session)[:3] == before[:3]
    assert session.execute(select(Passkey.id, Passkey.sign_count, Passkey.used_at)).all() == known
    assert send(at.client, credential)[0] == 422


MADE_WRONG: dict[str, dict[str, Any]] = {
    "wrong origin": {"origin": "https://evil.example"},
    "within a page of another": {"crossOrigin": True},
    "wrong RP id": {"rp_id": "evil.example"},
    "another challenge": {"challenge": "AAAA"},
    "of the other ceremony": {"type": "webauthn.get"},
    "nobody verified": {"flags": PRESENT},
}


@pytest.mark.parametrize("wrong", MADE_WRONG.values(), ids=MADE_WRONG)
def test_a_forged_passkey_is_not_added(
    app: Flask, session: Session, people: People, wrong: dict[str, Any]
) -> None:
    browser, device = browser_of(app, session, people.viewer), new_device()
    options = begin(browser)
    before = rows(session)
    answer = browser.post(PAGE, data={"name": "Phone", "credential": device.make(options, **wrong)})
    assert (answer.status_code, NOT_ACCEPTED in answer.text) == (422, True)
    assert rows(session)[:3] == before[:3]
    again = browser.post(PAGE, data={"name": "Phone", "credential": device.make(options)})
    assert (again.status_code, OVER in again.text) == (422, True), "the challenge is used up"


def test_a_challenge_to_add_is_for_one_person_in_one_browser_for_five_minutes(
    app: Flask, session: Session, people: People, clock: time_machine.Traveller
) -> None:
    mine, other, editor = (
        browser_of(app, session, who) for who in (people.viewer, people.viewer, people.editor)
    )
    device = new_device()
    form = {"name": "Phone", "credential": device.make(begin(mine))}
    assert OVER in other.post(PAGE, data=form).text
    with mine.session_transaction() as cookie, editor.session_transaction() as theirs:
        theirs["passkey"] = cookie["passkey"]
    assert OVER in editor.post(PAGE, data=form).text
    clock.shift(301)
    assert OVER in mine.post(PAGE, data=form).text
    assert session.scalar(select(func.count(Passkey.id))) == 0


def test_what_is_asked_to_sign_in_says_nothing_of_anybody(app: Flask, device: Device) -> None:
    client = app.test_client()
    first, second = ask(client), ask(client)
    challenges = [re.findall(r'"challenge": "([^"]{43})"', text) for text in (first, second)]
    assert challenges[0] != challenges[1]
    assert re.sub(r'"challenge": "[^"]+"', "", first) == re.sub(r'"challenge": "[^"]+"', "", second)
    assert '"allowCredentials": []' in first
    assert '"userVerification": "required"' in first


def test_wrong_answers_from_an_address_are_throttled(app: Flask, device: Device) -> None:
    client = app.test_client()
    form = {"csrf_token": token_of(client), "credential": "x"}
    assert {client.post("/sign-in/passkey", data=form).status_code for _ in range(50)} == {422}
    assert client.post("/sign-in/passkey", data=form).status_code == 429


def test_the_log_says_why_and_nothing_that_was_sent(
    app: Flask, device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    sent = 'https://evil.example" or\nevil'
    client = app.test_client()
    for wrong in ({"origin": sent}, {"type": sent}, {"challenge": sent}):
        send(client, device.sign(ask(client), **wrong))
    said = [record.getMessage() for record in caplog.records if "wrong passkey" in record.getMessage()]
    assert len(said) == 3
    assert "Unexpected client data origin" in said[0]
    assert "evil" not in caplog.text
