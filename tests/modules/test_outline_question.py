"""The page of a run that asks a person: the outline is shown, answered once, by operators and up."""

import re
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask, Status
from tests.business.automation.machine import Machine
from tests.factories import make_ai_connection, make_sector, make_site, make_task
from tests.people import People, browser_of, make_people

WRITE = {"type": "generate_content", "params": {"approve_outline": True}}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def machine(session: Session) -> Machine:
    # Pages answer by the clock of the day.
    return Machine(session, now=datetime.now(UTC))


@pytest.fixture
def run(session: Session, people: People, machine: Machine) -> ScheduledTask:
    make_ai_connection(session, people.account)
    sector = make_sector(session, make_site(session, people.account))
    task = make_task(session, sector, title="Oak tables", word_count=600)
    rule = machine.make_rule(people.account, trigger="task_created", actions=[WRITE])
    return machine.run_now(rule, record_ids=[task.id])


def test_an_outline_is_shown_and_approved_once(
    app: Flask, session: Session, people: People, machine: Machine, run: ScheduledTask
) -> None:
    browser = browser_of(app, session, people.operator)
    page = browser.get(f"/runs/{run.id}").text
    assert "Is this outline right? “Oak tables”" in page
    assert "Part a" in page
    assert "1 run waits for an answer" in browser.get("/").text + browser.get("/my-work").text
    form = {"question": re.findall(r'name="question" value="(\d+)"', page)[0], "verdict": "approve"}
    assert browser.post(f"/runs/{run.id}/answer", data={"question": form["question"]}).status_code == 422
    assert browser.post(f"/runs/{run.id}/answer", data=form).status_code == 303
    assert browser.post(f"/runs/{run.id}/answer", data=form).status_code == 409
    machine.now = datetime.now(UTC)
    machine.settle()
    session.refresh(run)
    assert run.status == Status.COMPLETED


def test_viewers_see_the_outline_without_a_form(
    app: Flask, session: Session, people: People, run: ScheduledTask
) -> None:
    page = browser_of(app, session, people.viewer).get(f"/runs/{run.id}").text
    assert "Is this outline right?" in page
    assert 'name="verdict"' not in page
