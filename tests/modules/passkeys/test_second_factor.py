"""A passkey is both factors; and what becomes of it where a password or a device is lost."""

import re
from collections.abc import Callable
from datetime import timedelta

import pyotp
import pytest
from flask import Flask, current_app
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, User
from app.business.accounts.passkey_models import Passkey
from app.business.accounts.services import second_factor, team, welcome
from app.infrastructure.secret_box import SecretBox
from tests.authenticator import Device
from tests.modules.passkeys.browsers import (
    AT,
    PAGE,
    PASSWORD,
    added,
    ask,
    begin,
    give_password,
    is_in,
    new_device,
    send,
    token_of,
)
from tests.people import People, browser_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")


def totp_of(session: Session, user: User) -> pyotp.TOTP:
    codes, before = pyotp.TOTP(second_factor.new_secret()), AT - timedelta(hours=1)
    seal = SecretBox.of(current_app.extensions["settings"]).seal
    second_factor.switch_on(session, user, codes.secret, codes.at(before), seal, before)
    session.commit()
    return codes


def test_with_codes_on_one_is_asked_to_add_a_passkey_and_none_to_use_it(
    app: Flask, session: Session, people: People
) -> None:
    codes = totp_of(session, people.viewer)
    browser, device = browser_of(app, session, people.viewer), new_device()
    form = {"name": "Phone", "password": PASSWORD}
    assert browser.post(f"{PAGE}/new", data=form | {"code": "000000"}).status_code == 422
    made = device.make(begin(browser, code=codes.at(AT)))
    assert browser.post(PAGE, data={"name": "Phone", "credential": made}).status_code == 303
    client = app.test_client()
    assert send(client, device.sign(ask(client)))[0] == 303
    assert is_in(client)


def test_a_required_second_factor_is_a_passkey_that_was_used(
    app: Flask, session: Session, people: People
) -> None:
    session.execute(update(Account).values(second_factor_required=True))
    session.commit()
    browser = browser_of(app, session, people.viewer)
    assert browser.get("/keywords").location == "/profile/second-factor"
    assert PAGE in browser.get("/profile/second-factor").text
    device = added(browser)
    assert browser.get("/keywords").status_code == 200, "whoever has just made one has shown it"
    client = app.test_client()
    assert give_password(client, people.viewer) == "/sign-in/code?next=/keywords"
    assert not is_in(client)
    page = client.get("/sign-in/code?next=/keywords").text
    assert "Sign in with a passkey" in page
    assert 'name="code"' not in page
    refused = send(client, device.sign(ask(client), rp_id="evil.example"), "/keywords")
    assert (refused[0], "One more step" in refused[2]) == (422, True)
    assert send(client, device.sign(ask(client)), "/keywords")[:2] == (303, "/keywords")
    assert client.get("/keywords").status_code == 200
    kept = client.post(
        "/profile/password",
        data={"present": PASSWORD, "password": f"{PASSWORD} 2", "csrf_token": token_of(client)},
    )
    assert kept.status_code == 303
    assert client.get("/keywords").status_code == 200, "a new password does not take the passkey back"


def test_not_required_the_password_alone_signs_in_as_before(
    app: Flask, session: Session, people: People, device: Device
) -> None:
    client = app.test_client()
    assert give_password(client, people.viewer) == "/keywords"


def test_a_link_goes_on_to_the_password_after_the_passkey(
    app: Flask, session: Session, people: People, device: Device
) -> None:
    session.execute(update(Account).values(second_factor_required=True))
    token = welcome.issue_for(session, people.viewer, AT)
    session.commit()
    client = app.test_client()
    answer = client.post(f"/welcome/{token}", data={"csrf_token": token_of(client)})
    assert answer.location == "/sign-in/code"
    assert send(client, device.sign(ask(client)))[:2] == (303, "/profile/password")
    page = client.get("/profile/password").text
    assert 'name="present"' not in page
    assert re.search(r'name="end_passkeys"(?![^>]*checked)', page), "the one just shown is not meant"


def reset(app: Flask, people: People, *options: str) -> str:
    args = ["reset-password", "--email", people.viewer.email, "--password-stdin", *options]
    done = app.test_cli_runner().invoke(args=args, input=f"{PASSWORD} 3\n")
    assert done.exit_code == 0, done.output
    return done.output


def by_the_owner(app: Flask, session: Session, people: People, path: str) -> None:
    owner = browser_of(app, session, people.owner)
    assert owner.post(f"/team/{people.viewer.id}{path}").status_code == 303


def off_and_on(app: Flask, session: Session, people: People) -> None:
    by_the_owner(app, session, people, "/off")
    team.reactivate(session, session.get_one(User, people.viewer.id), AT)
    session.commit()


def end_by_command(app: Flask, session: Session, people: People) -> None:
    done = app.test_cli_runner().invoke(args=["end-second-factor", "--email", people.viewer.email])
    assert done.exit_code == 0, done.output
    assert "Passkeys removed: 1" in done.output


def new_password(app: Flask, session: Session, people: People, **form: str) -> None:
    browser = browser_of(app, session, people.viewer)
    answer = browser.post("/profile/password", data={"present": PASSWORD, "password": f"{PASSWORD} 2"} | form)
    assert answer.status_code == 303


LOST: dict[str, tuple[Callable[[Flask, Session, People], object], bool]] = {
    "reset-password": (lambda app, _, people: reset(app, people), False),
    "reset-password --keep-passkeys": (lambda app, _, people: reset(app, people, "--keep-passkeys"), True),
    "end-second-factor": (end_by_command, False),
    "second factor off by an owner": (lambda *all: by_the_owner(*all, "/second-factor/off"), False),
    "switched off by an owner, and on again": (off_and_on, False),
    "another role": (
        lambda app, session, people: browser_of(app, session, people.owner).post(
            f"/team/{people.viewer.id}/role", data={"role": "editor"}
        ),
        True,
    ),
    "a new password": (new_password, True),
    "a new password, and away with passkeys": (lambda *all: new_password(*all, end_passkeys="y"), False),
}


@pytest.mark.parametrize("case", LOST.values(), ids=LOST)
def test_what_becomes_of_a_passkey(
    app: Flask,
    session: Session,
    people: People,
    device: Device,
    case: tuple[Callable[[Flask, Session, People], object], bool],
) -> None:
    happens, still_signs_in = case
    before = app.test_client()
    assert send(before, device.sign(ask(before)))[0] == 303
    happens(app, session, people)
    assert not is_in(before)
    client = app.test_client()
    assert (send(client, device.sign(ask(client)))[0] == 303) is still_signs_in
    assert bool(session.scalar(select(func.count(Passkey.id)))) is still_signs_in
