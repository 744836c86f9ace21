"""The minutes of a day at which a cron line is due, as the bits of one number: what sums over months are made of."""

from datetime import datetime, timedelta
from functools import lru_cache

from app.business.automation.services.schedules.calendar import Schedule, due_instants

MINUTE = timedelta(minutes=1)
TINY = datetime.resolution
KEPT = 20_000
"""Days of schedules that a process remembers, some 500 bytes each: hundred days of two hundred different ones."""


@lru_cache(maxsize=KEPT)
def due_minutes(schedule: Schedule, begin: datetime, end: datetime) -> int:
    """Bit n: whether the schedule is due n minutes after `begin`, before `end`. Nothing but the schedule decides on it,
    so it is worked out once for all rules with equal ones."""
    minutes = 0
    for at in due_instants(schedule, begin - TINY, end - TINY):
        minutes |= 1 << minute_of(at, begin)
    return minutes


def minute_of(at: datetime, begin: datetime) -> int:
    """The minute of the day that begins then."""
    return (at - begin) // MINUTE


def minutes_after(minutes: int, at: datetime, begin: datetime) -> int:
    """Those of the minutes that come later than `at`."""
    passed = max(minute_of(at, begin) + 1, 0)
    return minutes >> passed << passed
