"""Retrying all failed runs of a filter over REST: the report first, then the operation."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.operation_registry import KINDS
from app.business.automation.services.operations import lifecycle
from tests.business.automation.machine import Machine
from tests.business.automation.run_rows import make_rule, make_run
from tests.factories import make_ai_connection, make_sector, make_site, make_task
from tests.modules.automation_rest import RUNS
from tests.people import People, make_people, program_of

pytestmark = pytest.mark.both_databases

HOUR = timedelta(hours=1)


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture(autouse=True)
def connection(session: Session, people: People) -> None:
    """Its articles cost their words."""
    make_ai_connection(session, people.account)
    session.commit()


@pytest.fixture
def runs(session: Session, people: People) -> list[ScheduledTask]:
    """Two failed runs of two rules with two articles of 300 words each, and one completed run."""
    sector = make_sector(session, make_site(session, people.account))
    tasks = [make_task(session, sector, word_count=300).id for _ in range(2)]
    rules = [
        make_rule(session, people.account, trigger="task_created", actions=[{"type": "generate_content"}])
        for _ in range(2)
    ]
    at = datetime.now(UTC) - HOUR
    made = [
        make_run(session, rules[number], at - number * HOUR, status, attempt=1, admitted_at=at)
        for number, status in ((0, Status.FAILED), (1, Status.FAILED), (0, Status.COMPLETED))
    ]
    for run in made:
        run.detail.records = tasks
    session.commit()
    return made


@pytest.fixture
def operator(app: Flask, session: Session, people: People, runs: list[ScheduledTask]) -> FlaskClient:
    return program_of(app, session, people.operator)


def ask(api: FlaskClient, **body: Any) -> Any:
    return api.post(f"{RUNS}retry/", json=body)


def states(session: Session, runs: list[ScheduledTask]) -> list[str]:
    session.expire_all()
    return [run.status for run in runs]


def test_by_default_it_only_reports_what_it_would_do(
    operator: FlaskClient, session: Session, runs: list[ScheduledTask]
) -> None:
    answer = ask(operator)
    assert answer.status_code == 200
    assert {name: value for name, value in answer.json.items() if name != "as_of"} == {
        "dry_run": True, "runs": 2, "finished_units": 0, "credits_most": 12, "credits_added": 0,
        "credits_available": 1000, "left_out": {}, "beyond": 0,
    }  # fmt: skip
    assert states(session, runs) == ["failed", "failed", "completed"]


def test_the_operation_retries_the_reported_runs(
    operator: FlaskClient, session: Session, runs: list[ScheduledTask]
) -> None:
    as_of = ask(operator).json["as_of"]
    answer = ask(operator, dry_run=False, as_of=as_of)
    assert (answer.status_code, answer.json["state"], answer.json["total"]) == (202, "pending", 2)
    address = f"/api/automation/operations/{answer.json['id']}/"
    machine = Machine(session, now=datetime.now(UTC))
    lifecycle.execute_next(machine.transaction, KINDS, machine.clock)
    shown = operator.get(address).json
    assert (shown["kind"], shown["state"], shown["done"]) == ("bulk_retry", "done", 2)
    assert shown["result"] == {"retried": 2, "left_alone": 0}
    assert states(session, runs) == ["pending", "pending", "completed"]


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ({"status": ["failed"]}, 2),
        ({"status": ["completed"]}, 0),
        ({"reason": "action_failed", "cause": "manual"}, 2),
        ({"reason": "timed_out"}, 0),
        ({"cause": "event"}, 0),
    ],
)
def test_it_takes_the_filters_of_the_list(operator: FlaskClient, body: dict[str, Any], count: int) -> None:
    assert ask(operator, **body).json["runs"] == count


def test_rules_and_times_narrow_it(operator: FlaskClient, runs: list[ScheduledTask]) -> None:
    assert ask(operator, automation_rule=[runs[1].automation_rule_id]).json["runs"] == 1
    between = (datetime.now(UTC) - HOUR * 1.5).isoformat()
    assert ask(operator, scheduled_after=between).json["runs"] == 1
    assert ask(operator, scheduled_before=between).json["runs"] == 1
    assert ask(operator, as_of="2020-01-01T00:00:00").json["runs"] == 0


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"state": "failed"}, "state"),
        ({"status": ["broken"]}, "status.0"),
        ({"dry_run": "no"}, "dry_run"),
        ({"scheduled_after": "yesterday"}, "scheduled_after"),
        ({"automation_rule": 7}, "automation_rule"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    operator: FlaskClient, body: dict[str, Any], path: str
) -> None:
    answer = ask(operator, **body)
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert list(answer.json["errors"]) == [path]


def test_nothing_to_retry_is_a_conflict(operator: FlaskClient) -> None:
    answer = ask(operator, dry_run=False, cause="event")
    assert (answer.status_code, answer.json["detail"]) == (409, "No failed run fits this filter.")


def test_an_operator_leaves_expensive_runs_to_an_editor(
    app: Flask, operator: FlaskClient, session: Session, people: People, runs: list[ScheduledTask]
) -> None:
    people.account.operator_credit_limit = 5
    session.commit()
    assert ask(operator).json["left_out"] == {"too_dear": 2}
    assert ask(program_of(app, session, people.editor)).json["runs"] == 2
    alone = operator.post(f"{RUNS}{runs[0].id}/retry/")
    assert (alone.status_code, "may cost up to 6 credits" in alone.json["detail"]) == (403, True)


def test_a_stranger_retries_nothing_of_ours(
    app: Flask, session: Session, people: People, runs: list[ScheduledTask]
) -> None:
    stranger = program_of(app, session, people.stranger)
    assert ask(stranger).json["runs"] == 0
    assert ask(stranger, automation_rule=[runs[0].automation_rule_id]).json["runs"] == 0
