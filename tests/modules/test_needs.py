"""The dashboard's one line and its list of what needs somebody: counted from one source, and nothing said twice."""

import random
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.business.accounts.services.notices import add_notice
from app.business.automation.models import AutomationRule, RuleActivation
from app.business.automation.services.auditing.invariants import NOTICE_KEY
from app.business.automation.services.forecast.credit_watch import RUN_OUT
from app.business.automation.services.triggering.watch import KEY as LATE
from tests.factories import make_content, make_incident, make_sector, make_site
from tests.modules.automation_pages import make_rule, make_run
from tests.people import People, browser_of, make_people
from tests.sampling import times

LINE = re.compile(r"^(?:(More than )?(\d+) things? needs? you|(\d+) things? waits? for you|All is well)\.")


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def owner(app: Flask, session: Session, people: People, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setattr(app.extensions["machinery"], "not_working", lambda: ())
    return browser_of(app, session, people.owner)


def dashboard(browser: FlaskClient) -> SimpleNamespace:
    """What its first lines say: the sentence, the matters of the list, the ways to more of them."""
    page = BeautifulSoup(browser.get("/").text, "html.parser")
    line, rows = page.select_one("#wellness"), page.select(".need")
    assert line is not None
    titles = [row.select_one(".need-title") for row in rows if "is-more" not in row["class"]]
    return SimpleNamespace(
        line=" ".join(line.text.split()),
        titles=[" ".join(title.text.split()) for title in titles if title],
        more=[row.text.strip() for row in rows if "is-more" in row["class"]],
        urls=[link["href"] for row in rows for link in row.select("a")],
    )


@pytest.mark.parametrize("seed", times(range(60), range(3)))
def test_the_line_counts_what_the_list_names(
    owner: FlaskClient, session: Session, people: People, seed: int
) -> None:
    chance = random.Random(seed)
    rule, account = make_rule(session, people.account), people.account
    sector = make_sector(session, make_site(session, account))

    def noticed(key: str) -> None:
        said: dict[str, Any] = {"level": "danger", "title": key, "body": "Why.", "now": datetime.now(UTC)}
        add_notice(session, account_id=account.id, key=key, **said)

    kinds: list[Callable[[], object]] = [
        lambda: make_run(session, rule, "failed", reason="timed_out"),
        lambda: make_incident(session, account),
        lambda: break_rule(make_rule(session, account)),
        lambda: make_content(session, sector),
        lambda: make_run(session, rule, "pending", attempt=0, waiting_for="credits"),
        lambda: make_run(session, rule, "pending", attempt=0, waiting_for="budget", budget=a_budget(chance)),
        lambda: make_run(session, rule, "pending", attempt=0, waiting_for="person"),
        lambda: noticed(LATE),
        lambda: noticed(NOTICE_KEY),
        lambda: noticed(RUN_OUT),
        lambda: session.execute(
            update(RuleActivation).values(from_at=datetime.now(UTC) - timedelta(hours=30))
        ),
    ]
    for kind in chance.sample(kinds, chance.randrange(len(kinds))):
        for _ in range(chance.choice([1, 1, 2, 5])):
            kind()
    session.commit()
    page = dashboard(owner)
    said = LINE.match(page.line)
    assert said, page.line
    assert int(said[2] or said[3] or 0) == len(page.titles), (page.line, page.titles)
    assert bool(said[1]) == (bool(page.more) and bool(said[2])), (page.line, page.more)


def break_rule(rule: AutomationRule) -> None:
    rule.actions = [{"type": "update_records", "params": {"assignee": 987_654}}]


def a_budget(chance: random.Random) -> dict[str, Any]:
    id = chance.randrange(1, 9)
    return {"scope": "site", "id": id, "name": f"Site {id}'s monthly budget", "period": "2026-11"}


def test_a_rule_that_needs_repair_is_named_once_with_what_is_wrong(
    owner: FlaskClient, session: Session, people: People
) -> None:
    rule, off = make_rule(session, people.account), make_rule(session, people.account, is_active=False)
    break_rule(rule)
    break_rule(off)
    run = make_run(session, rule, "failed", reason="rule_invalid", error_message="It could not be read.")
    incident = make_incident(session, people.account, run_id=run.id, rule_id=rule.id)
    incident.place, incident.fault = f"rule-{rule.id}", "needs_repair"
    make_run(session, rule, "failed", reason="rule_invalid")
    session.commit()
    page = dashboard(owner)
    assert page.titles == [f"“{rule.name}” needs repair"]
    assert f"/rules/{rule.id}" in page.urls
    assert page.line.startswith("1 thing needs you.")
    rule.is_active = False
    session.commit()
    # Off, it is no matter any more, and what it left is.
    titles = dashboard(owner).titles
    assert len(titles) == 2
    assert not any(title.endswith("needs repair") for title in titles[1:])


def test_a_budget_is_named_with_how_many_wait_for_it_and_until_when(
    owner: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account)
    budget = {"scope": "site", "id": 7, "name": "Blog's monthly budget", "period": "2026-11"}
    for _ in range(2):
        make_run(session, rule, "pending", attempt=0, waiting_for="budget", budget=budget)
    assert dashboard(owner).titles == ["2 runs wait for Blog's monthly budget"]
    assert "Until 1 Dec 2026, 00:00 UTC, or until somebody raises it." in " ".join(
        owner.get("/").text.split()
    )
