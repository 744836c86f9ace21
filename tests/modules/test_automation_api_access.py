"""Permissions over REST: four roles, a stranger and nobody, on every call of automation and credits."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.operations.lifecycle import begin_operation
from tests.business.automation.run_rows import make_rule, make_run
from tests.factories import NOW
from tests.modules.automation_rest import rule_body
from tests.people import People, make_people, program_of

ROLES = ("viewer", "operator", "editor", "owner")
CALLS: list[tuple[str, str, dict[str, Any] | None, str, int]] = [
    ("GET", "/api/automation/rules/", None, "viewer", 200),
    ("GET", "/api/automation/rules/{rule}/", None, "viewer", 200),
    ("GET", "/api/automation/catalog/", None, "viewer", 200),
    ("GET", "/api/automation/scheduled-tasks/", None, "viewer", 200),
    ("GET", "/api/automation/scheduled-tasks/{run}/", None, "viewer", 200),
    ("GET", "/api/automation/summary/", None, "viewer", 200),
    ("GET", "/api/billing/credits/", None, "viewer", 200),
    ("GET", "/api/billing/ledger/", None, "viewer", 200),
    ("POST", "/api/automation/preview/", {}, "operator", 200),
    ("POST", "/api/automation/rules/{rule}/test/", {}, "operator", 200),
    ("POST", "/api/automation/rules/{rule}/execute/", {}, "operator", 202),
    ("POST", "/api/automation/rules/{rule}/back-test/", {}, "operator", 202),
    ("POST", "/api/automation/scheduled-tasks/{run}/retry/", {}, "operator", 202),
    ("POST", "/api/automation/scheduled-tasks/{run}/cancel/", {}, "operator", 409),
    ("POST", "/api/automation/scheduled-tasks/{run}/go-on/", {}, "operator", 409),
    ("POST", "/api/automation/scheduled-tasks/{run}/answer/", {}, "operator", 422),
    ("POST", "/api/automation/scheduled-tasks/retry/", {"dry_run": False}, "operator", 202),
    ("GET", "/api/automation/operations/{operation}/", None, "viewer", 200),
    ("POST", "/api/automation/rules/", rule_body(), "editor", 201),
    ("PUT", "/api/automation/rules/{rule}/", rule_body(), "editor", 200),
    ("PATCH", "/api/automation/rules/{rule}/", {"priority": 3}, "editor", 200),
    ("POST", "/api/automation/rules/{rule}/enable/", {}, "editor", 200),
    ("POST", "/api/automation/rules/{rule}/disable/", {}, "editor", 200),
    ("DELETE", "/api/automation/rules/{rule}/", None, "editor", 204),
]


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def ids(session: Session, people: People) -> dict[str, int]:
    rule = make_rule(session, people.account)
    run = make_run(session, rule, NOW, Status.FAILED)
    operation = begin_operation(
        session,
        account_id=people.account.id,
        kind="bulk_retry",
        params={"runs": []},
        user_id=None,
        sites=(),
        now=NOW,
    )
    session.commit()
    return {"rule": rule.id, "run": run.id, "operation": operation.id}


def state(session: Session) -> list[Any]:
    """All state that a refused call must not change."""
    session.expire_all()
    counts = [
        session.scalar(select(func.count()).select_from(model)) for model in (AutomationRule, RuleVersion)
    ]
    return [*counts, *session.execute(select(ScheduledTask.id, ScheduledTask.status)).all()]


@pytest.mark.parametrize(("method", "path", "body", "needed", "code"), CALLS)
def test_each_call_is_for_its_role_and_those_above(
    app: Flask,
    session: Session,
    people: People,
    ids: dict[str, int],
    method: str,
    path: str,
    body: dict[str, Any] | None,
    needed: str,
    code: int,
) -> None:
    before, below = state(session), ROLES[: ROLES.index(needed)]
    for role in below:
        refused = call(program_of(app, session, getattr(people, role)), method, path.format(**ids), body)
        assert (role, refused.status_code) == (role, 403)
    assert state(session) == before
    assert (
        call(program_of(app, session, getattr(people, needed)), method, path.format(**ids), body).status_code
        == code
    )


@pytest.mark.parametrize(
    ("method", "path", "body", "needed", "code"), [entry for entry in CALLS if "{" in entry[1]]
)
def test_a_stranger_cannot_tell_a_foreign_row_from_none(
    app: Flask,
    session: Session,
    people: People,
    ids: dict[str, int],
    method: str,
    path: str,
    body: dict[str, Any] | None,
    needed: str,
    code: int,
) -> None:
    before, stranger = state(session), program_of(app, session, people.stranger)
    nowhere = {"rule": 999_999, "run": 2**64, "operation": 2**64}
    foreign, missing = (call(stranger, method, path.format(**which), body) for which in (ids, nowhere))
    assert (foreign.status_code, foreign.data) == (404, missing.data)
    assert foreign.headers["Content-Type"] == missing.headers["Content-Type"]
    assert state(session) == before


@pytest.mark.parametrize(("method", "path"), [entry[:2] for entry in CALLS])
def test_without_a_key_nothing_is_answered(
    client: FlaskClient, ids: dict[str, int], method: str, path: str
) -> None:
    answer = call(client, method, path.format(**ids), {})
    assert (answer.status_code, answer.headers["Content-Type"]) == (401, "application/problem+json")


def test_lists_and_figures_of_a_stranger_are_empty(
    app: Flask, session: Session, people: People, ids: dict[str, int]
) -> None:
    stranger = program_of(app, session, people.stranger)
    for query in ("rules/", "scheduled-tasks/", f"scheduled-tasks/?automation_rule={ids['rule']}"):
        assert stranger.get(f"/api/automation/{query}").json == {"results": [], "next": None}
    summary = stranger.get("/api/automation/summary/").json
    assert (summary["active_rules"], sum(summary["runs"].values()), summary["recent"]) == (0, 0, [])


def call(client: FlaskClient, method: str, path: str, body: dict[str, Any] | None) -> Any:
    return client.open(path, method=method, **({} if body is None else {"json": body}))
