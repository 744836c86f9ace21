"""Passkeys: added, used to sign in, taken away; and answers that prove nothing, which change nothing."""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask, current_app
from flask.testing import FlaskClient
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AuditEntry, User, UserSession
from app.business.accounts.passkey_models import Passkey, PasskeyChallenge
from app.business.accounts.services import second_factor, team, welcome
from app.business.accounts.services.passwords import HASHER
from app.infrastructure.passkey_ceremonies import relying_party
from app.infrastructure.secret_box import SecretBox
from app.modules.accounts.passkey_challenges import NOT_ACCEPTED, OVER
from app.modules.throttle import limiter
from app.settings import Settings
from tests.authenticator import PRESENT, Device
from tests.factories import make_passkey
from tests.people import People, browser_of, make_people

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
PASSWORD = "correct horse battery"
AT = datetime(2026, 11, 29, 12, 0, 5, tzinfo=UTC)
PAGE = "/profile/passkeys"


@pytest.fixture(scope="module")
def password_hash() -> str:
    return HASHER.hash(PASSWORD)


@pytest.fixture
def people(session: Session, password_hash: str) -> People:
    people = make_people(session)
    people.viewer.password_hash = password_hash
    session.commit()
    return people


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    limiter.reset()
    with time_machine.travel(AT, tick=False) as clock:
        yield clock


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


@pytest.fixture
def device(app: Flask, session: Session, people: People) -> Device:
    """The viewer's."""
    return added(browser_of(app, session, people.viewer))


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


def added_as(app: Flask, session: Session, user: User) -> Device:
    browser, device = browser_of(app, session, user), new_device()
    page = browser.post(f"{PAGE}/new", data={"name": "Theirs"})
    browser.post(PAGE, data={"name": "Theirs", "credential": device.make(options_on(page.text))})
    return device


FORGED: dict[str, tuple[Callable[[Try], str], str]] = {
    "wrong origin": (lambda at: at.wrong(origin="https://evil.example"), NOT_ACCEPTED),
    "another port": (lambda at: at.wrong(origin="http://localhost:1"), NOT_ACCEPTED),
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


MADE_WRONG: dict[str, dict[str, Any]] = {
    "wrong origin": {"origin": "https://evil.example"},
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


def test_an_owner_sees_who_has_one_and_what_ending_it_means(
    app: Flask, session: Session, people: People, device: Device
) -> None:
    owner = browser_of(app, session, people.owner)
    assert "Passkey</span>" in owner.get("/team").text
    assert "passkey can no longer sign in" in owner.get(f"/team/{people.viewer.id}/second-factor").text


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
