"""The second factor: set up, asked for after password and link, codes accepted once, recovery, required of all."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pyotp
import pytest
import time_machine
from bs4 import BeautifulSoup
from flask import Flask, current_app
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import AuditEntry, User, UserSession
from app.business.accounts.second_factor_models import RecoveryCode, SecondFactor
from app.business.accounts.services import second_factor, welcome
from app.business.accounts.services.passwords import HASHER
from app.business.errors import Conflict, Invalid
from app.infrastructure.secret_box import SecretBox
from app.modules.throttle import limiter
from tests.people import People, browser_of, make_people, program_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
PASSWORD = "correct horse battery"
AT = datetime(2026, 11, 29, 12, 0, 5, tzinfo=UTC)
PAGE = "/profile/second-factor"


@pytest.fixture(scope="module")
def password_hash() -> str:
    return HASHER.hash(PASSWORD)


@pytest.fixture
def people(session: Session, password_hash: str) -> People:
    people = make_people(session)
    people.viewer.password_hash = password_hash
    session.commit()
    return people


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    limiter.reset()
    with time_machine.travel(AT, tick=False) as clock:
        yield clock


@pytest.fixture
def device(session: Session, people: People, clock: time_machine.Traveller) -> pyotp.TOTP:
    """The device of the viewer, whose second factor is on since an hour."""
    return _device(session, people.viewer)


def _device(session: Session, user: User) -> pyotp.TOTP:
    device, before = pyotp.TOTP(second_factor.new_secret()), AT - timedelta(hours=1)
    seal = SecretBox.of(current_app.extensions["settings"]).seal
    second_factor.switch_on(session, user, device.secret, device.at(before), seal, before)
    session.commit()
    return device


def post(client: FlaskClient, path: str, **form: str) -> tuple[int, str, str]:
    """Status, address and text of the answer to a form of the page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
    assert found
    answer = client.post(path, data=form | {"csrf_token": found.group(1)})
    return answer.status_code, answer.location or "", answer.text


def codes_on(page: str) -> list[str]:
    """The recovery codes that the page shows."""
    shown = page.partition('id="recovery_codes">')[2].partition("</pre>")[0]
    return re.findall(r"(?:[a-z2-7]{4}-){3}[a-z2-7]{4}", shown)


def give_password(client: FlaskClient, user: User, next: str = "") -> tuple[int, str, str]:
    return post(client, f"/sign-in?next={next}", email=user.email, password=PASSWORD)


def is_in(client: FlaskClient) -> bool:
    return client.get("/profile").status_code == 200


def key_in(page: str) -> str:
    """The key for people who type it, in groups of four; what is copied has no spaces."""
    key = BeautifulSoup(page, "html.parser").select_one("#second_factor_key")
    assert key
    assert [len(part.text) for part in key.select("span")] == [4] * 8
    return key.text.strip()


def test_set_up_on_the_page_then_asked_for_at_the_next_sign_in(
    app: Flask, session: Session, people: People, clock: time_machine.Traveller
) -> None:
    browser, other = (browser_of(app, session, people.viewer) for _ in range(2))
    page = browser.get(PAGE).text
    assert "<svg" in page
    assert "API keys" not in page
    assert "API keys need no code" in browser_of(app, session, people.owner).get(PAGE).text
    secret = key_in(page)
    sealed = re.search(r'name="sealed"[^>]*value="([^"]+)"', page)
    assert sealed
    assert secret not in sealed[1]
    device = pyotp.TOTP(secret)
    sent = {"sealed": sealed[1], "password": PASSWORD, "code": "000000"}
    wrong = browser.post(f"{PAGE}/on", data=sent)
    assert wrong.status_code == 422
    assert key_in(wrong.text) == secret, "the same picture stays"
    assert browser.post(f"{PAGE}/on", data=sent | {"code": device.now(), "password": "no"}).status_code == 422
    assert session.scalar(select(func.count(SecondFactor.id))) == 0
    done = browser.post(f"{PAGE}/on", data=sent | {"code": device.now()})
    codes = codes_on(done.text)
    file = unquote(re.findall(r'href="data:text/plain;charset=utf-8,([^"]+)"', done.text)[0])
    assert file.split("\n") == codes
    assert len(codes) == second_factor.RECOVERY_CODES
    assert (is_in(browser), is_in(other)) == (True, False)
    kept = session.scalars(select(SecondFactor)).one()
    assert secret not in kept.secret_sealed
    assert not {code.replace("-", "") for code in codes} & set(
        session.scalars(select(RecoveryCode.code_hash))
    )
    client = app.test_client()
    status, location, _ = give_password(client, people.viewer, "/keywords")
    assert (status, location) == (303, "/sign-in/code?next=/keywords")
    assert not is_in(client)
    status, _, _ = post(client, "/sign-in/code?next=/keywords", code=device.now())
    assert status == 422, "the code that set it up is used"
    clock.shift(30)
    status, location, _ = post(client, "/sign-in/code?next=/keywords", code=device.now())
    assert (status, location) == (303, "/keywords")
    assert is_in(client)


