"""Pausing all automation over REST, and cancelling operations."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import AuditEntry
from app.business.automation.services.operations.lifecycle import begin_operation
from tests.modules.automation_pages import ON_KEYWORDS, make_rule, make_run
from tests.people import People, make_people, program_of

PAUSE = "/api/automation/pause/"


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.editor)


def noted(session: Session, action: str) -> int:
    return session.scalar(select(func.count()).where(AuditEntry.action == action)) or 0


@pytest.mark.both_databases
def test_all_automation_is_paused_and_resumed_once(
    api: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account, **ON_KEYWORDS, schedule={}, conditions={})
    assert api.get(PAUSE).json == {"paused_at": None, "waiting": 0, "max_credits": 0}
    first, again = api.post(PAUSE), api.post(PAUSE)
    assert first.json["paused_at"] == again.json["paused_at"] is not None
    assert noted(session, "account.paused") == 1
    run = make_run(session, rule, "pending", waiting_for="pause")
    session.commit()
    waits = api.get(PAUSE)
    assert (waits.json["waiting"], waits.json["max_credits"]) == (1, rule.credit_limit_per_execution)
    assert api.post(f"{PAUSE}end/", headers={"If-Match": first.headers["ETag"]}).status_code == 412
    for _ in range(2):
        assert api.post(f"{PAUSE}end/").json["paused_at"] is None
    session.expire_all()
    assert (run.waiting_for, noted(session, "account.resumed")) == (None, 1)


def test_an_operation_is_cancelled_once(api: FlaskClient, session: Session, people: People) -> None:
    operation = begin_operation(
        session, account_id=people.account.id, kind="bulk_retry", params={"runs": []}, user_id=None,
        sites=(), now=datetime.now(UTC),
    )  # fmt: skip
    session.commit()
    path = f"/api/automation/operations/{operation.id}/cancel/"
    cancelled = api.post(path)
    assert (cancelled.status_code, cancelled.json["state"]) == (200, "cancelled")
    assert api.post(path).status_code == 409
