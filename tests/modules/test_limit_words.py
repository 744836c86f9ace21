"""A run that waits for a budget, or was stopped by one, names it, its owner, its end, and who raises it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Waiting
from app.business.planner.models import Sector, Site
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import clusters_with_keywords
from tests.factories import make_sector, make_site
from tests.modules.automation_pages import make_rule
from tests.people import People, browser_of, make_people

ON_CLUSTERS: dict[str, Any] = {
    "name": "Make ideas",
    "record_type": "cluster",
    "conditions": {},
    "actions": [{"type": "generate_ideas", "params": {}}],
}
ROLES = ("viewer", "operator", "editor", "owner")
# budget -> what it is called, where it is raised, who may
LIMITS = {
    "account": ("the account&#39;s daily ceiling", "/settings#daily_ceiling", "An owner"),
    "site": ("Café&#39;s monthly budget", "/sites/{site}/edit#monthly_budget", "An owner"),
    "rule": ("the monthly budget of “Make ideas”", "/rules/{rule}/edit?step=limits", "An editor"),
}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def sector(session: Session, people: People) -> Sector:
    people.account.timezone = "Europe/Berlin"
    return make_sector(session, make_site(session, people.account, name="Café"))


def limit(session: Session, whose: str, account: Account, site_id: int, rule: AutomationRule) -> None:
    limited = {"account": account, "site": session.get_one(Site, site_id), "rule": rule}[whose]
    setattr(limited, "daily_ceiling" if whose == "account" else "monthly_budget", 3)
    session.flush()


def stopped_run(session: Session, people: People, sector: Sector, whose: str, waits: bool) -> ScheduledTask:
    clusters_with_keywords(session, sector, 1)
    when = "wait" if waits else "skip"
    rule = make_rule(session, people.account, **ON_CLUSTERS, when_limited=when, site=sector.site_id)
    limit(session, whose, people.account, sector.site_id, rule)
    return Machine(session, now=datetime.now(UTC)).run_now(rule)


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("whose", LIMITS)
def test_the_budget_and_who_raises_it_are_named(
    app: Flask, session: Session, people: People, sector: Sector, whose: str, waits: bool
) -> None:
    run = stopped_run(session, people, sector, whose, waits)
    assert run.waiting_for == (Waiting.BUDGET if waits else None)
    name, address, who = LIMITS[whose]
    address = address.format(site=sector.site_id, rule=run.automation_rule_id)
    for role in ROLES:
        browser = browser_of(app, session, getattr(people, role))
        page = browser.get(f"/runs/{run.id}").text
        may = role == "owner" or (role == "editor" and who == "An editor")
        assert (address in page, f"{who} can raise it." in page) == (may, not may), role
        if waits:
            # A client's dashboard shows what was made, and nothing of runs.
            lists = ["/history", *(["/"] if role != "viewer" else [])]
            for text in (page, *(browser.get(listed).text for listed in lists)):
                assert f"Waits for {name} until " in text, role
                assert "00:00 CE" in text


def test_a_wait_for_credits_names_how_many_and_when_the_next_come(
    app: Flask, session: Session, people: People, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 1)
    people.account.credits_held = people.account.credits_balance - 2
    rule = make_rule(session, people.account, **ON_CLUSTERS, when_limited="wait")
    run = Machine(session, now=datetime.now(UTC)).run_now(rule)
    assert run.waiting_for == Waiting.CREDITS
    page = browser_of(app, session, people.viewer).get(f"/runs/{run.id}").text
    # The month is the account's: in Madrid the next one begins an hour or two before it does in UTC.
    today = datetime.now(ZoneInfo(people.account.timezone))
    first_of_next = (today.replace(day=1) + timedelta(days=32)).strftime("1 %b %Y")
    assert f"Waits for 5 credits of the account, next grant on {first_of_next}" in page


def test_raising_the_rule_s_limit_opens_that_question(
    app: Flask, session: Session, people: People, sector: Sector
) -> None:
    run = stopped_run(session, people, sector, "rule", waits=True)
    editor = browser_of(app, session, people.editor)
    answer = editor.post(f"/rules/{run.automation_rule_id}/edit?step=limits", follow_redirects=True)
    assert "What are its limits?" in answer.text
    assert "Monthly budget" in answer.text


@pytest.mark.parametrize("whose", LIMITS)
def test_the_input_has_the_name_that_the_run_says(
    app: Flask, session: Session, people: People, sector: Sector, whose: str
) -> None:
    run = stopped_run(session, people, sector, whose, waits=True)
    called, address, _ = LIMITS[whose]
    address = address.format(site=sector.site_id, rule=run.automation_rule_id)
    owner = browser_of(app, session, people.owner)
    opened = owner.post(address, follow_redirects=True) if whose == "rule" else owner.get(address)
    name = "daily ceiling" if whose == "account" else "monthly budget"
    label = BeautifulSoup(opened.text, "html.parser").select_one(f"label[for={name.replace(' ', '_')}]")
    assert name in called
    assert label
    assert label.text.strip().lower().startswith(name)
