"""Credits over REST: read only."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.billing.models import EntryKind
from app.business.billing.services.credit_service import CreditService
from tests.people import People, make_people, program_of

pytestmark = pytest.mark.both_databases

LEDGER = "/api/billing/ledger/"


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.viewer)


def add(session: Session, people: People, kind: EntryKind, amount: int, key: str) -> None:
    CreditService().add(
        session,
        account_id=people.account.id,
        kind=kind,
        amount=amount,
        key=key,
        reason="Ideas",
        now=datetime.now(UTC),
        run_id=7,
    )
    session.commit()


def test_credits_are_shown_with_plan_and_ceiling(api: FlaskClient, session: Session, people: People) -> None:
    people.account.daily_ceiling = 50
    CreditService().hold(
        session, account_id=people.account.id, run_id=1, amount=30, budgets=[], now=datetime.now(UTC)
    )
    session.commit()
    assert api.get("/api/billing/credits/").json == {
        "balance": 1000, "held": 30, "available": 970, "plan": "starter", "daily_ceiling": 50
    }  # fmt: skip


def test_the_ledger_is_listed_newest_first_page_by_page(
    api: FlaskClient, session: Session, people: People
) -> None:
    add(session, people, EntryKind.CHARGE, -5, "r7-s0-1")
    first = api.get(f"{LEDGER}?limit=1").json
    (charge,) = first["results"]
    assert {name: value for name, value in charge.items() if name not in ("id", "created_at")} == {
        "kind": "charge", "amount": -5, "balance_after": 995, "run": 7, "reason": "Ideas"
    }  # fmt: skip
    second = api.get(f"{LEDGER}?limit=1&cursor={first['next']}").json
    assert ([entry["kind"] for entry in second["results"]], second["next"]) == (["grant"], None)
    assert [entry["kind"] for entry in api.get(f"{LEDGER}?kind=grant").json["results"]] == ["grant"]


@pytest.mark.parametrize("query", ["colour=red", "kind=gift", "limit=0"])
def test_an_unknown_or_unusable_parameter_is_named(api: FlaskClient, query: str) -> None:
    answer = api.get(f"{LEDGER}?{query}")
    assert (answer.status_code, list(answer.json["errors"])) == (400, [query.split("=")[0]])


def test_nothing_can_be_written(api: FlaskClient) -> None:
    assert {api.post(LEDGER, json={}).status_code, api.put("/api/billing/credits/", json={}).status_code} == {
        405
    }
