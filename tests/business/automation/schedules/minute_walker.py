"""A second, slow calendar to check the product's against: it tests every minute, one after another."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_MINUTES = 24 * 60
LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
NAMES = {
    3: ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
    4: ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"),
}


def walk(line: str, zone: str, start: datetime, days: int) -> list[int]:
    """Minutes since 1970 (UTC) from `start` on, at which Debian's cron would start the line once."""
    walls = wall_minutes(zone, start, days)
    minute, hour = line.split()[:2]
    due = _matches(line, walls)
    if not minute.startswith("*") and not hour.startswith("*"):
        latest = np.maximum.accumulate(walls)
        due[1:] &= walls[1:] > latest[:-1]
        for index in np.flatnonzero(np.diff(walls) > 1) + 1:
            skipped = np.arange(walls[index - 1] + 1, walls[index])
            if len(skipped) < 180 and _matches(line, skipped).any():
                due[index] = True
    return list(np.flatnonzero(due) + _minutes(start))


@lru_cache(maxsize=8)
def wall_minutes(zone: str, start: datetime, days: int) -> np.ndarray:
    """What a wall clock shows at each UTC minute, as minutes since 1970."""
    place, minute = ZoneInfo(zone), timedelta(minutes=1)
    clock = (start + index * minute for index in range(days * DAY_MINUTES))
    shown = ((at + at.astimezone(place).utcoffset() - EPOCH) // minute for at in clock)
    return np.fromiter(shown, dtype=np.int64, count=days * DAY_MINUTES)


def _matches(line: str, walls: np.ndarray) -> np.ndarray:
    texts = line.split()
    minutes, hours = (np.isin(np.arange(60), list(values_of(texts[place], place))) for place in (0, 1))
    first = int(walls.min()) // DAY_MINUTES
    count = int(walls.max()) // DAY_MINUTES - first + 1
    dates = (date(1970, 1, 1) + timedelta(first + day) for day in range(count))
    good_days = np.array([_day_matches(texts, day) for day in dates])
    return minutes[walls % 60] & hours[walls // 60 % 24] & good_days[walls // DAY_MINUTES - first]


def _day_matches(texts: list[str], day: date) -> bool:
    in_month_days = day.day in values_of(texts[2], 2)
    in_weekdays = bool({day.isoweekday(), day.isoweekday() % 7} & values_of(texts[4], 4))
    starred = texts[2][0] == "*" or texts[4][0] == "*"
    day_good = in_month_days and in_weekdays if starred else in_month_days or in_weekdays
    return day_good and day.month in values_of(texts[3], 3)


@lru_cache(maxsize=10_000)
def values_of(text: str, place: int) -> frozenset[int]:
    """The numbers a field allows; `place` counts the fields from 0."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        ends = LIMITS[place] if span == "*" else [_number(end, place) for end in span.split("-")]
        found.update(range(ends[0], ends[-1] + 1, int(step or 1)))
    return frozenset(found)


def _number(text: str, place: int) -> int:
    return int(text) if text.isdigit() else NAMES[place].index(text) + LIMITS[place][0]


def _minutes(at: datetime) -> int:
    return (at - EPOCH) // timedelta(minutes=1)


def minutes_of(instants: Iterator[datetime]) -> list[int]:
    """Instants as minutes since 1970."""
    return [_minutes(at) for at in instants]


def random_line(dice: random.Random) -> str:
    """A line of the accepted grammar; the rarer forms come often."""
    return " ".join(_random_field(dice, place) for place in range(5))


def _random_field(dice: random.Random, place: int) -> str:
    low, high = LIMITS[place]
    first, last = sorted((dice.randint(low, high), dice.randint(low, high)))
    step = dice.randint(1, max(high, 1))
    several = dice.sample([str(first), str(last), f"{first}-{last}", f"*/{step}"], k=3)
    forms = ["*", "*", str(first), str(first), str(last), ",".join(several), f"{first},{last}"]
    forms += [f"{first}-{last}", f"*/{step}", f"{first}-{last}/{step}", dice.choice(NAMES.get(place, ("*",)))]
    return dice.choice(forms)


def clock_changes(zone: str, first_year: int, last_year: int) -> list[datetime]:
    """The UTC hours in which the zone's clocks change."""
    place, hour, at = ZoneInfo(zone), timedelta(hours=1), datetime(first_year, 1, 1, tzinfo=UTC)
    found = []
    while at.year <= last_year:
        if at.astimezone(place).utcoffset() != (at + hour).astimezone(place).utcoffset():
            found.append(at)
        at += hour
    return found
