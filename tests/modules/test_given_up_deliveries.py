"""The run that represents a failed delivery of events to a rule: its pages work, its retry names the fault."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.triggering.dispatch import MOST_TRIES, dispatch_batches
from tests.business.automation.run_rows import make_rule
from tests.business.automation.triggering.event_batches import SEARCHED, break_rule, import_many, mend_rule
from tests.factories import make_sector, make_site
from tests.people import People, browser_of, make_people


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def given_up(session: Session, people: People, now: datetime) -> ScheduledTask:
    """The failed run of a rule that is not valid."""

    @contextmanager
    def transaction() -> Iterator[Session]:
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise

    rule = make_rule(session, people.account, conditions=SEARCHED, now=now)
    break_rule(session, rule)
    import_many(session, make_sector(session, make_site(session, people.account)), 4, now=now)
    for tries in range(MOST_TRIES):
        dispatch_batches(transaction, now + timedelta(hours=tries))
    return session.scalars(select(ScheduledTask)).one()


def test_its_pages_answer_and_say_what_to_do(
    app: Flask, session: Session, people: People, given_up: ScheduledTask
) -> None:
    browser = browser_of(app, session, people.operator)
    page = browser.get(f"/runs/{given_up.id}")
    assert page.status_code == 200
    assert "This rule needs repair: it could not be read when 4 keywords came" in page.text
    assert browser.get(f"/rules/{given_up.automation_rule_id}").status_code == 200
    shown = browser.get(f"/api/automation/scheduled-tasks/{given_up.id}/").json
    assert (shown["status"], shown["reason"], shown["records"]) == ("failed", "rule_invalid", None)


def test_its_retry_is_refused_until_the_rule_is_repaired(
    app: Flask, session: Session, people: People, given_up: ScheduledTask
) -> None:
    browser = browser_of(app, session, people.operator)
    retry = f"/api/automation/scheduled-tasks/{given_up.id}/retry/"
    refused = browser.post(retry, json={})
    assert (refused.status_code, "can still not be read" in refused.text) == (409, True)
    mend_rule(session, session.get_one(AutomationRule, given_up.automation_rule_id), SEARCHED)
    assert browser.post(retry, json={}).status_code == 202
    session.refresh(given_up)
    assert (given_up.status, given_up.part, given_up.record_count) == (Status.PENDING, 1, 2)
