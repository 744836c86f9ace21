"""The calendar against a brute-force walker, and against cronsim: no difference."""

import random
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from cronsim import CronSim

from app.business.automation.services.schedules.calendar import (
    due_instants,
    next_instants,
    parse_schedule,
    preview,
)
from app.business.errors import Invalid
from tests.business.automation.schedules.minute_walker import clock_changes, minutes_of, random_line, walk
from tests.sampling import FULL

LINES, DAYS = (1000, 400) if FULL else (10, 400)
LINES_PER_CHANGE = 40 if FULL else 1
ZONES = (
    "Europe/London",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Africa/Casablanca",
    "Africa/Cairo",
    "America/Santiago",
    "Antarctica/Troll",
    "Europe/Dublin",
    "Asia/Gaza",
)
AROUND_CHANGES = (
    "30 2 * * *",
    "0,30 0-3 * * *",
    "*/15 * * * *",
    "15 */2 * * *",
    "0 0 * * *",
    "45 23,0,1 * * *",
)


def product_minutes(line: str, zone: str, start: datetime, days: int) -> list[int]:
    schedule = parse_schedule({"cron": line, "timezone": zone}, shortest_interval_minutes=None)
    moment = timedelta(microseconds=1)
    return minutes_of(due_instants(schedule, start - moment, start + timedelta(days) - moment))


def accepted_line(dice: random.Random) -> str:
    """A random line that comes at all; the refusals of the others are shown elsewhere."""
    while True:
        line = random_line(dice)
        with suppress(Invalid):
            parse_schedule({"cron": line}, shortest_interval_minutes=None)
            return line


def differences(line: str, zone: str, start: datetime, days: int) -> list[tuple[str, str, datetime]]:
    same = product_minutes(line, zone, start, days) == walk(line, zone, start, days)
    return [] if same else [(line, zone, start)]


@pytest.mark.parametrize("zone", ZONES)
def test_random_lines_are_due_when_a_minute_walker_says(zone: str) -> None:
    dice = random.Random(f"lines {zone}")
    start = datetime(dice.randint(2025, 2034), dice.randint(1, 12), 1, tzinfo=UTC)
    found = []
    for _ in range(LINES // len(ZONES)):
        found += differences(accepted_line(dice), zone, start, DAYS)
    assert found == []


@pytest.mark.parametrize("zone", ZONES)
def test_every_clock_change_until_2035_is_as_a_minute_walker_says(zone: str) -> None:
    dice = random.Random(f"changes {zone}")
    changes = clock_changes(zone, 2025, 2035)
    assert len(changes) >= 20
    found = []
    for change in changes:
        start = change.replace(hour=0) - timedelta(days=1)
        for line in (*AROUND_CHANGES, *(accepted_line(dice) for _ in range(LINES_PER_CHANGE))):
            found += differences(line, zone, start, days=3)
    assert found == []


def test_the_day_that_samoa_skipped_has_no_runs() -> None:
    start = datetime(2011, 12, 26, tzinfo=UTC)
    lines = ("0 9 * * *", "*/20 * * * *", "0 0 30 12 *", "0 12 * * 5", "59 23 29 12 *", "0 0 31 12 *")
    assert [item for line in lines for item in differences(line, "Pacific/Apia", start, days=8)] == []
    daily = parse_schedule({"cron": "0 9 * * *", "timezone": "Pacific/Apia"}, shortest_interval_minutes=None)
    assert [planned.local.day for planned in preview(daily, start, 7)] == [26, 27, 28, 29, 31, 1, 2]


def test_cronsim_agrees_on_lines_in_utc() -> None:
    """Except that it reads `2-2/10` as 2,12; Debian does not."""
    dice, start = random.Random("cronsim"), datetime(2026, 11, 24, 9, tzinfo=UTC)
    lines = [accepted_line(dice) for _ in range(LINES * 2)]
    for line in (line for line in lines if not re.search(r"\b(\d+)-\1/", line)):
        schedule = parse_schedule({"cron": line}, shortest_interval_minutes=None)
        other = CronSim(line, start)
        assert next_instants(schedule, start, 20) == [next(other) for _ in range(20)], line
