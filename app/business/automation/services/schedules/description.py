"""A schedule as a plain sentence: "Every Monday to Friday at 06:00 Europe/Warsaw"."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from cron_descriptor import ExpressionDescriptor, Options

from app.business.automation.services.schedules.calendar import Schedule
from app.business.automation.services.schedules.cron_grammar import (
    MONTHS,
    WEEKDAYS,
    CronLine,
    DayFields,
    parse_cron,
)

MOST_TIMES_NAMED = 8
LONGEST_EVERY_MONTH = 28


def describe(schedule: Schedule, zone: str | None = None) -> str:
    """The sentence, with times in 24-hour format in the schedule's zone, and its start, end and pause.

    `zone`: the zone that the sentence names for a cron line, where that is not the schedule's own.
    """
    sentence = (
        _describe_cron(schedule, zone or schedule.timezone) if schedule.cron else _describe_once(schedule)
    )
    window = {"from": schedule.starts_at, "until": schedule.ends_at, "paused until": schedule.paused_until}
    return sentence + "".join(f", {word} {_moment(at, schedule)}" for word, at in window.items() if at)


def _describe_once(schedule: Schedule) -> str:
    assert schedule.at is not None
    return f"Once, on {_moment(schedule.at, schedule)} {schedule.timezone}"


def _moment(at: datetime, schedule: Schedule) -> str:
    local = at.astimezone(ZoneInfo(schedule.timezone))
    return f"{local.day} {local:%b %Y at %H:%M}"


def _describe_cron(schedule: Schedule, zone: str) -> str:
    line = parse_cron(schedule.cron)
    every_day = line.days.both and len(line.days.month_days) == 31 and len(line.days.weekdays) == 7
    days = _days(line.days)
    if len(line.times) <= MOST_TIMES_NAMED:
        times = _joined([_clock(minutes) for minutes in line.times])
        return f"{_capital(days)} at {times} {zone}"
    often = _how_often(line)
    if every_day and len(line.days.months) == 12:
        return often if len(line.hours) == 24 else f"{often}, {zone}"
    on = days.removeprefix("every ") if " to " in days else days
    return f"{often}, {on.rstrip(',')}, {zone}"


def _how_often(line: CronLine) -> str:
    """The times of a day that are too many to list."""
    often = _minutes(line.minutes)
    if often is None:
        return _odd(line)
    if len(line.hours) == 24:
        return often
    if list(line.hours) != list(range(line.hours[0], line.hours[-1] + 1)):
        return _odd(line)
    return f"{often} from {_clock(line.times[0])} to {_clock(line.times[-1])}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _minutes(minutes: tuple[int, ...]) -> str | None:
    step = _even_step(minutes, 60)
    if len(minutes) == 1:
        return "Every hour" if minutes[0] == 0 else f"Every hour at {minutes[0]} minutes past"
    if step is None:
        return None
    return "Every minute" if step == 1 else f"Every {step} minutes"


def _odd(line: CronLine) -> str:
    """Uses cron-descriptor; steps that do not divide the hour or day are passed as lists, because it would call
    `*/7` "every 7 minutes"."""
    minute, hour = line.text.split()[:2]
    if "/" in minute and _even_step(line.minutes, 60) is None:
        minute = ",".join(map(str, line.minutes))
    if "/" in hour and _even_step(line.hours, 24) is None:
        hour = ",".join(map(str, line.hours))
    options = Options()
    options.use_24hour_time_format = True
    return str(ExpressionDescriptor(f"{minute} {hour} * * *", options).get_full_description())


def _even_step(values: tuple[int, ...], full: int) -> int | None:
    """n when the values are every n-th from 0 on and n divides `full`, else None."""
    step = full // len(values)
    return step if values == tuple(range(0, full, step)) and full % step == 0 else None


def _days(days: DayFields) -> str:
    all_month_days, all_weekdays = len(days.month_days) == 31, len(days.weekdays) == 7
    if days.both and all_month_days:
        return _weekdays(days) + _in_months(days)
    if days.both and all_weekdays:
        return _dates(days)
    if days.both:
        return f"{_weekdays(days)} that is the {_ordinals(days)}{_of_months(days)}"
    weekdays = _weekday_names(days, "or") + _in_months(days)
    return f"on the {_ordinals(days)}{_of_months(days)}, or any {weekdays},"


def _dates(days: DayFields) -> str:
    if days.month_days == (29,) and days.months == (2,):
        return "on 29 February, in leap years only,"
    if len(days.month_days) == 1 and len(days.months) == 1:
        return f"every year on {days.month_days[0]} {MONTHS[days.months[0] - 1]}"
    return f"on the {_ordinals(days)}{_of_months(days)}"


def _weekdays(days: DayFields) -> str:
    return "every day" if len(days.weekdays) == 7 else f"every {_weekday_names(days, 'and')}"


def _weekday_names(days: DayFields, word: str) -> str:
    from_monday = sorted((weekday - 1) % 7 for weekday in days.weekdays)
    return _ranged(from_monday, [WEEKDAYS[(weekday + 1) % 7] for weekday in from_monday], word)


def _of_months(days: DayFields) -> str:
    if len(days.months) < 12:
        return f" of {_month_names(days)}"
    return " of every month that has it" if days.month_days[0] > LONGEST_EVERY_MONTH else " of every month"


def _in_months(days: DayFields) -> str:
    return "" if len(days.months) == 12 else f" in {_month_names(days)}"


def _month_names(days: DayFields) -> str:
    return _ranged(days.months, [MONTHS[month - 1] for month in days.months])


def _ordinals(days: DayFields) -> str:
    return _ranged(days.month_days, [_ordinal(day) for day in days.month_days])


def _ordinal(day: int) -> str:
    ending = "th" if day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def _ranged(values: Sequence[int], names: list[str], word: str = "and") -> str:
    steps = {later - earlier for earlier, later in pairwise(values)}
    if len(values) > 2 and steps == {1}:
        return f"{names[0]} to {names[-1]}"
    if len(values) > MOST_TIMES_NAMED and len(steps) == 1:
        return f"{', '.join(names[:3])} … {names[-1]}"
    return _joined(names, word)


def _joined(names: list[str], word: str = "and") -> str:
    return f" {word} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
