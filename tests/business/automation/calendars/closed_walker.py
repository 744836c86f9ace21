"""A second, slow calendar to check closed days against: it looks at every minute, with no code of the product."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from tests.business.automation.schedules.minute_walker import DAY_MINUTES, EPOCH, _matches, walk, wall_minutes

GAP_LIMIT = 180
"""Minutes: longer gaps are no daylight saving."""


def settle_all(
    line: str, zone: str, place: str, calendar: dict[str, Any], closed: set[date], start: datetime, days: int
) -> dict[int, int | None]:
    """Planned minute -> the minute in which its run starts when it is moved; None where another takes its place."""
    first = (start - EPOCH) // timedelta(minutes=1)
    is_open = open_minutes(calendar, closed, wall_minutes(place, start, days))
    here, there = wall_minutes(zone, start, days), wall_minutes(place, start, days)
    names = called(line, here)
    planned = [minute - first for minute in walk(line, zone, start, days)]
    starts = {
        at: at if is_open[at] else moved(at, names.get(at, here[at]), is_open, here, there) for at in planned
    }
    stands = {target: at for at, target in starts.items()}
    return {
        at + first: target + first if target is not None and stands[target] == at else None
        for at, target in starts.items()
        if target is not None
    }


def open_minutes(calendar: dict[str, Any], closed: set[date], walls: np.ndarray) -> np.ndarray:
    """For each minute whether the place is open by its clock."""
    found = np.zeros(len(walls), dtype=bool)
    hours = {
        one["weekday"]: (_minute(one["opens"]), _minute(one["closes"])) for one in calendar["working_hours"]
    }
    for number in range(int(walls.min()) // DAY_MINUTES, int(walls.max()) // DAY_MINUTES + 1):
        day = date(1970, 1, 1) + timedelta(number)
        if (
            day in closed
            or day.isoweekday() not in hours
            or any(_pauses(one, day) for one in calendar["pauses"])
        ):
            continue
        opens, closes = hours[day.isoweekday()]
        of_day = walls - number * DAY_MINUTES
        found |= (of_day >= opens) & (of_day < closes)
    return found


def called(line: str, walls: np.ndarray) -> dict[int, int]:
    """Minutes right after a gap, with the first wall time of the line that the gap has left out."""
    found = {}
    if line.startswith("*") or line.split()[1].startswith("*"):
        return found
    for index in np.flatnonzero(np.diff(walls) > 1) + 1:
        skipped = np.arange(walls[index - 1] + 1, walls[index])
        if len(skipped) < GAP_LIMIT and (due := _matches(line, skipped)).any():
            found[int(index)] = int(skipped[due][0])
    return found


def moved(at: int, name: int, is_open: np.ndarray, here: np.ndarray, there: np.ndarray) -> int | None:
    """The same time of day on the day of the first open minute, else that minute; None beyond what is looked at."""
    ahead = np.flatnonzero(is_open[at:])
    if not len(ahead):
        return None
    opens = at + int(ahead[0])
    day = there[opens] // DAY_MINUTES
    if there[-1] // DAY_MINUTES <= day + 1:
        return None
    shown_before: int = here[opens - 1] if opens else here[0] - 1
    latest = max(int(here[:opens].max(initial=shown_before)), shown_before)
    for minute in range(opens, len(here)):
        if there[minute] // DAY_MINUTES > day:
            break
        # What the clock shows for the first time in this minute, with all that a gap has left out.
        shown = range(latest + 1, int(here[minute]) + 1)
        latest = max(latest, int(here[minute]))
        is_named = any(wall % DAY_MINUTES == name % DAY_MINUTES for wall in shown)
        if is_named and is_open[minute] and there[minute] // DAY_MINUTES == day:
            return minute
    return opens


def _pauses(pause: dict[str, Any], day: date) -> bool:
    first, last = (date.fromisoformat(pause[key]) for key in ("starts_on", "ends_on"))
    if not pause["yearly"]:
        return first <= day <= last
    named, on = [], (first.month, first.day)
    while on != (last.month, last.day):
        named.append(on)
        following = date(2024, *on) + timedelta(days=1)
        on = (following.month, following.day)
    return (day.month, day.day) in [*named, on]


def _minute(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def random_calendar(dice: random.Random, start: datetime, days: int) -> dict[str, Any]:
    """Open on some weekdays, some of them for some hours only, with pauses near `start`."""
    weekdays = dice.sample(range(1, 8), k=dice.randint(1, 7))
    return {
        "working_hours": [{"weekday": day} | _random_hours(dice) for day in sorted(weekdays)],
        "pauses": [_random_pause(dice, start, days) for _ in range(dice.randrange(3))],
        "country": dice.choice([None, "DE", "US", "JP"]),
    }


def _random_hours(dice: random.Random) -> dict[str, str]:
    if dice.random() < 0.4:
        return {"opens": "00:00", "closes": "24:00"}
    opens, closes = sorted(dice.sample(range(0, DAY_MINUTES + 1, dice.choice([15, 30, 60])), k=2))
    return {"opens": _clock(opens), "closes": _clock(closes)}


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _random_pause(dice: random.Random, start: datetime, days: int) -> dict[str, Any]:
    first = start.astimezone(UTC).date() + timedelta(dice.randrange(-5, days))
    yearly = dice.random() < 0.3
    return {
        "name": "A pause",
        "starts_on": (
            first.replace(year=first.year - 2, day=min(first.day, 28)) if yearly else first
        ).isoformat(),
        "ends_on": (
            (first.replace(year=first.year - 2, day=min(first.day, 28)) if yearly else first)
            + timedelta(dice.randrange(9))
        ).isoformat(),
        "yearly": yearly,
    }