def test_until_the_code_is_given_the_session_opens_nothing_and_ends_after_ten_minutes(
    app: Flask, session: Session, people: People, device: pyotp.TOTP, clock: time_machine.Traveller
) -> None:
    client = app.test_client()
    give_password(client, people.viewer)
    with client.session_transaction() as cookie:
        waiting = cookie["waiting"]
        cookie["token"] = waiting
    assert not is_in(client), "not even as the token of a session"
    assert client.get("/api/planner/sites/").status_code == 401
    clock.shift(601)
    assert post(client, "/sign-in/code", code=device.now())[1].startswith("/sign-in?")
    assert not is_in(client)


def test_a_code_is_accepted_once_and_within_a_step_of_its_time(
    app: Flask, session: Session, people: People, device: pyotp.TOTP, clock: time_machine.Traveller
) -> None:
    def tried(code: str) -> bool:
        client = app.test_client()
        give_password(client, people.viewer)
        post(client, "/sign-in/code", code=code)
        return is_in(client)

    earlier, present, later = (device.at(AT, counter_offset=step) for step in (-1, 0, 1))
    assert not tried(device.at(AT, counter_offset=2))
    assert not tried(device.at(AT, counter_offset=-2))
    assert tried(f"{present[:3]} {present[3:]}")
    assert not tried(present)
    assert not tried(earlier), "one seen before the code that was used"
    assert tried(later)


def test_a_recovery_code_is_spent_once_and_new_ones_replace_all(
    app: Flask, session: Session, people: People, device: pyotp.TOTP, clock: time_machine.Traveller
) -> None:
    codes = second_factor.renew_recovery_codes(session, people.viewer, AT)
    session.commit()
    client, again = app.test_client(), app.test_client()
    for one in (client, again):
        give_password(one, people.viewer)
        post(one, "/sign-in/code", code=codes[0].upper())
    assert "9 are left" in client.get("/profile").text
    assert not is_in(again)
    entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "user.signed_in")).one()
    assert entry.data
    assert entry.data["second_factor"] == "recovery code"
    status, _, text = post(client, f"{PAGE}/codes", code=device.now())
    assert status == 200
    fresh = codes_on(text)
    assert len(fresh) == second_factor.RECOVERY_CODES
    assert not second_factor.accept(session, people.viewer, codes[1], lambda _sealed: "", AT)
    assert second_factor.accept(session, people.viewer, fresh[1], lambda _sealed: "", AT)


def test_a_one_use_link_asks_for_the_code_before_a_password_can_be_set(
    app: Flask, session: Session, people: People, device: pyotp.TOTP, clock: time_machine.Traveller
) -> None:
    token = welcome.issue_for(session, people.viewer, AT)
    session.commit()
    client = app.test_client()
    assert post(client, f"/welcome/{token}")[1] == "/sign-in/code"
    assert client.get("/profile/password").status_code == 302
    assert post(client, "/sign-in/code", code=device.now())[1] == "/profile/password"
    page = client.get("/profile/password").text
    assert 'name="password"' in page
    assert 'name="present"' not in page


def test_wrong_codes_are_throttled_for_the_person_in_every_browser(
    app: Flask, session: Session, people: People, device: pyotp.TOTP, clock: time_machine.Traveller
) -> None:
    for _ in range(2):
        client = app.test_client()
        give_password(client, people.viewer)
        statuses = [post(client, "/sign-in/code", code="000000")[0] for _ in range(5)]
        assert statuses == [422] * 5
    client = app.test_client()
    give_password(client, people.viewer)
    assert post(client, "/sign-in/code", code=device.now())[0] == 429
    assert not is_in(client)


