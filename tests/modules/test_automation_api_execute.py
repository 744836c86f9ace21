"""Starting a run over REST: once, on which records, and waiting for its end."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask
from app.business.planner.models import Keyword, Sector
from app.infrastructure.database import db
from tests.business.automation.machine import Machine
from tests.business.automation.run_rows import make_rule
from tests.factories import make_account, make_keyword, make_sector, make_site
from tests.modules.automation_rest import LABEL, RULES, RUNS, execute
from tests.people import People, browser_of, make_people, program_of

pytestmark = pytest.mark.both_databases

NAMES = [
    "id", "automation_rule", "rule_name", "rule_version", "cause", "scheduled_at", "moved_to_at", "executed_at",
    "started_at", "finished_at", "not_before", "waiting_for", "status", "reason", "result", "error_message",
    "credits_used",
    "start", "max_credits", "remaining", "attempt", "site", "sector",
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


@pytest.fixture
def worker(app: Flask) -> Iterator[Callable[[], None]]:
    """Starts a worker on a thread of its own; it stops with the test."""
    stop = threading.Event()

    def work() -> None:
        with app.app_context():
            machine = Machine(db.session())
            while not stop.wait(0.05):
                machine.now = datetime.now(UTC)
                machine.look()

    thread = threading.Thread(target=work)
    yield thread.start
    stop.set()
    thread.join()


def test_a_run_is_opened_and_still_pending(api: FlaskClient, rule: AutomationRule) -> None:
    answer = execute(api, rule)
    assert (answer.status_code, answer.json["status"], answer.json["cause"]) == (202, "pending", "api")
    assert sorted(answer.json) == sorted(NAMES)
    bodiless = api.post(f"{RULES}{rule.id}/execute")
    assert (bodiless.status_code, bodiless.json["automation_rule"]) == (202, rule.id)


def test_a_run_started_in_a_browser_is_manual(
    app: Flask, session: Session, people: People, rule: AutomationRule
) -> None:
    answer = execute(browser_of(app, session, people.operator), rule)
    assert (answer.status_code, answer.json["cause"]) == (202, "manual")


def test_the_records_given_are_worked_on(
    api: FlaskClient, session: Session, rule: AutomationRule, sector: Sector, now_machine: Machine
) -> None:
    keywords = [make_keyword(session, sector) for _ in range(3)]
    session.commit()
    run = execute(api, rule, record_ids=[keywords[1].id]).json
    now_machine.settle()
    shown = api.get(f"{RUNS}{run['id']}/").json
    assert (shown["status"], shown["records"]) == ("completed", [keywords[1].id])
    labelled = select(Keyword.id).where(Keyword.labels != [])
    assert session.scalars(labelled).all() == [keywords[1].id]


def test_a_record_of_another_account_is_not_found(
    api: FlaskClient, session: Session, rule: AutomationRule, sector: Sector
) -> None:
    foreign = make_keyword(session, make_sector(session, make_site(session, make_account(session))))
    own = make_keyword(session, sector)
    session.commit()
    answers = [execute(api, rule, record_ids=[own.id, id]) for id in (foreign.id, 999_999, 2**62)]
    assert {(answer.status_code, answer.data) for answer in answers} == {(404, answers[0].data)}
    assert session.scalar(select(func.count(ScheduledTask.id))) == 0


@pytest.mark.parametrize(
    "body",
    [{"record_ids": []}, {"record_ids": [0]}, {"record_ids": [2**63]}, {"wait": 31}, {"wait": -1}, {"wait": "5"},
     {"even_if_off": 1}, {"records": [1]}],
)  # fmt: skip
def test_an_invalid_request_is_refused(api: FlaskClient, rule: AutomationRule, body: dict[str, Any]) -> None:
    assert execute(api, rule, **body).status_code == 422


def test_waiting_long_enough_gives_the_finished_run(
    api: FlaskClient, session: Session, rule: AutomationRule, sector: Sector, worker: Callable[[], None]
) -> None:
    make_keyword(session, sector)
    session.commit()
    worker()
    answer = execute(api, rule, wait=30)
    assert (answer.status_code, answer.json["status"]) == (200, "completed")
    assert answer.json["executed_at"] == answer.json["started_at"] is not None


def test_waiting_too_briefly_gives_the_run_as_it_stands(api: FlaskClient, rule: AutomationRule) -> None:
    answer = execute(api, rule, wait=0.2)
    assert (answer.status_code, answer.json["status"]) == (202, "pending")


def test_the_same_key_and_body_is_the_same_run(
    api: FlaskClient, session: Session, rule: AutomationRule
) -> None:
    first, second = (execute(api, rule, "once", even_if_off=True) for _ in range(2))
    assert (first.status_code, second.status_code, first.json) == (202, 202, second.json)
    other = execute(api, rule, "once")
    assert (other.status_code, list(other.json["errors"])) == (422, ["Idempotency-Key"])
    assert session.scalar(select(func.count(ScheduledTask.id))) == 1


def test_the_same_key_of_somebody_else_is_another_request(
    app: Flask, session: Session, people: People, api: FlaskClient, rule: AutomationRule
) -> None:
    execute(api, rule, "once")
    assert execute(program_of(app, session, people.editor), rule, "once").status_code == 422


def test_the_same_key_twice_at_once_opens_one_run(
    app: Flask, session: Session, api: FlaskClient, rule: AutomationRule
) -> None:
    together, answers = threading.Barrier(4), []
    headers = {"Authorization": api.environ_base["HTTP_AUTHORIZATION"], "Idempotency-Key": "race"}

    def ask() -> None:
        client = app.test_client()
        together.wait()
        answers.append(client.post(f"{RULES}{rule_id}/execute/", json={}, headers=headers))

    rule_id = rule.id
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [202] * 4
    assert len({answer.json["id"] for answer in answers}) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_an_invalid_key_is_refused(api: FlaskClient, rule: AutomationRule, key: str) -> None:
    assert execute(api, rule, key).status_code == 400


def test_a_rule_that_is_off_runs_only_when_told_to(
    api: FlaskClient, session: Session, people: People, sector: Sector, now_machine: Machine
) -> None:
    make_keyword(session, sector)
    rule = make_rule(session, people.account, actions=[LABEL], is_active=False)
    session.commit()
    ids = [execute(api, rule, even_if_off=chosen).json["id"] for chosen in (False, True)]
    now_machine.settle()
    shown = [api.get(f"{RUNS}{run_id}/").json for run_id in ids]
    assert [(run["status"], run["reason"]) for run in shown] == [("skipped", "inactive"), ("completed", None)]
