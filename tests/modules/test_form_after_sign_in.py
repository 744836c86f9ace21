"""A form submitted after the sign-in expired: after signing in again it is submitted as it was typed."""

import html
import re
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from app.business.accounts.models import User, UserSession
from app.business.accounts.services.passwords import HASHER
from app.business.automation.models import RuleDraft
from tests.people import People, make_people

PASSWORD = "correct horse battery"
TYPED = {"c0-group": "0", "c0-field": "text", "c0-operator": "contains", "c0-value": "<pan> & “lid”"}


@pytest.fixture(scope="module")
def password_hash() -> str:
    return HASHER.hash(PASSWORD)


@pytest.fixture
def people(session: Session, password_hash: str) -> People:
    people = make_people(session)
    people.editor.password_hash = people.owner.password_hash = password_hash
    session.commit()
    return people


@pytest.fixture
def browser(app: Flask, people: People) -> FlaskClient:
    browser = app.test_client()
    sign_in(browser, people.editor)
    return browser


def hidden(page: str) -> MultiDict[str, str]:
    """Hidden inputs of the page's form, as the browser would send them."""
    found = re.findall(r'<input(?=[^>]*type="hidden")[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page)
    return MultiDict([(name, html.unescape(value)) for name, value in found])


def sign_in(browser: FlaskClient, user: User, page: str | None = None) -> str:
    """Sign in on that page, else on the plain one; gives the page that comes of it."""
    form = hidden(page or browser.get("/sign-in").text)
    form.update({"email": user.email, "password": PASSWORD})
    return browser.post("/sign-in", data=form).text


def begin_draft(browser: FlaskClient) -> tuple[str, str]:
    """A draft, and the token of a page that the person has left open."""
    token = hidden(browser.get("/rules/new").text)["csrf_token"]
    location = browser.post("/rules/new", data={"name": "Pans", "csrf_token": token}).location
    browser.post(location, data={"trigger": "keyword_added", "csrf_token": token})
    return location.rpartition("/")[0], token


def expire(session: Session) -> None:
    session.execute(update(UserSession).values(seen_at=datetime(2020, 1, 1, tzinfo=UTC)))
    session.commit()


def too_late(browser: FlaskClient, address: str, **form: str) -> str:
    answer = browser.post(address, data=form)
    assert answer.status_code == 401
    return answer.text


def test_a_step_sent_too_late_is_sent_again_after_the_sign_in(
    browser: FlaskClient, session: Session, people: People
) -> None:
    draft, token = begin_draft(browser)
    expire(session)
    refused = too_late(browser, f"{draft}/which", **TYPED, csrf_token=token)
    asked = browser.post("/sign-in", data=hidden(refused))
    assert (asked.status_code, "Nothing that you typed is lost" in asked.text) == (200, True)
    wrong = browser.post(
        "/sign-in", data=hidden(asked.text) | {"email": people.editor.email, "password": "no"}
    )
    again = sign_in(browser, people.editor, wrong.text)
    address = re.search(r'<form method="post" action="([^"]+)"', again)
    assert address
    assert browser.post(address[1], data=hidden(again)).location == f"{draft}/do"
    kept = session.scalars(select(RuleDraft)).one().steps["which"]
    assert dict(map(tuple, kept)) == TYPED


def test_nobody_else_gets_what_was_typed(browser: FlaskClient, session: Session, people: People) -> None:
    draft, token = begin_draft(browser)
    expire(session)
    refused = too_late(browser, f"{draft}/which", **TYPED, csrf_token=token)
    assert "pan" not in sign_in(browser, people.owner, refused)


def test_a_form_of_another_page_is_not_kept(browser: FlaskClient, session: Session) -> None:
    draft, _ = begin_draft(browser)
    expire(session)
    assert "kept" not in hidden(too_late(browser, f"{draft}/which", **TYPED, csrf_token="forged"))


def test_passwords_are_never_kept(browser: FlaskClient, session: Session) -> None:
    _, token = begin_draft(browser)
    expire(session)
    refused = too_late(browser, "/profile/password", password="a new secret phrase", csrf_token=token)
    assert "kept" not in hidden(refused)
    assert "a new secret phrase" not in refused


def test_only_what_somebody_typed_is_shown(browser: FlaskClient, session: Session) -> None:
    begin_draft(browser)
    expire(session)
    refused = too_late(
        browser, "/keywords/1/edit", note="Mine", version="2", read="note:12ae", csrf_token="forged"
    )
    assert re.findall(r'<label[^>]*for="typed-\d+">([^<]+)<', refused) == ["Note"]


def test_a_manipulated_form_is_refused(browser: FlaskClient, session: Session, people: People) -> None:
    draft, token = begin_draft(browser)
    expire(session)
    refused = too_late(browser, f"{draft}/which", **TYPED, csrf_token=token)
    kept = hidden(refused)["kept"]
    assert "pan" not in sign_in(browser, people.editor, refused.replace(kept, f"A{kept[1:]}"))


def test_an_open_page_keeps_working_after_its_person_signs_in_again(
    browser: FlaskClient, session: Session, people: People
) -> None:
    draft, token = begin_draft(browser)
    expire(session)
    asked = browser.post(f"{draft}/which", data=TYPED | {"csrf_token": token, "change": "add:g0"},
                         headers={"HX-Request": "true"})  # fmt: skip
    assert "Sign in in a new tab</a>" in asked.text
    sign_in(browser, people.editor)
    assert browser.post(f"{draft}/which", data=TYPED | {"csrf_token": token}).status_code == 303