def test_a_required_second_factor_is_set_up_before_anything_else(
    app: Flask, session: Session, people: People, clock: time_machine.Traveller
) -> None:
    owner, viewer = browser_of(app, session, people.owner), browser_of(app, session, people.viewer)
    settings = {"name": "A", "timezone": "UTC", "operator_credit_limit": "100", "second_factor_required": "y"}
    assert owner.post("/settings", data=settings).status_code == 303
    program = program_of(app, session, people.viewer)
    for browser in (owner, viewer):
        assert (browser.get("/").status_code, browser.get("/keywords").location) == (302, PAGE)
        assert browser.get("/api/planner/sites/").status_code == 403
        assert browser.post("/profile", data={"name": "X", "timezone": "UTC"}).status_code == 403
        assert browser.get("/profile/sessions").location == PAGE
        assert "nothing else is\n  open to you" in browser.get(PAGE).text
    assert program.get("/api/planner/sites/").status_code == 200
    _device(session, people.viewer)
    assert viewer.get("/keywords").status_code == 200
    assert owner.get("/keywords").status_code == 302


def test_an_owner_switches_off_that_of_another_and_the_command_that_of_the_last_owner(
    app: Flask, session: Session, people: People, device: pyotp.TOTP, clock: time_machine.Traveller
) -> None:
    owner, viewer = browser_of(app, session, people.owner), browser_of(app, session, people.viewer)
    program = program_of(app, session, people.viewer)
    page = f"/team/{people.viewer.id}/second-factor"
    assert "Whoever knows their password can sign in" in owner.get(page).text
    assert owner.post(f"{page}/off").status_code == 303
    assert (owner.post(f"{page}/off").status_code, is_in(viewer)) == (409, False)
    assert program.get("/api/planner/sites/").status_code == 200
    client = app.test_client()
    give_password(client, people.viewer)
    assert is_in(client)
    _device(session, people.owner)
    assert owner.post(f"/team/{people.owner.id}/second-factor/off").status_code == 409
    done = app.test_cli_runner().invoke(args=["end-second-factor", "--email", people.owner.email])
    assert done.exit_code == 0, done.output
    assert (session.scalar(select(func.count(SecondFactor.id))), is_in(owner)) == (0, False)
    assert (
        app.test_cli_runner().invoke(args=["end-second-factor", "--email", people.owner.email]).exit_code == 1
    )


def test_it_is_switched_off_with_a_code_and_not_set_up_twice(
    app: Flask, session: Session, people: People, device: pyotp.TOTP, clock: time_machine.Traveller
) -> None:
    browser = browser_of(app, session, people.viewer)
    other = pyotp.TOTP(second_factor.new_secret())
    with pytest.raises(Conflict):
        second_factor.switch_on(session, people.viewer, other.secret, other.at(AT), lambda text: text, AT)
    with pytest.raises(Invalid):
        second_factor.switch_on(session, people.viewer, other.secret, "１２３４５６", lambda text: text, AT)
    session.rollback()
    assert browser.post(f"{PAGE}/off", data={"code": other.at(AT)}).status_code == 422
    assert browser.post(f"{PAGE}/off", data={"code": device.at(AT)}).status_code == 303
    assert browser.post(f"{PAGE}/off", data={"code": device.at(AT)}).status_code in (409, 422)
    assert session.scalar(select(func.count(RecoveryCode.id))) == 0


def test_ending_the_sessions_of_a_person_ends_those_that_wait_for_a_code(
    app: Flask, session: Session, people: People, device: pyotp.TOTP, clock: time_machine.Traveller
) -> None:
    client = app.test_client()
    give_password(client, people.viewer)
    browser = browser_of(app, session, people.viewer)
    assert len(re.findall("<tr", browser.get("/profile/sessions").text)) == 2, "head, and this browser"
    browser.post("/profile/sessions/end-others")
    assert session.scalar(select(func.count(UserSession.id))) == 1
    assert post(client, "/sign-in/code", code=device.now())[1].startswith("/sign-in?")
