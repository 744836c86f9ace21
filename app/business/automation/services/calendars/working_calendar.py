"""A calendar as people write it: weekly working hours, pauses, and the public holidays of a country."""

from datetime import date, time, timedelta
from functools import lru_cache
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from app.business.automation.services.calendars.public_holidays import (
    checked_country,
    checked_region,
    holidays_of,
)
from app.business.automation.services.rule_parts import JsonObject, Stored
from app.business.errors import Invalid
from app.business.plain_characters import fault_of_line
from app.business.schema_sentences import sentence_of

MOST_PAUSES = 200
NAME_LIMIT = 100
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MIDNIGHT = "00:00"
DAY_END = "24:00"
NOT_A_WORKING_DAY = "not a working day"
_CLOCK = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
Clock = Annotated[str, Field(pattern=_CLOCK, examples=["09:00"])]
"""Local time, `00:00` to `24:00`."""


class CalendarPart(BaseModel):
    """Part of a calendar; it never changes, so equal ones share what is computed of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WorkingHours(CalendarPart):
    """The hours of one weekday, 1-7 from Monday."""

    weekday: int = Field(ge=1, le=7)
    opens: Clock = MIDNIGHT
    closes: Clock = DAY_END

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.opens >= self.closes:
            raise ValueError(
                f"{WEEKDAYS[self.weekday - 1]} closes before it opens. Choose a later closing time."
            )
        return self

    @property
    def is_whole_day(self) -> bool:
        return (self.opens, self.closes) == (MIDNIGHT, DAY_END)


class Pause(CalendarPart):
    """Days on which it is closed, first and last included. yearly: on the same days of every year."""

    name: str = Field("", max_length=NAME_LIMIT)
    starts_on: date
    ends_on: date
    yearly: bool = False

    @field_validator("name", mode="after")
    @classmethod
    def _one_line(cls, name: str) -> str:
        if fault := fault_of_line(name):
            raise ValueError(fault)
        return " ".join(name.split())

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.ends_on < self.starts_on:
            raise ValueError("The last day is before the first. Choose a later last day.")
        if self.yearly and self.ends_on - self.starts_on >= timedelta(days=365):
            raise ValueError("A yearly pause is shorter than a year.")
        return self

    def holds(self, day: date) -> bool:
        """Whether it is closed on that day."""
        if not self.yearly:
            return self.starts_on <= day <= self.ends_on
        first, last, on = ((one.month, one.day) for one in (self.starts_on, self.ends_on, day))
        return first <= on <= last if first <= last else on >= first or on <= last


class WorkingCalendar(CalendarPart):
    """When it is open. A weekday without working hours is closed; several entries of one weekday are refused."""

    working_hours: tuple[WorkingHours, ...] = tuple(WorkingHours(weekday=day) for day in range(1, 8))
    pauses: tuple[Pause, ...] = Field((), max_length=MOST_PAUSES)
    country: str | None = Field(None, max_length=2)
    region: str | None = Field(None, max_length=NAME_LIMIT)

    @field_validator("working_hours", mode="after")
    @classmethod
    def _each_weekday_once(cls, hours: tuple[WorkingHours, ...]) -> tuple[WorkingHours, ...]:
        if not hours:
            raise ValueError("Choose at least one day of the week.")
        days = sorted(one.weekday for one in hours)
        if twice := next((day for day in days if days.count(day) > 1), None):
            raise ValueError(f"{WEEKDAYS[twice - 1]} is named twice. Give each weekday once.")
        return tuple(sorted(hours, key=lambda one: one.weekday))

    @field_validator("pauses", mode="after")
    @classmethod
    def _in_order(cls, pauses: tuple[Pause, ...]) -> tuple[Pause, ...]:
        return tuple(sorted(pauses, key=lambda pause: (pause.starts_on, pause.ends_on, pause.name)))

    def as_json(self) -> JsonObject:
        """As it is stored and sent."""
        return self.model_dump(mode="json")

    def hours_on(self, day: date) -> tuple[time, time | None] | None:
        """When it opens and closes on that day (None: at its end); None where it is closed all day."""
        return _hours(self, day)

    def why_closed(self, day: date) -> str:
        """The name of what closes the day; empty where it is open."""
        return _why_closed(self, day)


@lru_cache(maxsize=20_000)
def _why_closed(calendar: WorkingCalendar, day: date) -> str:
    if pause := next((pause for pause in calendar.pauses if pause.holds(day)), None):
        return pause.name or "a pause"
    if calendar.country:
        name = holidays_of(calendar.country, calendar.region, day.year).get(day)
        if name is not None:
            return name
    is_open = any(one.weekday == day.isoweekday() for one in calendar.working_hours)
    return "" if is_open else NOT_A_WORKING_DAY


@lru_cache(maxsize=20_000)
def _hours(calendar: WorkingCalendar, day: date) -> tuple[time, time | None] | None:
    if _why_closed(calendar, day):
        return None
    hours = next(one for one in calendar.working_hours if one.weekday == day.isoweekday())
    closes = None if hours.closes == DAY_END else time.fromisoformat(hours.closes)
    return time.fromisoformat(hours.opens), closes


def stored_calendar(data: Stored) -> WorkingCalendar:
    """A calendar as it is stored; it was checked when it was saved."""
    return WorkingCalendar.model_validate(data)


def parse_calendar(data: Stored, today: date) -> WorkingCalendar:
    """A checked calendar that is open on some day within a year from `today`. Raises Invalid by field path."""
    try:
        calendar = WorkingCalendar.model_validate(dict(data))
    except ValidationError as error:
        raise Invalid(_errors(error)) from None
    place: dict[str, str | None] = {"country": None, "region": None}
    if calendar.country:
        country = checked_country(calendar.country)
        place = {
            "country": country,
            "region": checked_region(country, calendar.region) if calendar.region else None,
        }
    elif calendar.region:
        raise Invalid({"region": ["Choose the country of this region as well."]})
    calendar = calendar.model_copy(update=place)
    if not any(calendar.hours_on(today + timedelta(days=ahead)) for ahead in range(366)):
        raise Invalid({"pauses": ["With these it is closed on every day of the coming year. Shorten one."]})
    return calendar


def _errors(error: ValidationError) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    for fault in error.errors():
        path = ".".join(map(str, fault["loc"]))
        errors.setdefault(path, []).append(_sentence(fault))
    return errors


def _sentence(fault: ErrorDetails) -> str:
    if fault["type"] == "string_pattern_mismatch":
        return "Write a time of day such as 09:00 or 24:00."
    if fault["type"].startswith("date"):
        return "Write a date such as 2026-12-25."
    return sentence_of(fault)
