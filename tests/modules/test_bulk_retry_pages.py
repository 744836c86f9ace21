"""The pages for retrying all failed runs that match a filter, and for running records that a limit skipped."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.operation_models import Operation
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.operation_registry import KINDS
from app.business.automation.services.operations import lifecycle
from tests.business.automation.machine import Machine
from tests.factories import make_ai_connection, make_sector, make_site, make_task
from tests.modules.automation_pages import make_rule, make_run
from tests.people import People, browser_of, make_people

ASK = "/history/retry"
WRITING = {
    "trigger": "task_created",
    "record_type": "task",
    "conditions": {},
    "schedule": {},
    "actions": [{"type": "generate_content", "params": {}}],
}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture(autouse=True)
def connection(session: Session, people: People) -> None:
    """Its articles cost their words."""
    make_ai_connection(session, people.account)
    session.commit()


@pytest.fixture
def tasks(session: Session, people: People) -> list[int]:
    sector = make_sector(session, make_site(session, people.account))
    return [make_task(session, sector, word_count=300).id for _ in range(2)]


@pytest.fixture
def failed(session: Session, people: People, tasks: list[int]) -> list[ScheduledTask]:
    """Two failed runs of two rules; each would write two articles for 3 credits."""
    made = []
    for name in ("Write at night", "Write by day"):
        rule = make_rule(session, people.account, **WRITING | {"name": name})
        at = datetime.now(UTC)
        run = make_run(
            session, rule, "failed", admitted_at=at, reason="timed_out", record_type="task",
            detail={"records": tasks},
        )  # fmt: skip
        made.append(run)
    return made


@pytest.fixture
def operator(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.operator)


def begun(operator: FlaskClient, session: Session, query: str = "") -> Operation:
    as_of = datetime.now(UTC).isoformat()
    answer = operator.post(f"{ASK}{query}", data={"as_of": as_of})
    assert answer.status_code == 303
    operation = session.scalars(select(Operation)).one()
    assert answer.location == f"/operations/{operation.id}"
    return operation


def execute(session: Session) -> None:
    machine = Machine(session, now=datetime.now(UTC))
    lifecycle.execute_next(machine.transaction, KINDS, machine.clock)
    session.expire_all()


def test_the_history_offers_it_where_it_shows_failed_runs(
    app: Flask, session: Session, people: People, operator: FlaskClient, failed: list[ScheduledTask]
) -> None:
    rule = failed[0].automation_rule_id
    text = operator.get(f"/history?status=failed&rule={rule}").text
    assert f'href="{ASK}?rule={rule}"' in text
    assert ASK not in operator.get("/history?status=completed").text
    assert ASK not in browser_of(app, session, people.viewer).get("/history").text
    assert f'href="{ASK}?since=7"' in operator.get("/my-work").text


def test_it_reports_first_what_it_keeps_and_costs(operator: FlaskClient, failed: list[ScheduledTask]) -> None:
    text = operator.get(ASK).text
    assert "2 runs, at most 12 credits." in text
    assert "Every failed run of the account" in text
    assert "1,000 credits" in text
    one = operator.get(f"{ASK}?rule={failed[1].automation_rule_id}&reason=timed_out").text
    assert "1 run, at most 6 credits." in one
    assert "Rule: Write by day; Reason: Took too long" in one


def test_it_says_what_is_more_than_was_agreed_to_at_first_and_only_then(
    operator: FlaskClient, session: Session, failed: list[ScheduledTask]
) -> None:
    assert "agreed" not in operator.get(ASK).text
    failed[0].max_credits = 2
    session.commit()
    text = " ".join(operator.get(ASK).text.split())
    assert "2 runs, at most 12 credits, 4 of them more than was agreed to at first." in text
    assert "More than agreed at first" in text


def test_it_says_what_is_left_out_and_why(
    operator: FlaskClient, session: Session, people: People, failed: list[ScheduledTask]
) -> None:
    people.account.operator_credit_limit = 5
    session.commit()
    text = operator.get(ASK).text
    assert "Nothing to retry" in text
    assert "Each may cost more than 5 credits, the most that operators may start." in text
    refused = operator.post(ASK, data={"as_of": datetime.now(UTC).isoformat()})
    assert refused.status_code == 409


def test_it_warns_when_fewer_credits_are_free(
    operator: FlaskClient, session: Session, people: People, failed: list[ScheduledTask]
) -> None:
    assert "Fewer credits are free" not in operator.get(ASK).text
    people.account.credits_held = 989
    session.commit()
    assert "Fewer credits are free" in operator.get(ASK).text


def test_from_the_question_to_the_end(
    operator: FlaskClient, session: Session, failed: list[ScheduledTask]
) -> None:
    operation = begun(operator, session)
    assert "Waiting for a free worker" in operator.get(f"/operations/{operation.id}").text
    execute(session)
    under_way = operator.get(f"/operations/{operation.id}").text
    assert "2 runs were put back to work" in under_way
    for run in failed:
        assert f"/runs/{run.id}" in under_way
        run.status = Status.COMPLETED
    session.commit()
    assert "Still to go" in operator.get(f"/operations/{operation.id}").text


def test_only_the_filtered_ones_are_retried(
    operator: FlaskClient, session: Session, failed: list[ScheduledTask]
) -> None:
    begun(operator, session, f"?rule={failed[0].automation_rule_id}")
    execute(session)
    assert [run.status for run in failed] == ["pending", "failed"]


def test_runs_that_failed_after_the_page_was_shown_wait_for_the_next_time(
    operator: FlaskClient, session: Session, failed: list[ScheduledTask]
) -> None:
    as_of = datetime.now(UTC)
    failed[1].finished_at = as_of + timedelta(milliseconds=1)
    session.commit()
    operator.post(ASK, data={"as_of": as_of.isoformat()})
    assert session.scalars(select(Operation)).one().params["runs"] == [[failed[0].id, 1]]


def test_a_cancelled_one_says_so_and_leaves_the_runs(
    operator: FlaskClient, session: Session, failed: list[ScheduledTask]
) -> None:
    operation = begun(operator, session)
    assert operator.post(f"/operations/{operation.id}/cancel").status_code == 303
    execute(session)
    assert "Cancelled" in operator.get(f"/operations/{operation.id}").text
    assert [run.status for run in failed] == ["failed", "failed"]


@pytest.mark.parametrize("query", ["?rule=999999", "?since=8", "?start=yesterday", "?reason=whatever"])
def test_a_filter_that_cannot_be_read_never_widens_a_retry(
    operator: FlaskClient, session: Session, failed: list[ScheduledTask], query: str
) -> None:
    answers = [operator.get(ASK + query), operator.post(ASK + query, data={"as_of": "2999-01-01"})]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert "This filter cannot be read" in answers[0].text
    assert session.scalars(select(Operation)).all() == []


def test_a_foreign_rule_reads_like_none(
    app: Flask, session: Session, people: People, operator: FlaskClient, failed: list[ScheduledTask]
) -> None:
    stranger = browser_of(app, session, people.stranger)
    foreign, missing = (
        stranger.get(f"{ASK}?rule={rule}") for rule in (failed[0].automation_rule_id, 999_999)
    )
    assert foreign.status_code == missing.status_code == 422
    operation = begun(operator, session)
    assert stranger.get(f"/operations/{operation.id}").status_code == 404
    assert stranger.post(f"/operations/{operation.id}/cancel").status_code == 404


@pytest.mark.parametrize("as_of", ["", "soon", "9999-12-31T23:59:59-23:00"])
def test_a_manipulated_page_retries_nothing(
    operator: FlaskClient, session: Session, failed: list[ScheduledTask], as_of: str
) -> None:
    assert operator.post(ASK, data={"as_of": as_of}).status_code == 422
    assert session.scalars(select(Operation)).all() == []


def test_permissions_of_bulk_retries(
    app: Flask, session: Session, people: People, operator: FlaskClient, failed: list[ScheduledTask]
) -> None:
    viewer, data = browser_of(app, session, people.viewer), {"as_of": datetime.now(UTC).isoformat()}
    assert viewer.get(ASK).status_code == 403
    assert viewer.post(ASK, data=data).status_code == 403
    del operator.environ_base["HTTP_X_CSRFTOKEN"]
    assert operator.post(ASK, data=data).status_code == 400
    assert session.scalars(select(Operation)).all() == []


def test_the_page_of_one_failed_run_says_the_price_of_its_retry(
    operator: FlaskClient, session: Session, people: People, failed: list[ScheduledTask]
) -> None:
    address = f"/runs/{failed[0].id}"
    assert "Retry, at most 6 credits" in operator.get(address).text
    people.account.operator_credit_limit = 5
    session.commit()
    assert operator.post(f"{address}/retry").status_code == 403


@pytest.fixture
def kept_back(session: Session, people: People, tasks: list[int]) -> ScheduledTask:
    """A run that found no credits for its two articles."""
    rule = make_rule(session, people.account, **WRITING)
    return make_run(
        session, rule, "skipped", reason="insufficient_credits", record_type="task",
        error_message="Needs 6 credits, 0 free.", detail={"records": tasks},
    )  # fmt: skip


def test_a_run_skipped_by_a_limit_offers_its_records_with_their_price(
    operator: FlaskClient, session: Session, kept_back: ScheduledTask, tasks: list[int]
) -> None:
    assert "Run these 2 records now (6 credits)" in operator.get(f"/runs/{kept_back.id}").text
    address = f"/rules/{kept_back.automation_rule_id}/run?of_run={kept_back.id}"
    assert f"The 2 tasks of run {kept_back.id} (6 credits)" in operator.get(address).text
    answer = operator.post(address, data={"how": "of_run"})
    opened = session.get_one(ScheduledTask, int(answer.location.rpartition("/")[2]))
    machine = Machine(session, now=datetime.now(UTC))
    machine.settle()
    session.refresh(opened)
    assert (opened.cause, opened.status, opened.record_count) == ("manual", "completed", 2)
    assert opened.credits_used <= 6


def test_the_records_of_another_rules_or_accounts_run_are_not_offered(
    app: Flask, session: Session, people: People, operator: FlaskClient, kept_back: ScheduledTask
) -> None:
    other = make_rule(session, people.account)
    assert operator.get(f"/rules/{other.id}/run?of_run={kept_back.id}").status_code == 404
    stranger = browser_of(app, session, people.stranger)
    theirs = make_rule(session, people.stranger.account)
    assert stranger.get(f"/rules/{theirs.id}/run?of_run={kept_back.id}").status_code == 404
    for number in (999_999, 2**64):
        assert stranger.get(f"/rules/{theirs.id}/run?of_run={number}").status_code == 404
        assert stranger.get(f"/runs/{number}").status_code == 404
        assert stranger.get(f"/operations/{number}").status_code == 404
