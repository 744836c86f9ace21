"""The credits page, health and readiness."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.billing.models import EntryKind
from app.business.billing.services.credit_service import CreditService
from tests.people import People, browser_of, make_people


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


def test_it_shows_balance_and_use(app: Flask, session: Session, people: People) -> None:
    credits, now = CreditService(), people.account.created_at
    run = {"account_id": people.account.id, "run_id": 7, "now": now}
    credits.hold(session, amount=60, budgets=[], **run)
    credits.post(session, amount=45, key="r7-s0-1", reason="3 ideas for “garden lamps”", **run)
    session.commit()
    text = browser_of(app, session, people.viewer).get("/credits").text
    for shown in ("955", "940", "3 ideas for “garden lamps”", "Starter: 1,000 credits each month"):
        assert shown in text


def test_an_empty_account_says_what_waits_and_until_when(
    app: Flask, session: Session, people: People
) -> None:
    viewer = browser_of(app, session, people.viewer)
    assert "No credits are left" not in viewer.get("/credits").text
    CreditService().add(
        session, account_id=people.account.id, kind=EntryKind.ADJUST, amount=-1_000,
        key="a", reason="Gone", now=people.account.created_at,
    )  # fmt: skip
    session.commit()
    text = viewer.get("/credits").text
    assert "No credits are left for new runs" in text
    assert "until the next grant on" in text


def test_older_entries_have_pages_of_their_own(app: Flask, session: Session, people: People) -> None:
    for number in range(51):
        CreditService().add(
            session, account_id=people.account.id, kind=EntryKind.ADJUST, amount=1,
            key=f"a{number}", reason=f"Entry {number}.", now=people.account.created_at,
        )  # fmt: skip
    session.commit()
    viewer = browser_of(app, session, people.viewer)
    first = viewer.get("/credits").text
    assert "Entry 50." in first
    assert "Entry 0." not in first
    next_page = first.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
    assert "Entry 0." in viewer.get(next_page).text


def test_the_entries_of_another_account_stay_hidden(app: Flask, session: Session, people: People) -> None:
    CreditService().add(
        session, account_id=people.account.id, kind=EntryKind.ADJUST, amount=1,
        key="a", reason="Between us", now=people.account.created_at,
    )  # fmt: skip
    session.commit()
    assert "Between us" not in browser_of(app, session, people.stranger).get("/credits").text


def test_a_damaged_page_address_is_refused(app: Flask, session: Session, people: People) -> None:
    answer = browser_of(app, session, people.viewer).get("/credits?cursor=%00nonsense")
    assert answer.status_code == 422


def test_health_is_open_and_readiness_names_what_is_missing(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok"}
    answer = client.get("/readyz")
    assert answer.json
    assert answer.json["checks"]["database"] == answer.json["checks"]["queue"] == "ok"
    assert answer.json["checks"]["migrations"] != "ok"
    assert answer.status_code == 503
