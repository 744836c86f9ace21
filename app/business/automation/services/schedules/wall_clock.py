"""Local time as a wall clock shows it: stretches without a clock change, and the days a cron line accepts."""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from app.business.automation.services.schedules.cron_grammar import CronLine, DayFields

# The calendar ends here: a line that comes once in 28 years must not be walked for ever.
LAST_YEAR = 2199
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class OffsetSpan:
    """From `begin_at` up to `end_at` (UTC) local time is UTC plus `offset`."""

    begin_at: datetime
    end_at: datetime
    offset: timedelta

    @property
    def first(self) -> datetime:
        """What the wall clock shows when the stretch begins (naive)."""
        return (self.begin_at + self.offset).replace(tzinfo=None)

    @property
    def last(self) -> datetime:
        """What the wall clock would show when the stretch has ended (naive)."""
        return (self.end_at + self.offset).replace(tzinfo=None)


def stretches(zone: ZoneInfo, start: datetime) -> Iterator[OffsetSpan]:
    """Stretches from the UTC instant `start` to the calendar's end, without holes, cut at each year's end."""
    begin = start
    for year in range(start.year, LAST_YEAR + 1):
        for end, offset in _offsets(zone, year):
            if end > begin:
                yield OffsetSpan(begin, end, offset)
                begin = end


@lru_cache(maxsize=4096)
def _offsets(zone: ZoneInfo, year: int) -> tuple[tuple[datetime, timedelta], ...]:
    """(end, offset) of each stretch of a UTC year. No zone changes its clocks twice within half a day."""
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


def wall_times(line: CronLine, first: datetime, last: datetime) -> Iterator[datetime]:
    """The line's times on a clock that does not change, from the minute of `first` up to `last` (naive)."""
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


@lru_cache(maxsize=4096)
def _walker(days: DayFields) -> croniter:
    """croniter over midnights. It gets plain lists, since it reads `*/2`, `7-7` and `1-31` unlike Debian."""
    fields = (_listed(days.month_days, 31), _listed(days.months, 12), _listed(days.weekdays, 7))
    return croniter(" ".join(("0 0", *fields)), datetime(2000, 1, 1), day_or=not days.both)  # noqa: DTZ001


def _listed(values: tuple[int, ...], full: int) -> str:
    return "*" if len(values) == full else ",".join(map(str, values))
