"""A sum over days is the same on every page: whole days of the account's zone, today included."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.business.automation.run_models import Cause
from app.business.automation.services.forecast.outlook import look_ahead
from app.business.billing.services import ledger
from app.business.periods import last_days, this_month
from tests.business.automation.forecast.past_use import make_paid_rule, use
from tests.people import People, browser_of, make_people, program_of


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


def test_days_are_those_of_the_zone_and_end_with_today() -> None:
    now = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)
    tokyo = last_days(3, "Asia/Tokyo", now)
    assert tokyo.dates == [date(2026, 11, 23), date(2026, 11, 24), date(2026, 11, 25)]
    assert tokyo.start == datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
    assert this_month("UTC", datetime(2026, 11, 1, 0, 30, tzinfo=UTC)).dates == [date(2026, 11, 1)]


@pytest.mark.parametrize("cause", [Cause.MANUAL, Cause.EVENT, Cause.BACKFILL])
def test_todays_use_is_part_of_every_sum(app: Flask, session: Session, people: People, cause: Cause) -> None:
    now = datetime.now(UTC)
    account = people.account
    rule = make_paid_rule(session, account, now - timedelta(days=3))
    use(session, rule, 7, now - timedelta(seconds=1), cause=cause)
    session.commit()
    outlook = look_ahead(session, account, now)
    assert [(entry.used, entry.runs) for entry in outlook.rules] == [(7, 1)]
    assert ledger.month_so_far(session, account.id, account.timezone, now).used == 7
    viewer = browser_of(app, session, people.viewer)
    credits, dashboard = (
        text_of(viewer.get("/credits").text),
        text_of(browser_of(app, session, people.operator).get("/").text),
    )
    assert "Used this month 7 " in credits
    assert "28 days to yesterday 7 " in credits or re.search(r"A rule 7 7", credits)
    assert "Credits, last 30 days 7 " in dashboard
    summary = program_of(app, session, people.viewer).get("/api/automation/summary/?days=1").json
    assert summary["credits_used"] == 7


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())
