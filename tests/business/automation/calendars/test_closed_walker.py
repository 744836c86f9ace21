"""Planned times on closed days, against a walker that looks at every minute: no difference."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import holidays
import pytest

from app.business.automation.services.calendars.closed_times import ClosedRule
from app.business.automation.services.calendars.opening_times import OpeningTimes
from app.business.automation.services.calendars.working_calendar import parse_calendar
from app.business.automation.services.schedules.calendar import due_instants, parse_schedule
from tests.business.automation.calendars.closed_walker import random_calendar, settle_all
from tests.business.automation.schedules.minute_walker import EPOCH, clock_changes
from tests.business.automation.schedules.test_schedules_walker import AROUND_CHANGES, ZONES, accepted_line
from tests.sampling import times

CALENDARS = times(full=200, sample=1)
CHANGES = times(full=8, sample=1)
DAYS, AHEAD = 10, 14
HARD_ZONES = ("America/New_York", "Australia/Lord_Howe", "Africa/Casablanca")
"""Their clocks change by an hour, by half of one, and backwards for a month."""
OFFICE = (
    "0 9 * * *",
    "30 17 * * 1-5",
    "0 7,12 * * *",
    "*/30 * * * *",
    "15 6 * * 1",
    "0 2 1,15 * *",
    "0 8 * * 6,0",
)


def minute_of(at: datetime) -> int:
    return (at - EPOCH) // timedelta(minutes=1)


def product(line: str, zone: str, opening: OpeningTimes, start: datetime) -> dict[int, int | None]:
    schedule = parse_schedule({"cron": line, "timezone": zone}, shortest_interval_minutes=None)
    rule, moment = ClosedRule(opening, "move"), timedelta(microseconds=1)
    settled = (
        rule.settle(schedule, at) for at in due_instants(schedule, start - moment, start + timedelta(DAYS))
    )
    return {minute_of(one.planned_at): minute_of(one.start_at) if one.start_at else None for one in settled}


def public_holidays(country: str | None, start: datetime) -> set[date]:
    if country is None:
        return set()
    return set(holidays.country_holidays(country, years=range(start.year - 1, start.year + 2)))


def differences(line: str, zone: str, place: str, calendar: dict[str, Any], start: datetime) -> list[Any]:
    opening = OpeningTimes(parse_calendar(calendar, start.date()), place, "The site", "its calendar")
    closed = public_holidays(calendar["country"], start)
    expected = settle_all(line, zone, place, calendar, closed, start, DAYS + AHEAD)
    found = product(line, zone, opening, start)
    return [
        (line, zone, place, calendar, EPOCH + timedelta(minutes=at), found[at], expected[at])
        for at in found
        if at in expected and found[at] != expected[at]
    ]


@pytest.mark.parametrize("zone", ZONES)
def test_random_calendars_are_obeyed_as_a_minute_walker_says(zone: str) -> None:
    dice = random.Random(f"calendars {zone}")
    found = []
    for _ in range(CALENDARS):
        start = datetime(dice.randint(2025, 2034), dice.randint(1, 12), dice.randint(1, 28), tzinfo=UTC)
        place = dice.choice([zone, zone, *ZONES])
        line = dice.choice([accepted_line(dice), *OFFICE])
        found += differences(line, zone, place, random_calendar(dice, start, DAYS), start)
    assert found == []


@pytest.mark.parametrize("zone", times(full=ZONES, sample=HARD_ZONES))
def test_clock_changes_beside_closed_days_are_as_a_minute_walker_says(zone: str) -> None:
    dice = random.Random(f"closed changes {zone}")
    found = []
    for change in dice.sample(clock_changes(zone, 2026, 2030), k=CHANGES):
        start = change.replace(hour=0) - timedelta(days=dice.randrange(3, 8))
        for line in AROUND_CHANGES:
            found += differences(line, zone, zone, random_calendar(dice, start, DAYS), start)
    assert found == []
