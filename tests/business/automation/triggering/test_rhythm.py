"""Unusual silences on simulated quarters: hardly ever a false alarm, and a real stop is named soon."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from app.business.automation.services.triggering.rhythm import Rhythm, rhythm_of

ZONE = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 8, 31, tzinfo=UTC)
DAYS = 91
KNOWN = timedelta(weeks=8)
Day = Callable[[random.Random, int], Iterable[float]]
"""The hours at which something happens on a weekday (0: Monday), in local time."""


def every_two_hours(chance: random.Random, weekday: int) -> Iterable[float]:
    return [hour + chance.uniform(-0.4, 0.4) for hour in (9, 11, 13, 15, 17)] if weekday < 5 else []


def at_night(chance: random.Random, _weekday: int) -> Iterable[float]:
    return [2 + chance.uniform(-0.5, 0.5)]


def in_the_morning(chance: random.Random, weekday: int) -> Iterable[float]:
    return [chance.uniform(9, 11)] if weekday < 5 else []


def now_and_then(chance: random.Random, weekday: int) -> Iterable[float]:
    """By chance, about every two hours of work."""
    return sorted(chance.uniform(8, 18) for _ in range(chance.randint(2, 8))) if weekday < 5 else []


def in_heaps(chance: random.Random, weekday: int) -> Iterable[float]:
    """Somebody's half an hour of work, on most days."""
    start = chance.uniform(9, 16)
    is_at_work = weekday < 5 and chance.random() < 0.8
    return sorted(start + chance.uniform(0, 0.5) for _ in range(6)) if is_at_work else []


PATTERNS = [every_two_hours, at_night, in_the_morning, now_and_then, in_heaps]


def quarter(pattern: Day, seed: int) -> list[datetime]:
    """Across the change of clocks."""
    chance, found = random.Random(seed), list[datetime]()
    for number in range(DAYS):
        on = (MONDAY + timedelta(days=number)).date()
        midnight = datetime.combine(on, time(0), ZONE)
        found += [
            (midnight + timedelta(hours=hour)).astimezone(UTC) for hour in pattern(chance, on.weekday())
        ]
    return sorted(found)


def seen_from(times: list[datetime], last: int) -> Rhythm | None:
    known = [at for at in times[: last + 1] if at > times[last] - KNOWN]
    by_hour = Counter(at.replace(minute=0, second=0, microsecond=0) for at in known)
    return rhythm_of(known, by_hour, ZONE, times[last])


@pytest.mark.parametrize("pattern", PATTERNS)
def test_at_most_one_false_alarm_in_a_quarter(pattern: Day) -> None:
    times = quarter(pattern, 7)
    # Only where a pause follows that is not among the shortest can there be an alarm.
    pauses = [
        number for number in range(len(times) - 1) if times[number + 1] - times[number] > timedelta(hours=3)
    ]
    alarms = [
        number
        for number in pauses
        if (found := seen_from(times, number)) and found.silent_from < times[number + 1]
    ]
    assert len(alarms) <= 1, [times[number] for number in alarms]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_stop_is_named_within_three_usual_gaps(pattern: Day) -> None:
    """A gap is usual where 19 of 20 are shorter, in the time in which something usually happens."""
    times = quarter(pattern, 8)
    found = seen_from(times, len(times) - 1)
    assert found is not None
    gaps = sorted(after - before for before, after in pairwise(times))
    usual = gaps[int(len(gaps) * 0.95)]
    assert times[-1] + timedelta(hours=1) <= found.silent_from <= times[-1] + 3 * usual + timedelta(days=2)


def test_every_two_hours_of_work_a_stop_is_named_within_six_of_them() -> None:
    times = [
        at for at in quarter(every_two_hours, 9) if at.astimezone(ZONE).date().isoformat() < "2026-11-25"
    ]
    stopped = [at for at in times if at.astimezone(ZONE).hour < 12 or at.date() < times[-1].date()]
    found = seen_from(stopped, len(stopped) - 1)
    assert found is not None
    assert (
        stopped[-1] + timedelta(hours=2) < found.silent_from <= stopped[-1] + timedelta(hours=6, minutes=30)
    )


def test_nights_and_weekends_are_no_silence() -> None:
    times = [
        at for at in quarter(every_two_hours, 10) if at.astimezone(ZONE).date().isoformat() <= "2026-11-20"
    ]
    assert times[-1].astimezone(ZONE).weekday() == 4
    found = seen_from(times, len(times) - 1)
    assert found is not None
    assert found.silent_from.astimezone(ZONE).weekday() == 0


def test_too_little_history_says_nothing() -> None:
    times = quarter(every_two_hours, 11)
    assert seen_from(times[:11], 10) is None
    assert seen_from(times[:40], 39) is None, "less than two weekends"


def test_a_stop_of_an_irregular_rule_is_named_soon_after_the_longest_silence_so_far() -> None:
    """Half as long again as ever before: about two days of work, nights and weekends between them included."""
    times = quarter(now_and_then, 10)
    found = [seen_from(times, number) for number in range(len(times) - 40, len(times))]
    waits = [one.silent_from - at for one, at in zip(found, times[-40:], strict=True) if one]
    assert sum(waits, timedelta()) / 40 < timedelta(hours=48)
