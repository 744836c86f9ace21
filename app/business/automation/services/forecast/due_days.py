"""The days on which a schedule starts runs, and its share of a day, by the calendar that its planned times follow."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime

from app.business.automation.services.calendars.closed_times import ALWAYS_OPEN, ClosedRule
from app.business.automation.services.calendars.opening_times import OpeningTimes
from app.business.automation.services.forecast.spend_history import Days
from app.business.automation.services.schedules.calendar import Schedule, first_due_after
from app.business.automation.services.schedules.cron_grammar import parse_cron

TINY = datetime.resolution


def parts_due(schedule: Schedule | None, days: Days, times: ClosedRule = ALWAYS_OPEN) -> list[float]:
    """1 for each day on which a run of the schedule starts, else 0; without a schedule every day is due."""
    if schedule is None:
        return [1.0] * len(days.dates)
    parts = [0.0] * len(days.dates)
    for number in _numbers(schedule, days, times):
        if number >= 0:
            parts[number] = 1.0
    return parts


def _numbers(schedule: Schedule, days: Days, times: ClosedRule) -> Iterator[int]:
    """The days with a start, some of them repeatedly. What cannot add a day is skipped, not walked through."""
    end, opening = days.starts[-1], times.obeyed
    planned_at = first_due_after(schedule, times.planned_since(days.starts[0]) - TINY)
    while planned_at is not None and planned_at < end:
        start_at = times.moment(schedule, planned_at)
        number = len(days.dates)
        if start_at is not None and start_at < end:
            number = bisect_right(days.starts, start_at) - 1
            yield number
        if opening is None or opening.is_open(planned_at):
            following = days.starts[number + 1]
            if opening is not None and times.may_move:
                following = min(following, opening.closing_at(planned_at))
        else:
            following = _after_closed(opening, days, planned_at, times)
        planned_at = first_due_after(schedule, following - TINY)


def _after_closed(opening: OpeningTimes, days: Days, planned_at: datetime, times: ClosedRule) -> datetime:
    """The next planned time at which something else may happen than at this one, which is closed."""
    found = opening.next_opening(planned_at)
    if found is None:
        return days.starts[-1]
    opens_at, _ = found
    last_at = opening.closing_at(opens_at) - TINY
    same_day = bisect_right(days.starts, opens_at) == bisect_right(days.starts, last_at)
    return opens_at if same_day or not times.may_move else planned_at + TINY


def times_a_day(schedule: Schedule | None) -> int:
    """The number of times the schedule is due on a due day; 1 without a schedule."""
    return len(parse_cron(schedule.cron).times) if schedule and schedule.cron else 1


def rest_of_day(
    schedule: Schedule | None,
    start: datetime,
    end: datetime,
    now: datetime,
    times: ClosedRule = ALWAYS_OPEN,
) -> float:
    """The share of the day from `start` to `end` that lies ahead of `now`: by its starts, or by time without a
    schedule."""
    if schedule is None:
        return (end - now) / (end - start)
    starts = list(times.starts(schedule, start - TINY, end - TINY))
    return sum(at > now for at in starts) / len(starts) if starts else 0.0
