"""The page of signed-in browsers: what it says of each, and signing out one, all others, or all."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import AuditEntry, UserSession
from tests.people import People, browser_of, make_people

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
PAGE = "/profile/sessions"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def browser(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.viewer)


def rows_of(page: str) -> list[str]:
    return re.findall(r"<tr.*?</tr>", page.partition("<tbody")[2], re.S)


def test_each_browser_has_its_address_its_last_use_and_whether_it_is_this_one(
    app: Flask, session: Session, people: People, browser: FlaskClient
) -> None:
    other = browser_of(app, session, people.viewer)
    seen = session.scalars(select(UserSession).order_by(UserSession.id.desc())).first()
    assert seen
    seen.user_agent = FIREFOX
    session.commit()
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=2), tick=False):
        other.get("/profile", environ_base={"REMOTE_ADDR": "203.0.113.7"})
        session.expire_all()
        rows = rows_of(browser.get(PAGE).text)
    assert len(rows) == 2
    theirs = next(row for row in rows if "Firefox on Linux" in row)
    assert "203.0.113.7" in theirs
    assert "This one" not in theirs
    assert [row for row in rows if "This one" in row] == [row for row in rows if row is not theirs]


def test_a_new_address_is_noted_at_most_once_a_minute(
    session: Session, people: People, browser: FlaskClient
) -> None:
    def seen_from() -> str:
        session.expire_all()
        return session.scalars(select(UserSession.seen_from)).one()

    began = datetime.now(UTC)
    for after, address, kept in (
        (0, "192.0.2.1", ""), (61, "192.0.2.1", "192.0.2.1"), (62, "192.0.2.2", "192.0.2.1"),
        (122, "192.0.2.2", "192.0.2.2"),
    ):  # fmt: skip
        with time_machine.travel(began + timedelta(seconds=after), tick=False):
            browser.get("/profile", environ_base={"REMOTE_ADDR": address})
        assert seen_from() == kept, after


def test_all_others_are_signed_out_at_once_and_this_one_stays(
    app: Flask, session: Session, people: People, browser: FlaskClient
) -> None:
    others = [browser_of(app, session, people.viewer) for _ in range(2)]
    colleague = browser_of(app, session, people.operator)
    assert "Sign out all others" in browser.get(PAGE).text
    browser.post(f"{PAGE}/end-others")
    page = browser.get(PAGE)
    assert "2 other browsers signed out." in page.text
    assert "Sign out all others" not in page.text
    assert [other.get(PAGE).status_code for other in others] == [302, 302]
    assert colleague.get(PAGE).status_code == 200
    entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "user.signed_out")).one()
    assert entry.data == {"browsers": 2}


def test_a_cookie_whose_session_has_ended_opens_nothing(
    app: Flask, session: Session, people: People, browser: FlaskClient
) -> None:
    other = browser_of(app, session, people.viewer)
    ended = session.scalars(select(UserSession.id).order_by(UserSession.id.desc())).first()
    browser.post(f"{PAGE}/{ended}/end")
    for method, path, status in (
        ("GET", PAGE, 302),
        ("GET", "/api/planner/sites/", 401),
        ("POST", "/profile", 401),
    ):
        assert other.open(path, method=method, data={"name": "x"}).status_code == status, path
    assert browser.post(f"{PAGE}/{ended}/end").status_code == 404
    assert browser.get(PAGE).status_code == 200
