"""Periods of every sum over days: whole days of the account's zone, and today as far as it has come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.business.time_zones import start_of_day


@dataclass(frozen=True)
class Period:
    """Consecutive days that end with today. `start`: the instant at which the first one begins."""

    dates: Sequence[date]
    start: datetime


def day_of(at: datetime, zone: str) -> date:
    """The day of the instant: from the start of that day to the start of the next."""
    local = at.astimezone(ZoneInfo(zone)).date()
    # Where clocks are set back just after midnight, a few minutes of the next day come before the end of this one.
    following = local + timedelta(days=1)
    if at >= start_of_day(following, zone):
        return following
    return local if at >= start_of_day(local, zone) else local - timedelta(days=1)


def this_month(zone: str, now: datetime) -> Period:
    """From the first of the month to today."""
    return last_days(now.astimezone(ZoneInfo(zone)).day, zone, now)


def last_days(count: int, zone: str, now: datetime) -> Period:
    """Today and the days before it, `count` in all."""
    today = now.astimezone(ZoneInfo(zone)).date()
    dates = [today - timedelta(days=back) for back in reversed(range(count))]
    return Period(dates, start_of_day(dates[0], zone))
