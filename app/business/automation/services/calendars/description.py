"""A calendar as a line of words."""

from itertools import groupby

from app.business.automation.services.calendars.public_holidays import countries, regions
from app.business.automation.services.calendars.working_calendar import (
    DAY_END,
    MIDNIGHT,
    WEEKDAYS,
    Pause,
    WorkingCalendar,
    WorkingHours,
)

ALWAYS = "Open always"
WHOLE_DAY = (MIDNIGHT, DAY_END)


def calendar_words(calendar: WorkingCalendar | None) -> str:
    """`Monday to Friday 09:00 to 17:00, closed on the holidays of Germany (Bayern) and in 2 pauses`."""
    if calendar is None:
        return ALWAYS
    holidays = ""
    if calendar.country:
        region = regions(calendar.country).get(calendar.region or "")
        place = countries()[calendar.country] + (f" ({region})" if region else "")
        holidays = f"on the public holidays of {place}"
    count = len(calendar.pauses)
    pauses = f"in {count:,} {'pause' if count == 1 else 'pauses'}" if count else ""
    closed = " and ".join(filter(None, [holidays, pauses]))
    return ", closed ".join(filter(None, [week_words(calendar.working_hours), closed]))


def week_words(hours: tuple[WorkingHours, ...]) -> str:
    """`Open Monday to Friday 09:00 to 17:00`."""
    if len(hours) == len(WEEKDAYS) and all(one.is_whole_day for one in hours):
        return "Open every day"
    parts = []
    for times, group in groupby(hours, key=lambda one: (one.opens, one.closes)):
        days = [one.weekday for one in group]
        opens, closes = times
        parts.append(_days(days) + ("" if times == WHOLE_DAY else f" {opens} to {closes}"))
    return "Open " + ", ".join(parts)


def _days(days: list[int]) -> str:
    names = [WEEKDAYS[day - 1] for day in days]
    if len(days) > 2 and days == list(range(days[0], days[-1] + 1)):
        return f"{names[0]} to {names[-1]}"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def pause_words(pause: Pause) -> str:
    """`Company holidays, 24 Dec 2026 to 2 Jan 2027, every year`."""
    first, last = (f"{on.day} {on:%b %Y}" for on in (pause.starts_on, pause.ends_on))
    days = first if first == last else f"{first} to {last}"
    return ", ".join(filter(None, [pause.name, days, "every year" if pause.yearly else ""]))
