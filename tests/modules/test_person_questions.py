"""The page and the API of a run that asks a person: the question is shown, answered once, by those who may."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask, Status
from app.business.writer.models import Content
from tests.business.automation.machine import Machine
from tests.business.automation.outline_question import ask_about_outline
from tests.factories import make_cluster, make_sector, make_site
from tests.modules.automation_rest import RUNS
from tests.people import People, browser_of, make_people, program_of


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def machine(session: Session) -> Machine:
    # Pages answer by the clock of the day.
    return Machine(session, now=datetime.now(UTC))


@pytest.fixture
def run(session: Session, people: People, machine: Machine) -> ScheduledTask:
    return ask_about_outline(session, people.account, machine)


def test_an_outline_is_shown_and_approved_once(
    app: Flask, session: Session, people: People, machine: Machine, run: ScheduledTask
) -> None:
    browser = browser_of(app, session, people.operator)
    page = browser.get(f"/runs/{run.id}").text
    assert page.count("Is this outline right? “Oak tables”") == 1
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


def test_the_outline_is_changed_in_the_form_before_it_is_approved(
    app: Flask, session: Session, people: People, machine: Machine, run: ScheduledTask
) -> None:
    browser = browser_of(app, session, people.operator)
    page = browser.get(f"/runs/{run.id}").text
    form = dict(re.findall(r'name="(question|version)" value="(\w+)"', page)) | {"verdict": "approve"}
    changed = "# Which oak\n- Grain\n- Colour\n\nHow to care for it\n"
    assert browser.post(f"/runs/{run.id}/answer", data=form | {"outline": "-"}).status_code == 422
    assert browser.post(f"/runs/{run.id}/answer", data=form | {"version": "0" * 16}).status_code == 409
    assert browser.post(f"/runs/{run.id}/answer", data=form | {"outline": changed}).status_code == 303
    machine.now = datetime.now(UTC)
    machine.settle()
    html = session.scalars(select(Content.html)).one()
    assert "Which oak" in html
    assert "How to care for it" in html


ASK: dict[str, Any] = {
    "type": "ask_person",
    "params": {"who": "editor", "question": "Make ideas of {name}?", "answers": ["Go", "Not now"]},
}


@pytest.fixture
def asking(session: Session, people: People, machine: Machine) -> ScheduledTask:
    cluster = make_cluster(session, make_sector(session, make_site(session, people.account)), name="Oak")
    actions = [ASK, {"type": "generate_ideas"}]
    rule = machine.make_rule(people.account, trigger="cluster_created", actions=actions)
    return machine.run_now(rule, record_ids=[cluster.id])


def test_a_question_is_answered_on_the_page_by_those_who_are_asked(
    app: Flask, session: Session, people: People, machine: Machine, asking: ScheduledTask
) -> None:
    operator, editor = (browser_of(app, session, user) for user in (people.operator, people.editor))
    address = f"/runs/{asking.id}"
    assert "Make ideas of Oak?" in operator.get(address).text
    assert 'name="verdict"' not in operator.get(address).text
    assert "waits for an answer" in editor.get("/").text
    work = editor.get("/my-work").text
    assert 'id="work_asked"' in work
    assert address in work
    page = editor.get(address).text
    assert 'value="Not now"' in page
    form = dict(re.findall(r'name="(question|version)" value="(\w+)"', page)) | {"verdict": "Go"}
    assert operator.post(f"{address}/answer", data=form).status_code == 403
    assert editor.post(f"{address}/answer", data=form).status_code == 303
    machine.now = datetime.now(UTC)
    machine.settle()
    session.refresh(asking)
    assert asking.status == Status.COMPLETED
    assert "answered “Go”" in editor.get(address).text


def test_a_program_reads_the_question_and_answers_it_once(
    app: Flask, session: Session, people: People, asking: ScheduledTask
) -> None:
    editor, operator = program_of(app, session, people.editor), program_of(app, session, people.operator)
    (question,) = editor.get(f"{RUNS}{asking.id}/").json["questions"]
    assert (question["text"], question["answers"], question["who"]) == (
        "Make ideas of Oak?", ["Go", "Not now"], ["editor"],
    )  # fmt: skip
    address = f"{RUNS}{asking.id}/answer/"
    body = {"question": question["id"], "version": question["version"], "answer": "Not now", "note": "Later"}
    assert operator.post(address, json=body).status_code == 403
    assert editor.post(address, json=body | {"answer": "Yes"}).json["errors"] == {
        "answer": ["Answer with one of: Go, Not now."]
    }
    assert editor.post(address, json=body | {"version": "0" * 16}).status_code == 409
    assert editor.post(address, json=body | {"outline": {}}).status_code == 422
    assert editor.post(address, json=body).json["waiting_for"] is None
    assert editor.post(address, json=body).status_code == 409
    assert editor.get(f"{RUNS}{asking.id}/").json["questions"] == []


def test_the_price_of_a_start_says_that_it_asks_first(
    app: Flask, session: Session, people: People, asking: ScheduledTask
) -> None:
    browser = browser_of(app, session, people.editor)
    assert "It asks a person first" in browser.get(f"/rules/{asking.automation_rule_id}/run").text
