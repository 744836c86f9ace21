"""Passkeys are added, signed in with, renamed and removed, each by its person; never the last way in."""

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import AuditEntry
from app.business.accounts.passkey_models import Passkey, PasskeyChallenge
from app.modules.accounts.passkey_challenges import NOT_ACCEPTED
from tests.authenticator import Device
from tests.factories import make_passkey
from tests.modules.passkeys.browsers import (
    AT,
    PAGE,
    PASSWORD,
    added,
    ask,
    begin,
    entry,
    is_in,
    new_device,
    send,
)
from tests.people import People, browser_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")


def test_added_with_the_password_then_signs_in_without(app: Flask, session: Session, people: People) -> None:
    browser = browser_of(app, session, people.viewer)
    assert "No passkeys yet" in browser.get(PAGE).text
    for wrong in ({"password": "no"}, {"name": ""}):
        answer = browser.post(f"{PAGE}/new", data={"name": "Phone", "password": PASSWORD} | wrong)
        assert answer.status_code == 422
    device = added(browser)
    kept = session.scalars(select(Passkey)).one()
    assert people.viewer.email not in kept.user_handle
    assert len(kept.user_handle) >= 43
    assert entry(session, "user.passkey_added").data == {"passkey": "Phone"}
    client = app.test_client()
    assert send(client, device.sign(ask(client)), "/keywords")[:2] == (303, "/keywords")
    assert is_in(client)
    session.refresh(kept)
    assert (kept.used_at, kept.used_from, kept.sign_count) == (AT, "127.0.0.1", 1)
    assert "127.0.0.1" in client.get(PAGE).text
    assert "with a passkey" in client.get("/profile/sessions").text
    assert entry(session, "user.signed_in").data == {"address": "127.0.0.1", "passkey": "Phone"}
    assert session.scalar(select(func.count(PasskeyChallenge.id))) == 0


def test_a_second_one_has_the_same_handle_and_the_device_is_told_of_the_first(
    app: Flask, session: Session, people: People
) -> None:
    browser = browser_of(app, session, people.viewer)
    first = added(browser)
    options = begin(browser, name="Laptop")
    second = new_device()
    second.make(options)
    assert second.handle == first.handle
    assert f'"id": "{session.scalar(select(Passkey.credential_id))}"' in options
    again = browser.post(PAGE, data={"name": "Copy", "credential": first.make(options)})
    assert (again.status_code, session.scalar(select(func.count(Passkey.id)))) == (409, 1)


def test_a_device_that_does_not_count_signs_in_again_and_again(
    app: Flask, session: Session, people: People
) -> None:
    device = added(browser_of(app, session, people.viewer), counts=False)
    for _ in range(3):
        client = app.test_client()
        assert send(client, device.sign(ask(client)))[0] == 303


def test_a_device_that_counts_back_is_refused_and_the_owner_reads_of_it(
    app: Flask, session: Session, people: People, device: Device
) -> None:
    for count, expected in ((5, 303), (5, 422), (4, 422), (0, 422), (6, 303)):
        client = app.test_client()
        status, _, text = send(client, device.sign(ask(client), count=count))
        assert (status, is_in(client)) == (expected, expected == 303), count
        assert status == 303 or NOT_ACCEPTED in text
    refused = session.scalars(select(AuditEntry).where(AuditEntry.action == "user.passkey_refused")).all()
    assert [one.data for one in refused] == [{"passkey": "Phone", "address": "127.0.0.1"}] * 3
    assert session.scalar(select(Passkey.sign_count)) == 6
    assert "may be a copy" in browser_of(app, session, people.owner).get("/audit").text


def test_renamed_and_removed_which_signs_the_other_browsers_out(
    app: Flask, session: Session, people: People, device: Device
) -> None:
    browser, other = (browser_of(app, session, people.viewer) for _ in range(2))
    id = session.scalars(select(Passkey.id)).one()
    assert browser.post(f"{PAGE}/{id}/name", data={"name": " Old phone "}).status_code == 303
    assert entry(session, "user.passkey_renamed").data == {"passkey": {"from": "Phone", "to": "Old phone"}}
    assert "Remove “Old phone”?" in browser.get(PAGE).text
    stranger = browser_of(app, session, people.editor)
    assert stranger.post(f"{PAGE}/{id}/remove").status_code == 404
    assert browser.post(f"{PAGE}/{id}/remove").status_code == 303
    assert (is_in(browser), is_in(other)) == (True, False)
    removed = entry(session, "user.passkey_removed").data
    assert removed
    assert removed["passkey"] == "Old phone"


def test_the_last_way_to_sign_in_is_not_removed(app: Flask, session: Session, people: People) -> None:
    ids = [make_passkey(session, people.editor, name=name).id for name in ("One", "Two")]
    session.commit()
    browser = browser_of(app, session, people.editor)
    assert "only way" not in browser.get(PAGE).text
    assert browser.post(f"{PAGE}/{ids[0]}/remove").status_code == 303
    page = browser.get(PAGE).text
    assert "your only way to sign in" in page
    assert "/remove" not in page
    refused = browser.post(f"{PAGE}/{ids[1]}/remove")
    assert (refused.status_code, "Set a password first" in refused.text) == (409, True)
    assert session.scalars(select(Passkey.id)).all() == [ids[1]]


def test_without_password_and_codes_a_fresh_sign_in_is_asked_for(
    app: Flask, session: Session, people: People, clock: time_machine.Traveller
) -> None:
    browser = browser_of(app, session, people.editor)
    clock.shift(3601)
    answer = browser.post(f"{PAGE}/new", data={"name": "Phone"})
    assert (answer.status_code, "Sign out and in again" in answer.text) == (409, True)


def test_an_owner_sees_who_has_one_and_what_ending_it_means(
    app: Flask, session: Session, people: People, device: Device
) -> None:
    owner = browser_of(app, session, people.owner)
    assert "Passkey</span>" in owner.get("/team").text
    assert "passkey can no longer sign in" in owner.get(f"/team/{people.viewer.id}/second-factor").text
