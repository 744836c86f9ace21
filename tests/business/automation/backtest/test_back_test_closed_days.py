"""A back-test of rules with calendars equals what planning did in the same days."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from app.business.automation.services.calendars.applied_calendars import closed_rules
from tests.business.automation.backtest.test_back_test import outcome, tried
from tests.business.automation.calendars.closed_walker import random_calendar
from tests.business.automation.calendars.test_closed_days import go_to
from tests.business.automation.forecast.test_closed_days_ahead import close, planned
from tests.business.automation.machine import Machine
from tests.business.automation.schedules.test_schedules_walker import ZONES
from tests.factories import make_account, make_sector, make_site
from tests.sampling import times

WALKED, TRIED = 12, 5


@pytest.mark.parametrize("number", range(times(full=60, sample=2)))
def test_closed_days_are_left_out_and_moved_as_they_were(session: Session, number: int) -> None:
    dice = random.Random(f"back {number}")
    machine = Machine(session)
    begun = machine.now = datetime(2026, dice.randint(1, 12), dice.randint(1, 28), 5, 30, tzinfo=UTC)
    account = make_account(session, timezone=dice.choice(ZONES))
    sites = [make_site(session, account, timezone=dice.choice([None, *ZONES])) for _ in range(2)]
    for site in sites:
        make_sector(session, site)
    for place in dice.sample([None, *sites], k=dice.randint(1, 3)):
        close(session, account, place, random_calendar(dice, begun, WALKED), begun)
    rule = planned(machine, account, dice, **dice.choice([{}, {"site": sites[0].id}, {"split_by": "site"}]))
    until = begun + timedelta(days=WALKED)
    start = until - timedelta(days=TRIED)
    go_to(machine, f"{until:%Y-%m-%d %H:%M}")
    closed = closed_rules(session, [rule])
    if any(closed.of(rule, site.id).planned_since(start) < begun for site in sites):
        return  # What was moved into these days may have been planned before the rule was made.
    found = outcome(tried(machine, account, days=TRIED, rule=rule))
    zone, ran, skipped = ZoneInfo(account.timezone), Counter[str](), Counter[str]()
    for run in machine.runs():
        if start < run.begins_at <= until:
            counted = skipped if run.reason == "closed_day" else ran
            counted[run.begins_at.astimezone(zone).date().isoformat()] += 1
    assert {day["on"]: day["runs"] for day in found["days"] if day["runs"]} == ran
    assert {day["on"]: day["skipped"] for day in found["days"] if day["skipped"]} == skipped
    assert found["skips"].get("closed_day", 0) == skipped.total()
