"""The page of one run: why, what, at what price, and what a person may do."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.run_models import RunAttempt, ScheduledTask, Waiting
from app.business.automation.unit_models import ActionRun
from app.business.billing.models import CreditEntry
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import IDEAS, clusters_with_keywords, run_once
from tests.factories import NOW, make_content, make_sector, make_site, make_task
from tests.modules.automation_pages import counted, make_rule, make_run
from tests.people import People, browser_of, make_people

GATES = [
    {"gate": "active", "result": "pass", "message": "The rule is switched on."},
    {"gate": "conditions", "result": "stop", "message": "None of the 2 tasks matches now."},
    {"gate": "credits", "result": "not_evaluated", "message": ""},
]
INNER_WORDS = (
    "gate",
    "trace",
    "leaf",
    "due instant",
    "superseded",
    "worker_lost",
    "provider_refused",
    "backfill",
)


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def owner(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.owner)


@pytest.fixture
def failed(session: Session, people: People) -> ScheduledTask:
    """A run that wrote one of two articles."""
    sector = make_sector(session, make_site(session, people.account))
    tasks = [make_task(session, sector, title=title) for title in ("Season a pan", "Store an engine")]
    article = make_content(session, sector, title="Pans for ever")
    rule = make_rule(
        session,
        people.account,
        record_type="task",
        conditions={},
        actions=[{"type": "generate_content", "params": {}}],
    )
    leaf = {"field": "status", "operator": "eq", "value": "draft", "actual": "draft", "result": True}
    detail = {
        "gates": GATES, "records": [task.id for task in tasks], "error_detail": "TimeoutError at line 7",
        "trace": {"records": [{"id": tasks[0].id, "trace": {"all": [leaf], "result": True}}]},
    }  # fmt: skip
    run = make_run(
        session, rule, "failed", reason="provider_refused", error_message="1 of 2 tasks written.", detail=detail,
        credits_used=9, record_type="task", user_id=people.owner.id,
    )  # fmt: skip
    owned = {"account_id": rule.account_id, "run_id": run.id}
    unit = owned | {"step": 0, "type": "generate_content", "started_at": NOW, "record_type": "task"}
    session.add_all(
        [
            ActionRun(**unit, record_id=tasks[0].id, status="done", provider_key="a", records=1, credits=9,
                      made={"content": [article.id]}),
            ActionRun(**unit, record_id=tasks[1].id, status="failed", provider_key="b", message="It was refused."),
            RunAttempt(**owned, number=1, worker="w", started_at=NOW, status="failed"),
            CreditEntry(account_id=rule.account_id, kind="charge", amount=-9, balance_after=991, key="a",
                        reason="Write the content", run_id=run.id, created_at=NOW),
        ]
    )  # fmt: skip
    session.commit()
    return run


def test_it_shows_the_whole_run(owner: FlaskClient, failed: ScheduledTask) -> None:
    text = owner.get(f"/runs/{failed.id}").text
    for said in ("The AI service said no", "1 of 2 tasks written.", "Pans for ever", "It was refused.", "Not reached",
                 "A person: Owner", "Write the content", "TimeoutError at line 7",
                 "Status is “Not ready”"):  # fmt: skip
        assert said in text


def test_what_failed_is_red_and_an_error_of_several_attempts_is_said_once(
    owner: FlaskClient, session: Session, failed: ScheduledTask
) -> None:
    said = {"worker": "w", "started_at": NOW, "status": "failed", "error_message": "The service slept."}
    owned = {"account_id": failed.account_id, "run_id": failed.id}
    session.add_all(RunAttempt(**owned, number=number, **said) for number in (2, 3))
    session.commit()
    text = owner.get(f"/runs/{failed.id}").text
    assert text.count("The service slept.") == 1
    assert "Attempts 2, 3: The service slept." in text
    assert re.findall(r'class="bar fill-(\w+)"', text).count("bad") == 4


def test_the_timeline_counts_records_and_not_the_parts_they_were_done_in(
    owner: FlaskClient, session: Session, failed: ScheduledTask
) -> None:
    for unit in session.scalars(select(ActionRun).where(ActionRun.run_id == failed.id)):
        unit.records = 30
    session.commit()
    timeline = owner.get(f"/runs/{failed.id}").text.partition('class="timeline"')[2].partition("</ol>")[0]
    assert "60 records" in timeline


def test_internal_words_are_not_shown(owner: FlaskClient, failed: ScheduledTask) -> None:
    text = owner.get(f"/runs/{failed.id}").text
    shown = text.partition("<main")[2].replace(f"/runs/{failed.id}", "")
    assert not [word for word in INNER_WORDS if f" {word} " in shown or f">{word}<" in shown]


def test_it_asks_few_queries(owner: FlaskClient, failed: ScheduledTask) -> None:
    owner.get(f"/runs/{failed.id}")
    with counted() as sent:
        owner.get(f"/runs/{failed.id}")
    # Seven of them compute the price of a retry, one adds up what the AI service took, two find the runs around it.
    assert len(sent) <= 21


def test_retry_makes_it_pending_and_a_second_one_is_refused(
    owner: FlaskClient, session: Session, failed: ScheduledTask
) -> None:
    assert owner.post(f"/runs/{failed.id}/retry").status_code == 303
    session.expire_all()
    assert session.get_one(ScheduledTask, failed.id).status == "pending"
    again = owner.post(f"/runs/{failed.id}/retry")
    assert again.status_code == 409
    assert "Only failed runs can be retried" in again.text


def test_cancel_stops_what_has_not_begun(owner: FlaskClient, session: Session, people: People) -> None:
    run = make_run(session, make_rule(session, people.account), "pending", attempt=0)
    owner.post(f"/runs/{run.id}/cancel")
    assert "Cancelled before it started." in owner.get(f"/runs/{run.id}").text


def test_a_person_continues_a_long_chain(owner: FlaskClient, session: Session, people: People) -> None:
    since = datetime(2026, 11, 24, 9, tzinfo=UTC)
    rule = make_rule(session, people.account)
    run = make_run(session, rule, "pending", waiting_for="review", waiting_since=since)
    shown = owner.get(f"/runs/{run.id}").text
    assert "Go on" in shown
    assert "It waits until 24 Dec 2026 at most." in shown
    owner.post(f"/runs/{run.id}/go-on")
    session.expire_all()
    assert session.get_one(ScheduledTask, run.id).waiting_for is None


def test_viewers_read_it_and_change_nothing(
    app: Flask, session: Session, people: People, failed: ScheduledTask
) -> None:
    viewer = browser_of(app, session, people.viewer)
    assert viewer.get(f"/runs/{failed.id}").status_code == 200
    assert viewer.post(f"/runs/{failed.id}/retry").status_code == 403


def start_with_a_rest(session: Session, people: People) -> ScheduledTask:
    """A run of a start over six clusters whose total paid for two."""
    sector = make_sector(session, make_site(session, people.account))
    clusters_with_keywords(session, sector, 6)
    session.commit()
    machine = Machine(session, now=datetime.now(UTC))
    values = {"trigger": "cluster_created", "actions": [IDEAS], "credit_limit_per_execution": 10}
    rule = machine.make_rule(people.account, **values)
    return machine.run_now(rule, max_credits=10)


def test_what_the_total_left_is_named_and_continues_once(
    app: Flask, session: Session, people: People, owner: FlaskClient
) -> None:
    run = start_with_a_rest(session, people)
    shown = owner.get(f"/runs/{run.id}").text
    assert "4 clusters left: the 10 credits of this start are used." in shown
    assert "Go on, at most 20 credits" in shown
    address = f"/runs/{run.id}/left/20"
    people.account.operator_credit_limit = 19
    session.commit()
    assert browser_of(app, session, people.operator).post(address).status_code == 403
    assert owner.post(address).status_code == 303
    assert owner.post(address).status_code == 409
    assert "Go on, at most" not in owner.get(f"/runs/{run.id}").text


def test_a_run_that_waits_for_records_names_the_run_that_holds_them(
    session: Session, people: People, owner: FlaskClient
) -> None:
    rule = make_rule(session, people.account)
    holder = make_run(
        session,
        rule,
        status="pending",
        finished_at=None,
        waiting_for="credits",
        waiting_since=datetime.now(UTC),
    )
    message = f"Run {holder.id} of this rule holds 3 keywords that this run works on."
    run = make_run(
        session,
        rule,
        status="pending",
        finished_at=None,
        waiting_for="previous",
        waits_for_run_id=holder.id,
        error_message=message,
    )
    session.commit()
    page = owner.get(f"/runs/{run.id}").text
    assert f"Waits for run {holder.id}, which holds its records" in page
    assert f"{message} Run {holder.id} waits for credits, until " in page
    assert f'<a href="/runs/{holder.id}">Run {holder.id}</a>' in page


def test_made_records_have_their_state_and_a_list_of_all(
    session: Session, people: People, owner: FlaskClient
) -> None:
    sector = make_sector(session, make_site(session, people.account))
    clusters_with_keywords(session, sector, 4)
    machine = Machine(session)
    accept = {"type": "update_records", "params": {"status": "accepted"}}
    machine.make_rule(people.account, trigger="idea_created", actions=[accept])
    run = run_once(machine, people.account, IDEAS, record_type="cluster")
    shown = owner.get(f"/runs/{run.id}").text
    for said in ("Open all 12 ideas", "and 4 more", "Accepted", "Total", ">20<", "Set off"):
        assert said in shown, said
    listed = owner.get(f"/ideas?made_by_run={run.id}").text
    assert "12 of 12 ideas" in listed
    assert "No idea matches" in owner.get("/ideas?made_by_run=999").text


def test_a_running_one_says_how_far_it_is(session: Session, people: People, owner: FlaskClient) -> None:
    rule = make_rule(
        session, people.account, record_type="task", conditions={},
        actions=[{"type": "generate_content", "params": {}}],
    )  # fmt: skip
    run = make_run(session, rule, "running", record_type="task", record_count=50)
    now = datetime.now(UTC)
    session.add(
        RunAttempt(
            account_id=run.account_id,
            run_id=run.id,
            number=1,
            worker="w",
            started_at=now - timedelta(minutes=3),
        )
    )
    for number in range(32):
        begun = now - timedelta(minutes=3)
        session.add(
            ActionRun(
                account_id=run.account_id, run_id=run.id, step=0, type="generate_content", record_type="task",
                record_id=number + 1, provider_key=f"k{number}",
                status="started" if number == 31 else "failed" if number == 5 else "done",
                started_at=begun, finished_at=None if number == 31 else now,
            )
        )  # fmt: skip
    session.commit()
    shown = owner.get(f"/runs/{run.id}").text
    assert re.search(r"31 of 50, about \d+ min", shown)
    assert "so far" in shown
    step = shown.partition("run-step-head")[2].partition("</div>")[0]
    assert "Running" in step
    assert "Failed" not in step


@pytest.mark.parametrize("waiting", Waiting)
def test_a_step_says_what_its_run_says(
    session: Session, people: People, owner: FlaskClient, waiting: Waiting
) -> None:
    rule = make_rule(session, people.account)
    run = make_run(session, rule, "pending", finished_at=None, waiting_for=waiting, waiting_since=NOW)
    pills = BeautifulSoup(owner.get(f"/runs/{run.id}").text, "html.parser").select("main .pill")
    assert [pill.text.strip() for pill in pills] == ["Waiting"] * 2
