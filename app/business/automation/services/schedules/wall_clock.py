"""Local wall-clock time: periods between clock changes, and the days that a cron line accepts."""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from app.business.automation.services.schedules.cron_grammar import CronLine, DayFields

# The calendar ends here, because a line that is due once in 28 years must not be searched for endlessly.
LAST_YEAR = 2199
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class OffsetSpan:
    """A period from `begin_at` up to `end_at` (UTC) in which local time is UTC plus `offset`."""

    begin_at: datetime
    end_at: datetime
    offset: timedelta

    @property
    def first(self) -> datetime:
        """Wall-clock time at the start of the period (naive)."""
        return (self.begin_at + self.offset).replace(tzinfo=None)

    @property
    def last(self) -> datetime:
        """Wall-clock time at its end, without the clock change (naive)."""
        return (self.end_at + self.offset).replace(tzinfo=None)


def stretches(zone: ZoneInfo, start: datetime) -> Iterator[OffsetSpan]:
    """Periods from the UTC instant `start` to the calendar's end, without gaps, split at each year's end."""
    begin = start
    for year in range(start.year, LAST_YEAR + 1):
        for end, offset in _offsets(zone, year):
            if end > begin:
                yield OffsetSpan(begin, end, offset)
                begin = end


@lru_cache(maxsize=4096)
def _offsets(zone: ZoneInfo, year: int) -> tuple[tuple[datetime, timedelta], ...]:
    """(end, offset) of each period of a UTC year. No zone changes its clocks twice within half a day."""
    found: list[tuple[datetime, timedelta]] = []
    at, year_end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    while at < year_end:
        offset = _offset(zone, at)
        if _offset(zone, at + _DAY / 2) != offset:
            found.append((_change_between(zone, at, at + _DAY / 2), offset))
        at += _DAY / 2
    return (*found, (year_end, _offset(zone, year_end - _MINUTE)))


def _change_between(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    offset = _offset(zone, before)
    while after - before > _MINUTE:
        middle = before + (after - before) // _MINUTE // 2 * _MINUTE
        before, after = (middle, after) if _offset(zone, middle) == offset else (before, middle)
    return after


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def first_instant(zone: ZoneInfo, wall: datetime) -> datetime:
    """The first instant (UTC) at which the clock shows `wall` (naive); where it never does, the end of the gap."""
    at = wall.replace(tzinfo=zone).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == wall:
        return at
    return _change_between(zone, wall.replace(tzinfo=zone, fold=1).astimezone(UTC), at)


def wall_times(line: CronLine, first: datetime, last: datetime) -> Iterator[datetime]:
    """The line's times without clock changes, from the minute of `first` up to `last` (naive)."""
    day = accepted_day(line.days, first.date())
    while day is not None and day <= last.date():
        midnight = datetime.combine(day, time())
        for minutes in line.times:
            at = midnight + minutes * _MINUTE
            if at >= last:
                return
            if at + _MINUTE > first:
                yield at
        day = accepted_day(line.days, day + _DAY)


@lru_cache(maxsize=20_000)
def accepted_day(days: DayFields, on_or_after: date) -> date | None:
    """The first day that the day fields accept; None when croniter finds none within fifty years."""
    walker = copy(_walker(days))
    try:
        found: datetime = walker.get_next(datetime, datetime.combine(on_or_after, time()) - _MINUTE)
    except CroniterBadDateError:
        return None
    return found.date()


@lru_cache(maxsize=1024)
def _walker(days: DayFields) -> croniter:
    """A croniter over midnights.

    It gets plain lists, because it reads `*/2`, `7-7` and `1-31` differently from Debian's cron.
    """
    fields = (_listed(days.month_days, 31), _listed(days.months, 12), _listed(days.weekdays, 7))
    return croniter(" ".join(("0 0", *fields)), datetime(2000, 1, 1), day_or=not days.both)  # noqa: DTZ001


def _listed(values: tuple[int, ...], full: int) -> str:
    return "*" if len(values) == full else ",".join(map(str, values))
