"""The price of a start over REST: nothing is written, and the figures cover the whole chain."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask
from app.business.planner.models import Sector
from tests.business.automation.run_rows import make_rule
from tests.factories import make_account, make_ai_connection, make_sector, make_site, make_task
from tests.modules.automation_rest import RULES, execute
from tests.people import People, make_people, program_of

pytestmark = pytest.mark.both_databases


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture(autouse=True)
def connection(session: Session, people: People) -> None:
    """Its articles cost their words."""
    make_ai_connection(session, people.account)
    session.commit()


@pytest.fixture
def sector(session: Session, people: People) -> Sector:
    return make_sector(session, make_site(session, people.account))


@pytest.fixture
def rule(session: Session, people: People) -> AutomationRule:
    """Writes tasks of 300 words at 3 credits each, two in a run."""
    actions = [{"type": "generate_content", "params": {}}]
    rule = make_rule(
        session,
        people.account,
        trigger="task_created",
        record_type="task",
        actions=actions,
        credit_limit_per_execution=6,
    )
    session.commit()
    return rule


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.operator)


def test_the_price_is_that_of_the_whole_chain_and_nothing_is_written(
    api: FlaskClient, session: Session, rule: AutomationRule, sector: Sector
) -> None:
    first, *_ = [make_task(session, sector, word_count=300).id for _ in range(5)]
    session.commit()
    address = f"{RULES}{rule.id}/price/"
    whole = {"records": 5, "runs": 3, "days": 1, "credits": 15, "credits_max": 15}
    assert api.post(address).json == whole
    assert api.post(address, json={"backfill": True}).json == whole
    one = {"records": 1, "runs": 1, "days": 1, "credits": 3, "credits_max": 3}
    assert api.post(address, json={"record_ids": [first]}).json == one
    assert session.scalar(select(func.count()).select_from(ScheduledTask)) == 0


def test_records_of_others_are_not_found_and_odd_questions_are_refused(
    api: FlaskClient, session: Session, rule: AutomationRule
) -> None:
    foreign = make_task(session, make_sector(session, make_site(session, make_account(session)))).id
    session.commit()
    address = f"{RULES}{rule.id}/price/"
    assert api.post(address, json={"record_ids": [foreign]}).status_code == 404
    both = api.post(address, json={"record_ids": [foreign], "backfill": True})
    assert (both.status_code, list(both.json["errors"])) == (422, ["record_ids"])
    assert api.post(address, json={"records": []}).status_code == 422


def test_an_answer_carries_the_total_that_was_asked_for_or_computed(
    api: FlaskClient, session: Session, rule: AutomationRule, sector: Sector
) -> None:
    for _ in range(5):
        make_task(session, sector, word_count=300)
    session.commit()
    assert execute(api, rule).json["max_credits"] == 15
    assert execute(api, rule, max_credits=9).json["max_credits"] == 9
    for odd in (-1, "9", 1.5, 10**30):
        refused = execute(api, rule, max_credits=odd)
        assert (refused.status_code, list(refused.json["errors"])) == (422, ["max_credits"])
