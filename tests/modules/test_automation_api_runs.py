"""Runs over REST: reading them, retrying, cancelling, and the summary."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, event
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Reason, RunDetail, ScheduledTask, Status
from app.business.planner.models import Sector
from app.infrastructure.database import db
from tests.business.automation.machine import Machine
from tests.business.automation.run_rows import make_rule, make_run
from tests.factories import make_cluster, make_keyword, make_sector, make_site
from tests.modules.automation_rest import HOURLY, LABEL, RUNS, execute
from tests.people import People, make_people, program_of

pytestmark = pytest.mark.both_databases

NAMES = [
    "id", "automation_rule", "rule_name", "rule_version", "cause", "scheduled_at", "moved_to_at", "executed_at",
    "started_at", "finished_at", "not_before", "waiting_for", "status", "reason", "result", "error_message",
    "credits_used", "attempt", "site", "sector", "start", "max_credits", "remaining",
]  # fmt: skip
MINUTE = timedelta(minutes=1)


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def sector(session: Session, people: People) -> Sector:
    return make_sector(session, make_site(session, people.account))


@pytest.fixture
def rule(session: Session, people: People) -> AutomationRule:
    """Labels keywords; not created by a request."""
    rule = make_rule(session, people.account, actions=[LABEL])
    session.commit()
    return rule


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.operator)


@pytest.fixture
def now_machine(session: Session) -> Machine:
    """The engine with the clock of the requests."""
    return Machine(session, now=datetime.now(UTC) + MINUTE)


def test_a_run_shows_its_steps_attempts_checks_and_conditions(
    api: FlaskClient, session: Session, people: People, sector: Sector, now_machine: Machine
) -> None:
    keyword = make_keyword(session, sector, volume=900)
    conditions = {"field": "volume", "operator": "gte", "value": 500}
    rule = make_rule(session, people.account, actions=[LABEL], conditions=conditions)
    session.commit()
    run_id = execute(api, rule).json["id"]
    now_machine.settle()
    shown = api.get(f"{RUNS}{run_id}/").json
    assert sorted(shown) == sorted(
        [*NAMES, "steps", "attempts", "gates", "trace", "records", "questions", "go_on"]
    )
    (step,) = shown["steps"]
    assert (step["index"], step["type"], step["status"], step["records"]) == (
        0,
        "update_records",
        "completed",
        1,
    )
    assert (step["made"], step["credits"], step["error_message"]) == ({}, 0, "")
    assert [attempt["number"] for attempt in shown["attempts"]] == [1]
    assert [gate["gate"] for gate in shown["gates"]] == [
        "active", "account", "loop", "overlap", "conditions", "daily_limit", "limit", "credits"
    ]  # fmt: skip
    leaf = conditions | {"actual": 900, "result": True}
    assert shown["trace"] == {"records": [{"id": keyword.id, "trace": leaf}]}


def test_runs_are_listed_newest_first_and_filtered(
    api: FlaskClient, session: Session, people: People, rule: AutomationRule
) -> None:
    at = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=1)
    minute_before = f"{at - MINUTE:%Y-%m-%dT%H:%M:%S}"
    other = make_rule(session, people.account)
    done = make_run(session, rule, at)
    failed = make_run(session, other, at - MINUTE, Status.FAILED)
    missed = make_run(session, rule, at - 2 * MINUTE, Status.SKIPPED, reason=Reason.MISSED)
    planned = make_run(session, rule, datetime.now(UTC) + 9 * MINUTE, Status.PENDING)
    session.commit()
    queries = {
        "": [done, failed, missed],
        "status=completed&status=failed": [done, failed],
        f"automation_rule={other.id}": [failed],
        f"automation_rule={rule.id}&automation_rule={other.id}&status=skipped": [missed],
        "cause=manual": [done, failed, missed],
        "cause=event": [],
        "reason=missed": [missed],
        f"scheduled_after={at:%Y-%m-%dT%H:%M:%SZ}": [done],
        f"scheduled_after={minute_before}": [done, failed],
        f"scheduled_before={minute_before}Z": [missed],
        "upcoming=true": [planned, done, failed, missed],
        "status=pending": [],
        "status=pending&upcoming=true": [planned],
    }
    for query, runs in queries.items():
        shown = api.get(f"{RUNS}?{query}").json
        assert [run["id"] for run in shown["results"]] == [run.id for run in runs], query
    first = api.get(f"{RUNS}?limit=2").json
    assert [run["id"] for run in api.get(f"{RUNS}?cursor={first['next']}").json["results"]] == [missed.id]


@pytest.mark.parametrize(
    "query",
    ["colour=red", "status=perhaps", "automation_rule=x", "automation_rule=0", "scheduled_after=yesterday",
     "scheduled_before=0001-01-01T00:00:00%2B14:00", "cause=magic", "reason=bad", "upcoming=perhaps", "limit=x"],
)  # fmt: skip
def test_an_unknown_or_unusable_parameter_is_named(api: FlaskClient, query: str) -> None:
    answer = api.get(f"{RUNS}?{query}")
    assert answer.status_code == 400
    assert [path.split(".")[0] for path in answer.json["errors"]] == [query.split("=")[0]]


def test_a_list_takes_as_many_queries_for_fifty_runs_as_for_one(
    api: FlaskClient, session: Session, rule: AutomationRule
) -> None:
    statements: list[str] = []
    api.get(RUNS)
    event.listen(db.engine, "before_cursor_execute", lambda *about: statements.append(about[2]))
    counted = []
    for count in (1, 49):
        for _ in range(count):
            make_run(session, rule, datetime.now(UTC) - MINUTE)
        session.commit()
        statements.clear()
        api.get(RUNS)
        counted.append(len(statements))
    assert counted[0] == counted[1] <= 4


def test_history_cannot_be_written_over_rest(
    api: FlaskClient, session: Session, rule: AutomationRule
) -> None:
    run = make_run(session, rule, datetime.now(UTC))
    session.commit()
    calls = [
        api.post(RUNS, json={}),
        *(getattr(api, verb)(f"{RUNS}{run.id}/") for verb in ("put", "patch", "delete")),
    ]
    assert {answer.status_code for answer in calls} == {405}


def test_only_a_failed_run_is_retried(api: FlaskClient, session: Session, rule: AutomationRule) -> None:
    failed, done = (
        make_run(session, rule, datetime.now(UTC), status) for status in (Status.FAILED, Status.COMPLETED)
    )
    session.commit()
    answer = api.post(f"{RUNS}{failed.id}/retry/")
    assert (answer.status_code, answer.json["status"], answer.json["error_message"]) == (202, "pending", "")
    refused = api.post(f"{RUNS}{done.id}/retry/")
    assert (refused.status_code, "Only failed runs" in refused.json["detail"]) == (409, True)
    assert api.post(f"{RUNS}{failed.id}/retry/", json={"all": True}).status_code == 422


def test_a_run_is_cancelled_before_it_starts_and_not_after_it_ended(
    api: FlaskClient, session: Session, rule: AutomationRule
) -> None:
    run_id = execute(api, rule).json["id"]
    answer = api.post(f"{RUNS}{run_id}/cancel/")
    assert (answer.status_code, answer.json["status"], answer.json["reason"]) == (200, "skipped", "cancelled")
    assert api.post(f"{RUNS}{run_id}/cancel/").status_code == 409


def test_an_operator_may_not_start_what_exceeds_their_limit(
    api: FlaskClient, session: Session, people: People
) -> None:
    sector = make_sector(session, make_site(session, people.account))
    clusters = [make_cluster(session, sector).id for _ in range(21)]
    paid = {"type": "generate_ideas", "params": {}}
    rule = make_rule(session, people.account, trigger="cluster_created", actions=[paid])
    session.commit()
    answer = execute(api, rule)
    assert (answer.status_code, "105 credits" in answer.json["detail"]) == (403, True)
    assert execute(api, rule, record_ids=clusters[:20]).status_code == 202


def test_the_summary_has_every_figure_and_counts_what_is_lost(
    app: Flask, api: FlaskClient, session: Session, people: People, rule: AutomationRule
) -> None:
    now = datetime.now(UTC)
    run = make_run(session, rule, now - MINUTE)
    make_run(session, rule, now - 2 * MINUTE, Status.FAILED)
    session.commit()
    shown = api.get("/api/automation/summary/").json
    assert sorted(shown) == [
        "active_rules", "credits_used", "from", "recent", "runs", "success_rate", "to", "unaccounted"
    ]  # fmt: skip
    assert (shown["active_rules"], shown["success_rate"], shown["unaccounted"]) == (1, 0.5, 0)
    assert shown["runs"] == {"pending": 0, "running": 0, "completed": 1, "failed": 1, "skipped": 0}
    assert shown["recent"][0] == {k: v for k, v in api.get(f"{RUNS}{run.id}/").json.items() if k in NAMES}
    make_rule(session, people.account, trigger="schedule", schedule=HOURLY, now=now - timedelta(hours=3))
    session.execute(delete(RunDetail))
    session.execute(delete(ScheduledTask))
    session.commit()
    assert api.get("/api/automation/summary/?days=1").json["unaccounted"] in (2, 3)
    assert api.get("/api/automation/summary/?days=0").status_code == 400
