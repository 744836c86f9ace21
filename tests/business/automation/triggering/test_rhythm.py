"""Unusual silences on simulated quarters: hardly ever a false alarm, and a real stop is named soon."""

import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from app.business.automation.services.triggering.rhythm import FEWEST, LEAST, Rhythm, rhythm_of
from app.business.automation.services.triggering.silent_rules import MOST_TIMES
from tests.sampling import times

ZONE = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 8, 31, tzinfo=UTC)
DAYS = 91
KNOWN = timedelta(weeks=8)
SEEDS = times(full=40, sample=1)
STOPS = times(full=10, sample=3)
LOOKED_AT = times(full=200, sample=40)
"""The longest silences of a quarter."""
LOOKED_EVERY = 2 / 60
"""Hours until somebody looks."""
Hours = Iterable[float]
"""At which something happens on one day, in local time."""


@dataclass(frozen=True)
class Pattern:
    """hours: of a day, by chance, weekday (0: Monday) and number of the day · opens, closes, days: when something may
    happen at all, which is what a silence is measured by from outside.
    """

    name: str
    hours: Callable[[random.Random, int, int], Hours]
    opens: float = 8
    closes: float = 18
    days: Collection[int] = range(5)

    def active_hours(self, start: datetime, end: datetime) -> float:
        """The hours between the two in which something may happen."""
        first, last = start.astimezone(ZONE), end.astimezone(ZONE)
        found = 0.0
        for number in range((last.date() - first.date()).days + 1):
            day = first.date() + timedelta(days=number)
            if day.weekday() in self.days:
                since = max(_hour(first) if day == first.date() else 0, self.opens)
                until = min(_hour(last) if day == last.date() else 24, self.closes)
                found += max(until - since, 0)
        return found

    def usual_gap(self, times: Sequence[datetime]) -> float:
        """In active hours: of gaps of an hour, or of two and a half average ones, or more, 19 of 20 are no longer."""
        average = self.active_hours(times[0], times[-1]) / len(times)
        pause = timedelta(hours=min(1, 2.5 * average))
        every = [*pairwise(times)]
        long = [pair for pair in every if pair[1] - pair[0] >= pause]
        in_long = sum(self.active_hours(*pair) for pair in long)
        if len(long) < FEWEST - 1 or in_long < self.active_hours(times[0], times[-1]) / 10:
            long = every
        return sorted(self.active_hours(*pair) for pair in long)[-1 - len(long) // 20]


def _hour(at: datetime) -> float:
    return at.hour + at.minute / 60 + at.second / 3600


def by_chance(
    mean: float, opens: float = 8, closes: float = 18
) -> Callable[[random.Random, int, int], Hours]:
    """So many a day on average, each independent of the others."""

    def hours(chance: random.Random, _weekday: int, _day: int) -> Hours:
        at = opens
        while (at := at + chance.expovariate(mean / (closes - opens))) < closes:
            yield at

    return hours


def in_heaps(chance: random.Random, _weekday: int, _day: int) -> Hours:
    """Somebody's half an hour of work, on most days."""
    start = chance.uniform(9, 16)
    return [start + chance.uniform(0, 0.5) for _ in range(6)] if chance.random() < 0.8 else []


def in_heaps_by_chance(chance: random.Random, weekday: int, day: int) -> Hours:
    """Once or twice a day, from one to twenty at a time."""
    for start in by_chance(1.5, closes=17)(chance, weekday, day):
        yield from (start + chance.uniform(0, 0.7) for _ in range(1 + int(chance.expovariate(1 / 5))))


def less_and_less(chance: random.Random, weekday: int, day: int) -> Hours:
    """From eight a day to three."""
    return by_chance(8 - 5 * day / DAYS)(chance, weekday, day)


def on_two_days(chance: random.Random, weekday: int, _day: int) -> Hours:
    return [hour + chance.uniform(-0.7, 0.7) for hour in (10, 11.5)] if weekday in (1, 3) else []


def every(
    minutes: float, opens: float = 0, closes: float = 24, by: float = 0, missing: float = 0
) -> Callable[[random.Random, int, int], Hours]:
    """by: so many minutes earlier or later · missing: the part of them that does not come."""

    def hours(chance: random.Random, _weekday: int, _day: int) -> Hours:
        for number in range(int((closes - opens) * 60 / minutes)):
            if chance.random() >= missing:
                yield opens + ((number + 0.5) * minutes + chance.uniform(-by, by)) / 60

    return hours


def around(*hours: float, by: float) -> Callable[[random.Random, int, int], Hours]:
    return lambda chance, _weekday, _day: [hour + chance.uniform(-by, by) for hour in hours]


EVERY_TWO_HOURS = Pattern("every two hours of work", around(9, 11, 13, 15, 17, by=0.4), 8.6, 17.4)
NOW_AND_THEN = Pattern(
    "now and then", lambda chance, *_: [chance.uniform(8, 18) for _ in range(chance.randint(2, 8))]
)
PATTERNS = [
    EVERY_TWO_HOURS,
    Pattern("on the hour", around(*range(9, 18), by=0), 9, 17),
    Pattern("around the clock", around(*range(0, 24, 3), by=0.5), 0, 24, range(7)),
    Pattern("every night", around(2, by=0.5), 1.5, 2.5, range(7)),
    Pattern("every morning", around(10, by=1), 9, 11),
    Pattern("once a day", around(13, by=4), 9, 17),
    NOW_AND_THEN,
    Pattern("in heaps", in_heaps, 9, 16.5),
    Pattern("in heaps by chance", in_heaps_by_chance),
    *(Pattern(f"{mean} a day by chance", by_chance(mean)) for mean in (1, 2, 5, 20, 50)),
    Pattern("at any time by chance", by_chance(5, 0, 24), 0, 24, range(7)),
    Pattern("less and less", less_and_less),
    Pattern("Tuesdays and Thursdays", on_two_days, 9, 12.5),
    Pattern("on weekends", by_chance(6, 8, 22), 8, 22, (5, 6)),
    Pattern("every five minutes of work", every(5, 8, 18)),
    Pattern("every ten minutes of work", every(10, 9, 17), 9, 17),
    Pattern("every twenty minutes or so", every(20, 8, 18, by=10)),
    Pattern("every twenty minutes, some missing", every(20, 0, 24, missing=0.1), 0, 24, range(7)),
    Pattern("each quarter of an hour", every(15), 0, 24, range(7)),
    Pattern("each half hour of work", every(30, 9, 17), 9, 17),
    Pattern("hourly", every(60), 0, 24, range(7)),
    Pattern("hourly or so", every(60, by=30), 0, 24, range(7)),
    Pattern("four times a day", every(360, by=30), 0, 24, range(7)),
    Pattern("twice a day", every(720), 0, 24, range(7)),
    Pattern("a hundred a day by chance", by_chance(100, 0, 24), 0, 24, range(7)),
]


def quarter(pattern: Pattern, seed: int) -> list[datetime]:
    """Across the change of clocks."""
    chance, found = random.Random(f"{pattern.name}{seed}"), list[datetime]()
    for number in range(DAYS):
        on = (MONDAY + timedelta(days=number)).date()
        if on.weekday() in pattern.days:
            midnight = datetime.combine(on, time(0), ZONE)
            hours = pattern.hours(chance, on.weekday(), number)
            found += [(midnight + timedelta(hours=hour)).astimezone(UTC) for hour in hours]
    return sorted(found)


def known(times: Sequence[datetime], last: int) -> Sequence[datetime]:
    """What is known of them when the last of them has come."""
    return times[bisect_right(times, times[last] - KNOWN) : last + 1]


def seen_from(times: Sequence[datetime], last: int) -> Rhythm | None:
    seen = known(times, last)
    by_hour = Counter(at.replace(minute=0, second=0, microsecond=0) for at in seen)
    return rhythm_of(seen[-MOST_TIMES:], by_hour, ZONE, times[last])


def alarms(times: Sequence[datetime]) -> int:
    """Silences that were named although the next event came. Looked at are those that are longer than most gaps."""
    gaps = sorted(after - before for before, after in pairwise(times))
    least = max(gaps[len(gaps) * 9 // 10] * 1.01, gaps[-LOOKED_AT:][0], LEAST)
    return sum(
        1
        for number, (before, after) in enumerate(pairwise(times))
        if after - before > least
        and (found := seen_from(times, number)) is not None
        and found.silent_from < after
    )


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_at_most_one_false_alarm_in_a_quarter(pattern: Pattern) -> None:
    found = [alarms(quarter(pattern, seed)) for seed in range(SEEDS)]
    assert max(found) <= 1, found


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_a_stop_is_named_within_three_usual_gaps(pattern: Pattern) -> None:
    """Whenever it stops, in hours in which something may happen. The rule knows those only from its past events."""
    for seed in range(SEEDS):
        times = quarter(pattern, seed)
        later = [number for number, at in enumerate(times) if at > MONDAY + KNOWN]
        for last in random.Random(seed).sample(later, min(STOPS, len(later))):
            found = seen_from(times, last)
            assert found is not None
            waited = pattern.active_hours(times[last], found.silent_from)
            assert waited + LOOKED_EVERY <= 3 * pattern.usual_gap(known(times, last)[-MOST_TIMES:]), (
                seed,
                times[last],
            )
            assert found.silent_from >= times[last] + LEAST


def test_every_two_hours_of_work_a_stop_is_named_within_six_of_them() -> None:
    times = [
        at for at in quarter(EVERY_TWO_HOURS, 9) if at.astimezone(ZONE).date().isoformat() < "2026-11-25"
    ]
    stopped = [at for at in times if at.astimezone(ZONE).hour < 12 or at.date() < times[-1].date()]
    found = seen_from(stopped, len(stopped) - 1)
    assert found is not None
    assert (
        stopped[-1] + timedelta(hours=2) < found.silent_from <= stopped[-1] + timedelta(hours=6, minutes=30)
    )


def test_nights_and_weekends_are_no_silence() -> None:
    times = [
        at for at in quarter(EVERY_TWO_HOURS, 10) if at.astimezone(ZONE).date().isoformat() <= "2026-11-20"
    ]
    assert times[-1].astimezone(ZONE).weekday() == 4
    found = seen_from(times, len(times) - 1)
    assert found is not None
    assert found.silent_from.astimezone(ZONE).weekday() == 0


def test_too_little_history_says_nothing() -> None:
    times = quarter(EVERY_TWO_HOURS, 11)
    assert seen_from(times[:11], 10) is None
    assert seen_from(times[:40], 39) is None, "less than three weekends"


def test_a_stop_of_an_irregular_rule_is_named_soon_after_the_longest_silence_so_far() -> None:
    """About two days of work, nights and weekends between them included."""
    times = quarter(NOW_AND_THEN, 10)
    found = [seen_from(times, number) for number in range(len(times) - 40, len(times))]
    waits = [one.silent_from - at for one, at in zip(found, times[-40:], strict=True) if one]
    assert sum(waits, timedelta()) / 40 < timedelta(hours=60)
