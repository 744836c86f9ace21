"""The price shown before a start: the whole chain in records, credits, runs and days, which is then its limit."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.run_models import RunDetail, ScheduledTask
from app.business.billing.models import CreditEntry
from app.business.events import EventType, Origin, open_batch, record_events
from tests.business.automation.machine import Machine
from tests.factories import make_ai_connection, make_cluster, make_idea, make_sector, make_site, make_task
from tests.modules.automation_pages import make_rule
from tests.people import People, browser_of, make_people

WRITE: dict[str, Any] = {
    "name": "Write", "trigger": "task_created", "record_type": "task", "schedule": {}, "conditions": {},
    "actions": [{"type": "generate_content", "params": {}}], "credit_limit_per_execution": 6,
    "max_executions_per_day": 2,
}  # fmt: skip
CHAIN = "7 tasks, 21 credits in 4 runs; 2 runs a day allow 2 more today, so it takes 2 days."


@pytest.fixture
def people(session: Session) -> People:
    people = make_people(session)
    sector = make_sector(session, make_site(session, people.account))
    for number in range(7):
        make_task(session, sector, title=f"Task {number}", word_count=300, status="queued")
    session.commit()
    return people


@pytest.fixture(autouse=True)
def connection(session: Session, people: People) -> None:
    """Its articles cost their words."""
    make_ai_connection(session, people.account)
    session.commit()


@pytest.fixture
def owner(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.owner)


def words_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def form_in(page: str) -> str:
    """The address that the page itself sends the start to."""
    found = re.search(r'action="(/rules/\d+/run[^"]*)"', page)
    assert found
    return found[1]


def total_in(page: str) -> str:
    found = re.search(r'name="max_credits" value="(\d+)"', page)
    assert found
    return found[1]


def spent(session: Session) -> int:
    return session.scalar(select(-func.sum(CreditEntry.amount)).where(CreditEntry.kind == "charge")) or 0


def settled(session: Session) -> Machine:
    machine = Machine(session, now=datetime.now(UTC))
    for _ in range(5):
        machine.settle()
        machine.pass_time(days=1)
    return machine


def test_run_now_shows_what_all_its_runs_take_and_takes_no_more(
    owner: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account, **WRITE)
    page = owner.get(f"/rules/{rule.id}/run").text
    assert CHAIN in words_of(page)
    assert total_in(page) == "21"
    assert (
        owner.post(form_in(page), data={"how": "matching", "max_credits": total_in(page)}).status_code == 303
    )
    sector = make_sector(session, make_site(session, people.account))
    make_task(session, sector, title="Came meanwhile", word_count=300, status="queued")
    settled(session)
    assert spent(session) == 21


def test_the_figure_that_was_shown_bounds_the_start(
    owner: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account, **WRITE)
    owner.post(f"/rules/{rule.id}/run", data={"how": "matching", "max_credits": "10"})
    settled(session)
    assert spent(session) == 9


@pytest.mark.parametrize("figure", ["", "²", "-1", "1e9", "9999999999999999999999"])
def test_a_manipulated_figure_starts_nothing(
    owner: FlaskClient, session: Session, people: People, figure: str
) -> None:
    rule = make_rule(session, people.account, **WRITE)
    answer = owner.post(f"/rules/{rule.id}/run", data={"how": "matching", "max_credits": figure})
    assert answer.status_code == 422
    assert session.scalars(select(ScheduledTask.id)).all() == []


def test_existing_records_are_priced_as_the_chain_that_they_become(
    owner: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account, **WRITE, is_active=False)
    page = owner.get(f"/rules/{rule.id}/switch").text
    assert CHAIN in words_of(page)
    owner.post(f"/rules/{rule.id}/switch", data={"on": "1", "backfill": "1", "max_credits": total_in(page)})
    settled(session)
    assert spent(session) == 21


def test_the_rule_form_and_the_end_of_practice_name_the_chain_too(
    owner: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account, **WRITE, mode="shadow")
    assert CHAIN in words_of(owner.get(f"/rules/{rule.id}/real").text)
    live = make_rule(session, people.account, **WRITE | {"name": "Write more"})
    step = owner.post(f"/rules/{live.id}/edit").location
    assert CHAIN in words_of(owner.get(re.sub(r"/[a-z]+$", "/check", step)).text)


def test_the_cost_of_other_rules_is_shown_beside_it(
    owner: FlaskClient, session: Session, people: People
) -> None:
    ideas = {"name": "Think", "trigger": "schedule", "record_type": "cluster", "conditions": {}}
    rule = make_rule(session, people.account, **ideas, actions=[{"type": "generate_ideas", "params": {}}])
    tasks = {"type": "create_tasks", "params": {"word_count": 200}}
    brief = {"name": "Brief", "trigger": "idea_created", "record_type": "idea"}
    make_rule(session, people.account, **WRITE | brief | {"actions": [tasks, *WRITE["actions"]]})
    assert "Rules that listen may spend up to" in words_of(owner.get(f"/rules/{rule.id}/run").text)


THINK: dict[str, Any] = {
    "name": "Think", "trigger": "cluster_created", "record_type": "cluster", "schedule": {}, "conditions": {},
    "actions": [{"type": "generate_ideas", "params": {}}],
}  # fmt: skip


def test_run_now_names_the_matching_records_it_leaves_out_and_why(
    owner: FlaskClient, session: Session, people: People
) -> None:
    sector = make_sector(session, make_site(session, people.account))
    clusters = [make_cluster(session, sector) for _ in range(7)]
    for cluster in clusters[:3]:
        make_idea(session, sector, cluster_id=cluster.id)
    rule = make_rule(session, people.account, **THINK)
    words = words_of(owner.get(f"/rules/{rule.id}/run").text)
    assert "Matching now 7 of 7 clusters" in words
    assert "4 clusters, 20 credits in 1 run." in words
    assert "Of the 7 clusters that match 3 are left out: 3 have ideas already." in words


@pytest.mark.parametrize("came", [2, 0])
def test_an_edited_rule_that_had_stopped_offers_what_came_meanwhile_and_runs_on_just_that(
    owner: FlaskClient, session: Session, people: People, came: int
) -> None:
    rule = make_rule(session, people.account, **THINK)
    sector = make_sector(session, make_site(session, people.account))
    for _ in range(3):
        make_cluster(session, sector)
    rule.is_active, rule.stopped_at = False, datetime.now(UTC) - timedelta(minutes=1)
    clusters = [make_cluster(session, sector) for _ in range(came)]
    batch = open_batch(session, EventType.CLUSTER_CREATED, Origin(people.account.id), datetime.now(UTC))
    places = {"site_id": sector.site_id, "sector_id": sector.id, "data": {}}
    record_events(session, batch, "cluster", [{"record_id": cluster.id} | places for cluster in clusters])
    batch.closed_at = datetime.now(UTC)
    session.commit()
    machine = Machine(session, now=datetime.now(UTC))
    machine.settle()
    step = re.sub(r"/[a-z]+$", "/check", owner.post(f"/rules/{rule.id}/edit").location)
    page = owner.get(step).text
    assert ("2 clusters that came meanwhile?" in page) == bool(came)
    assert "already here that match" not in page
    data = {"on": "1"} | ({"backfill": "1", "max_credits": total_in(page)} if came else {})
    owner.post(step.replace("/check", "/save"), data=data)
    machine.now = datetime.now(UTC)
    machine.settle()
    taken = session.scalars(select(RunDetail.records).order_by(RunDetail.run_id)).all()
    assert taken == ([[cluster.id for cluster in clusters]] if came else [])
    assert spent(session) == 5 * came
