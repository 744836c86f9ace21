"""Undoing a run on its pages and over the API: what is said before, what is done, what is said after."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import AuditEntry
from app.business.automation.operation_models import Operation
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.automation_service import Actor
from app.business.automation.services.operation_registry import KINDS
from app.business.automation.services.operations import lifecycle
from app.business.automation.services.operations.undo.operation import begin_undo
from app.business.events import Origin
from app.business.planner.models import Cluster, Idea
from app.business.writer.models import Task
from app.business.writer.services.record_editors import update_record
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import IDEAS, clusters_with_keywords, run_once
from tests.factories import NOW, make_sector, make_site
from tests.people import People, browser_of, make_people

TASKS = {"type": "create_tasks", "params": {}}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def operator(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.operator)


@pytest.fixture
def machine(session: Session) -> Machine:
    return Machine(session)


@pytest.fixture
def run(session: Session, people: People, machine: Machine) -> ScheduledTask:
    """It made six ideas of two clusters; somebody has edited the first."""
    sector = make_sector(session, make_site(session, people.account))
    clusters_with_keywords(session, sector, 2)
    done = run_once(machine, people.account, IDEAS, record_type="cluster")
    idea = session.scalars(select(Idea).order_by(Idea.id)).first()
    assert idea is not None
    update_record(session, idea, {"title": "Mine"}, origin=Origin(people.account.id), now=NOW)
    session.commit()
    return done


def work(machine: Machine) -> None:
    assert lifecycle.execute_next(machine.transaction, KINDS, machine.clock)


def test_the_page_says_what_goes_and_what_stays_and_changes_nothing(
    session: Session, operator: FlaskClient, run: ScheduledTask
) -> None:
    assert f"/runs/{run.id}/undo" in operator.get(f"/runs/{run.id}").text
    page = operator.get(f"/runs/{run.id}/undo").text
    for said in (
        "5 ideas",
        "Mine",
        "It was edited since.",
        "credits that it spent stay spent",
        "Do it again",
    ):
        assert said in page, said
    assert len(session.scalars(select(Idea)).all()) == 6


def test_the_run_says_how_far_its_undo_is(
    session: Session, operator: FlaskClient, run: ScheduledTask, people: People, machine: Machine
) -> None:
    operation = begin_undo(session, run, Actor(people.operator.id), NOW)
    session.commit()

    def said(title: str, *offered: str) -> None:
        session.expire_all()
        page = operator.get(f"/runs/{run.id}").text
        assert title in page
        assert {words for words in ("Undo the rest", "Do it again") if words in page} == {*offered}
        assert f"/operations/{operation.id}" in page

    said("This run is being undone")
    work(machine)
    said("This run was undone", "Do it again")
    assert f"/runs/{run.id}/undo" not in operator.get(f"/operations/{operation.id}").text
    for state, title in (
        ("failed", "Its undo stopped before the end"),
        ("cancelled", "Its undo was cancelled"),
    ):
        session.execute(update(Operation).where(Operation.id == operation.id).values(state=state))
        session.commit()
        said(title, "Undo the rest", "Do it again")
        assert f"/runs/{run.id}/undo" in operator.get(f"/operations/{operation.id}").text


def test_where_everything_stays_nothing_is_offered(
    session: Session, operator: FlaskClient, run: ScheduledTask, people: People
) -> None:
    for number, idea in enumerate(session.scalars(select(Idea)).all()):
        update_record(session, idea, {"title": f"Mine {number}"}, origin=Origin(people.account.id), now=NOW)
    for cluster in session.scalars(select(Cluster)).all():
        update_record(
            session, cluster, {"name": f"Mine {cluster.id}"}, origin=Origin(people.account.id), now=NOW
        )
    session.commit()
    page = operator.get(f"/runs/{run.id}/undo").text
    assert "There is nothing left to undo" in page
    assert "It was edited since." in page
    assert f'action="/runs/{run.id}/undo"' not in page


def test_it_is_undone_and_said_so(
    session: Session, operator: FlaskClient, machine: Machine, run: ScheduledTask, people: People
) -> None:
    asked = operator.post(f"/runs/{run.id}/undo")
    assert asked.status_code == 303
    work(machine)
    page = operator.get(asked.location).text
    for said in ("is undone", "5 ideas", "1 cluster", "Mine", "It was edited since."):
        assert said in page, said
    assert [idea.title for idea in session.scalars(select(Idea))] == ["Mine"]
    assert sorted(session.scalars(select(Cluster.status))) == ["new", "planned"]
    actions = session.scalars(select(AuditEntry.action)).all()
    assert {"run.undone", "idea.archived", "cluster.status_given_back"} <= set(actions)
    page = operator.get(f"/runs/{run.id}").text
    assert "This run was undone" in page
    assert "Do it again (" in page


def test_its_records_stay_handled_until_a_person_does_it_again(
    session: Session, operator: FlaskClient, machine: Machine, run: ScheduledTask
) -> None:
    operator.post(f"/runs/{run.id}/undo")
    work(machine)
    rule_id = run.automation_rule_id
    opened = operator.post(f"/api/automation/rules/{rule_id}/execute/", json={})
    assert opened.status_code == 202, opened.json
    machine.settle()
    assert [idea.title for idea in session.scalars(select(Idea))] == ["Mine"]
    page = operator.get(f"/rules/{rule_id}/run?of_run={run.id}").text
    assert f"The 2 clusters of run {run.id}" in page


def test_over_the_api(operator: FlaskClient, machine: Machine, run: ScheduledTask) -> None:
    asked = operator.post(f"/api/automation/scheduled-tasks/{run.id}/undo/")
    assert asked.status_code == 202, asked.json
    twice = operator.post(f"/api/automation/scheduled-tasks/{run.id}/undo/")
    assert (twice.status_code, twice.json and twice.json["detail"]) == (
        409,
        "This run is being undone already.",
    )
    work(machine)
    shown = operator.get(f"/api/automation/operations/{asked.json['id']}/").json
    assert shown["state"] == "done"
    assert shown["result"] == {
        "archived": {"idea": 5},
        "restored": {"cluster": 1},
        "left": [
            {"type": "idea", "id": 1, "reason": "It was edited since."},
            {"type": "cluster", "id": 1, "reason": "Keywords or ideas of it stay."},
        ],
    }


def test_what_has_not_ended_or_left_nothing_is_refused(
    session: Session, operator: FlaskClient, run: ScheduledTask
) -> None:
    session.query(ScheduledTask).update({"status": "running"})
    session.commit()
    answer = operator.post(f"/api/automation/scheduled-tasks/{run.id}/undo/")
    assert answer.status_code == 409
    assert "has not ended" in answer.json["detail"]


def test_an_undone_run_is_not_retried(
    session: Session, operator: FlaskClient, machine: Machine, run: ScheduledTask
) -> None:
    operator.post(f"/runs/{run.id}/undo")
    work(machine)
    session.query(ScheduledTask).update({"status": "failed", "reason": "action_failed"})
    session.commit()
    answer = operator.post(f"/api/automation/scheduled-tasks/{run.id}/retry/")
    assert answer.status_code == 409
    assert "was undone" in answer.json["detail"]


def test_a_chain_is_undone_from_its_end(session: Session, people: People, machine: Machine) -> None:
    sector = make_sector(session, make_site(session, people.account))
    clusters_with_keywords(session, sector, 2)
    machine.make_rule(people.account, trigger="idea_created", actions=[TASKS])
    first = run_once(machine, people.account, IDEAS, record_type="cluster")
    second = next(run for run in machine.runs() if run.batch_id)
    undo_now(machine, first)
    assert len(session.scalars(select(Idea)).all()) == 6, "its ideas are used by the other run"
    undo_now(machine, second)
    assert session.scalars(select(Task)).all() == []
    assert set(session.scalars(select(Idea.status))) == {"new"}
    undo_now(machine, first)
    assert session.scalars(select(Idea)).all() == []
    assert set(session.scalars(select(Cluster.status))) == {"new"}
    machine.settle()
    assert machine.breaches() == []


def undo_now(machine: Machine, run: ScheduledTask) -> None:
    begin_undo(machine.session, run, Actor(None), machine.now)
    machine.session.commit()
    work(machine)
    machine.session.expire_all()
