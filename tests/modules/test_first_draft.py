"""From a rule that is on to a first draft: what the last of the first steps says, and the start on what is here."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, ScheduledTask, Status
from app.business.planner.models import Sector
from app.modules.automation import existing_records
from tests.business.automation.machine import Machine
from tests.factories import (
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)
from tests.modules.automation_pages import ON_KEYWORDS, make_rule, make_run
from tests.people import People, browser_of, make_people

GROUP: dict[str, Any] = {
    "name": "Group", "trigger": "keyword_added", "schedule": {}, "conditions": {},
    "actions": [{"type": "cluster_keywords", "params": {"min_cluster_size": 2}}],
}  # fmt: skip
THINK: dict[str, Any] = {
    "name": "Think", "trigger": "cluster_created", "record_type": "cluster", "schedule": {}, "conditions": {},
    "actions": [{"type": "generate_ideas", "params": {"ideas_per_cluster": 1}}],
}  # fmt: skip


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def sector(session: Session, people: People) -> Sector:
    sector = make_sector(session, make_site(session, people.account))
    for number in range(3):
        make_keyword(session, sector, text=f"trail running shoes {number}")
    session.commit()
    return sector


@pytest.fixture
def owner(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.owner)


def last_step(browser: FlaskClient) -> tuple[str, str, str]:
    """What it says, and the words and address of its link."""
    step = BeautifulSoup(browser.get("/").text, "html.parser").select(".first-step")[-1]
    said, link = step.select_one("p.muted"), step.select_one("a")
    assert said
    return " ".join(said.text.split()), link.text.strip() if link else "", str(link["href"]) if link else ""


def words_of(page: str) -> str:
    return " ".join(BeautifulSoup(page, "html.parser").text.split())


@pytest.mark.parametrize(
    ("there", "taken", "made", "stage"),
    [
        ([], "keywords", "clusters", 1),
        ([make_cluster], "clusters", "ideas", 2),
        ([make_cluster, make_idea], "ideas", "tasks", 3),
        ([make_task], "tasks", "content items", 4),
    ],
)
def test_without_a_rule_for_the_next_stage_it_leads_to_the_templates_of_that_stage(
    owner: FlaskClient,
    session: Session,
    people: People,
    sector: Sector,
    there: list[Callable[..., Any]],
    taken: str,
    made: str,
    stage: int,
) -> None:
    make_rule(session, people.account, **ON_KEYWORDS, schedule={}, conditions={})
    for make in there:
        make(session, sector)
    session.commit()
    assert last_step(owner) == (
        f"No rule that is on makes {made} of your {taken} yet. A template does.",
        "Choose a template",
        f"/rules/templates#stage_{stage}",
    )
    assert f'id="stage_{stage}"' in owner.get("/rules/templates").text


def test_it_leads_on_as_the_rule_does(
    owner: FlaskClient, session: Session, people: People, sector: Sector
) -> None:
    rule = make_rule(session, people.account, **GROUP)
    said, link, url = last_step(owner)
    assert "Your keywords wait until you start it on them." in said
    assert (link, url) == ("Start it on these", f"/rules/{rule.id}")
    run = make_run(session, rule, "running")
    assert last_step(owner)[1:] == ("See its run", f"/runs/{run.id}")
    run.status = Status.FAILED
    session.commit()
    said, link, url = last_step(owner)
    assert said == "“Group” has run and made no clusters. Its run says why."
    assert (link, url) == ("See why", f"/runs/{run.id}")
    rule.mode = "shadow"
    session.commit()
    assert last_step(owner)[0].startswith("“Group” practises")
    nightly = make_rule(session, people.account)
    said, link, url = last_step(owner)
    assert said.startswith("“Nightly clusters” starts by itself in ")
    assert (link, url) == ("Run it now", f"/rules/{nightly.id}/run")
    make_content(session, sector)
    session.commit()
    assert "first_steps" not in owner.get("/").text


def test_who_cannot_take_a_step_reads_who_can(
    app: Flask, session: Session, people: People, sector: Sector
) -> None:
    make_rule(session, people.account, **ON_KEYWORDS, schedule={}, conditions={})
    said, link, _ = last_step(browser_of(app, session, people.operator))
    assert said.endswith("An editor or an owner does this.")
    assert link == ""


def start_form(page: str) -> dict[str, str] | None:
    """The form that starts the rule on what is here."""
    form = BeautifulSoup(page, "html.parser").select_one("form[action$='/existing']")
    return {str(field["name"]): str(field["value"]) for field in form.select("input")} if form else None


def test_a_rule_that_has_never_run_offers_to_start_on_what_is_here_and_says_what_that_costs(
    owner: FlaskClient, session: Session, people: People, sector: Sector
) -> None:
    rule = make_rule(session, people.account, **GROUP)
    page = owner.get(f"/rules/{rule.id}").text
    assert "3 keywords that match are here already." in words_of(page)
    assert "Start on 3 keywords, at most 1 credit" in words_of(page)
    fields = start_form(page)
    assert fields
    assert fields["max_credits"] == "1"
    for _ in range(2):
        assert owner.post(f"/rules/{rule.id}/existing", data=fields).location == f"/rules/{rule.id}"
    machine = Machine(session, now=datetime.now(UTC))
    machine.settle()
    (run,) = machine.runs()
    assert (run.cause, run.status, run.credits_used) == (Cause.BACKFILL, Status.COMPLETED, 1)
    assert start_form(owner.get(f"/rules/{rule.id}").text) is None


@pytest.mark.parametrize("change", ["off", "planned", "nothing", "ran"])
def test_nothing_is_offered_that_would_not_start(
    owner: FlaskClient, session: Session, people: People, sector: Sector, change: str
) -> None:
    rules: dict[str, Callable[[], AutomationRule]] = {
        "off": lambda: make_rule(session, people.account, **GROUP, is_active=False),
        "planned": lambda: make_rule(session, people.account),
        "nothing": lambda: make_rule(session, people.account, **THINK),
        "ran": lambda: make_rule(session, people.account, **GROUP),
    }
    rule = rules[change]()
    if change == "ran":
        make_run(session, rule, "completed")
    assert start_form(owner.get(f"/rules/{rule.id}").text) is None
    if change == "off":
        refused = owner.post(f"/rules/{rule.id}/existing", data={"max_credits": "1"})
        assert refused.status_code == 409
        assert session.scalars(select(ScheduledTask.id)).all() == []


def test_of_too_many_to_price_on_the_page_it_names_how_many_and_leads_to_the_page_that_does(
    app: Flask,
    owner: FlaskClient,
    session: Session,
    people: People,
    sector: Sector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rule = make_rule(session, people.account, **GROUP)
    operator = browser_of(app, session, people.operator)
    text = operator.get(f"/rules/{rule.id}").text
    assert start_form(text) is None
    assert re.search(rf'class="button is-primary" href="/rules/{rule.id}/run"', text)
    monkeypatch.setattr(existing_records, "COUNTED_EXACTLY", 2)
    text = owner.get(f"/rules/{rule.id}").text
    assert "3 keywords that match are here already." in words_of(text)
    assert start_form(text) is None
    assert re.search(rf'class="button is-primary" href="/rules/{rule.id}/run"', text)


def test_the_ceiling_that_a_page_proposes_is_not_missed_on_it_as_well(
    app: Flask, owner: FlaskClient, session: Session, people: People, sector: Sector
) -> None:
    rule = make_rule(session, people.account, **GROUP, is_active=False)
    missed, proposed = "the account has no daily ceiling", "Daily ceiling: let all rules together use at most"
    form = owner.post(f"/rules/{rule.id}/edit").location
    for address in (f"/rules/{rule.id}/switch", form):
        page = words_of(owner.get(address).text)
        assert (proposed in page, missed in page) == (True, False)
    page = words_of(browser_of(app, session, people.editor).get(f"/rules/{rule.id}/switch").text)
    assert (proposed in page, missed in page) == (False, True)
