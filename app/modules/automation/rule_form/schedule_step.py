"""How often: a schedule from presets or cron; for event rules, whether records run together or one by one."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, tzinfo
from typing import Any, ClassVar, Self
from zoneinfo import ZoneInfo

from wtforms import Field, RadioField, SelectField, SelectMultipleField, StringField
from wtforms.validators import Optional, ValidationError
from wtforms.widgets import CheckboxInput, DateTimeLocalInput, ListWidget, TimeInput

from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.rules.fields import usual
from app.business.automation.services.schedules.presets import (
    PRESETS,
    STEPS,
    WINDOW_STEPS,
    Preset,
    preset_of,
)
from app.business.time_zones import time_zones
from app.modules.automation.rule_form.base import Pairs, RuleSoFar, form_data, offered, pairs_of
from app.modules.automation.rule_form.choices import DAYS, Choices
from app.modules.automation.rule_form.option_fields import NumberField, choice_input, number_input
from app.modules.automation.rule_form.steps import FieldsStep, daily
from app.modules.forms import TimezoneField, between

FREQUENCIES = [
    *PRESETS.items(),
    ("once", "Once, at a date and time"),
    ("cron", "By a cron line, for experts"),
]
LOCAL = "%Y-%m-%dT%H:%M"
MOMENTS = ("starts_at", "ends_at", "paused_until")
OWN_TIME = "site_own_time"
IN_OWN_TIME = ((OWN_TIME, "One run for each site, in the site's own time zone"),)


def _minutes(steps: Sequence[int]) -> list[tuple[str, str]]:
    named = {1: "Every minute", 60: "Every hour"}
    return [(str(step), named.get(step, f"Every {step} minutes")) for step in steps]


def _hours(first: int, last: int) -> list[tuple[str, str]]:
    return [(str(hour), f"{hour:02}:00") for hour in range(first, last + 1)]


class ScheduleStep(FieldsStep):
    """For rules that run at planned times."""

    frequency = RadioField("How often?", choices=offered(FREQUENCIES), default="daily")
    every = SelectField("Minutes between runs", choices=offered(_minutes(STEPS)), default="15")
    window_every = SelectField("How often within them", choices=offered(_minutes(WINDOW_STEPS)), default="30")
    window_from = SelectField("From", choices=offered(_hours(0, 23)), default="9")
    window_until = SelectField("Until", choices=offered(_hours(1, 24)), default="17")
    window_days = SelectMultipleField(
        "On these days",
        choices=offered(DAYS),
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
        default=["1", "2", "3", "4", "5"],
    )
    minute = NumberField("Minute of the hour", [Optional(), between(0, 59)], default=0)
    at = StringField("Time of day", widget=TimeInput(), default="09:00")
    weekdays = SelectMultipleField(
        "Days",
        choices=offered(DAYS),
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
        default=["1"],
    )
    day = NumberField("Day of the month", [Optional(), between(1, 31)], default=1)
    once_at = StringField("Date and time", widget=DateTimeLocalInput())
    cron = StringField(
        "Cron line", description="Minute, hour, day of month, month, day of week. Example: 30 6 * * 1-5"
    )
    timezone = TimezoneField(default="UTC")
    starts_at = StringField("Not before", widget=DateTimeLocalInput())
    ends_at = StringField("Not after", widget=DateTimeLocalInput())
    paused_until = StringField("Paused until", widget=DateTimeLocalInput())
    repeat = choice_input("repeat", label="Again? May it take a record it has taken before?")
    repeat_after_days = number_input("repeat_after_days", Optional())
    overlap = choice_input("overlap")
    catch_up = choice_input("catch_up")
    catch_up_hours = number_input("catch_up_hours", Optional())
    # Older drafts have no answer to this question; the rule's validation refuses other values.
    on_closed_days = choice_input("on_closed_days", validate_choice=False)
    split_by = choice_input("split_by", also=IN_OWN_TIME)
    places: ClassVar[Mapping[str, str]] = {
        "schedule": "frequency",
        "schedule.cron": "cron",
        "schedule.at": "once_at",
    } | {f"schedule.{name}": name for name in ("timezone", *MOMENTS)}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("minute", "day", "at", "once_at", "cron"):
            self[name].flags.required = True

    @classmethod
    def build(cls, so_far: RuleSoFar, pairs: Pairs | None) -> Self:
        return cls(formdata=None if pairs is None else form_data(pairs), timezone=so_far.timezone)

    @classmethod
    def is_answer(cls, pairs: Pairs) -> bool:
        return any(name == "frequency" for name, _ in pairs)

    @classmethod
    def unanswered(cls, so_far: RuleSoFar) -> JsonObject:
        return {"schedule": daily(so_far)}

    def validate_at(self, field: StringField) -> None:
        """A time of day is needed only for some choices."""
        if self.frequency.data in ("daily", "weekdays", "weekly", "monthly") and not _is_clock(field.data):
            raise ValidationError("Enter a time of day like 09:00.")

    def validate_weekdays(self, field: SelectMultipleField) -> None:
        """At least one day."""
        if self.frequency.data == "weekly" and not field.data:
            raise ValidationError("Choose at least one day.")

    def validate_window_days(self, field: SelectMultipleField) -> None:
        """At least one day."""
        if self.frequency.data == "window" and not field.data:
            raise ValidationError("Choose at least one day.")

    def validate_window_until(self, field: SelectField) -> None:
        """Hours must be within one day: after midnight other days would apply."""
        first, until = _chosen(self.window_from), _chosen(field)
        if self.frequency.data == "window" and until <= first:
            raise ValidationError(
                f"Choose an hour after {first:02}:00; hours across midnight need two rules."
            )

    def schedule(self) -> JsonObject:
        """The schedule as stored in rules."""
        named = self.timezone.data or ""
        zone = ZoneInfo(named) if named in time_zones() else UTC
        found: JsonObject = {"timezone": named, **self._times(zone)}
        if self.split_by.data == OWN_TIME and "cron" in found:
            del found["timezone"]
        return found | {name: _instant(self[name].data, zone) for name in MOMENTS if self[name].data}

    def fields_by_path(self) -> dict[str, Field]:
        """Errors of the cron line are shown beside the input that was chosen instead of cron."""
        shown = {
            "cron": "cron",
            "minutes": "every",
            "window": "window_every",
            "weekly": "weekdays",
            "monthly": "day",
        }
        places = super().fields_by_path()
        return places | {"schedule.cron": self[shown.get(self.frequency.data, "frequency")]}

    def part(self) -> JsonObject:
        """Schedule, repetition, overlap, catch-up and closed days."""
        chosen = {name: self[name].data for name in ("repeat", "overlap", "catch_up")}
        chosen["on_closed_days"] = self.on_closed_days.data or usual("on_closed_days")
        chosen["split_by"] = "none" if self.split_by.data == "none" else "site"
        days = self.repeat_after_days.data if self.repeat.data == "after_days" else None
        hours = self.catch_up_hours.data or usual("catch_up_hours")
        return chosen | {"schedule": self.schedule(), "repeat_after_days": days, "catch_up_hours": hours}

    @classmethod
    def pairs(cls, rule: Mapping[str, Any], choices: Choices) -> Pairs:
        schedule = rule["schedule"]
        zone = ZoneInfo(schedule.get("timezone", "UTC"))
        moments = {name: _local(schedule[name], zone) for name in MOMENTS if schedule.get(name)}
        own_time = rule["split_by"] == "site" and "cron" in schedule and "timezone" not in schedule
        split = {"split_by": OWN_TIME if own_time else rule["split_by"], "timezone": zone.key}
        return pairs_of(cls(formdata=None, data=dict(rule) | split | moments | _choice(schedule, zone)))

    def _times(self, zone: tzinfo) -> JsonObject:
        if self.frequency.data == "once":
            return {"at": _instant(self.once_at.data, zone)}
        if self.frequency.data == "cron" or self.frequency.data not in PRESETS:
            return {"cron": self.cron.data or ""}
        if self.frequency.data == "window":
            return {"cron": self._window().cron}
        clock = time(0, self.minute.data or 0) if self.frequency.data == "hourly" else _clock(self.at.data)
        weekdays = _days(self.weekdays)
        every, day = _chosen(self.every), self.day.data or 1
        return {"cron": Preset(self.frequency.data, every, clock, weekdays, day).cron}

    def _window(self) -> Preset:
        first, until = _chosen(self.window_from), _chosen(self.window_until)
        return Preset(
            "window",
            every=_chosen(self.window_every),
            at=time(first),
            weekdays=_days(self.window_days),
            # Hours that end before they begin get an error beside their field; the preview shows a single hour
            # meanwhile.
            until=max(until, first + 1),
        )


class EventStep(FieldsStep):
    """For rules that events start."""

    batching = choice_input("batching", RadioField, default=usual("batching"))
    # Older drafts have no answer to this question; the rule's validation refuses other values.
    split_by = choice_input("split_by", validate_choice=False)
    repeat = choice_input("repeat", label="Again? When it runs on existing records")
    repeat_after_days = number_input("repeat_after_days", Optional())

    @classmethod
    def is_answer(cls, pairs: Pairs) -> bool:
        return any(name == "batching" for name, _ in pairs)

    @classmethod
    def unanswered(cls, so_far: RuleSoFar) -> JsonObject:
        return {"schedule": {}}

    def part(self) -> JsonObject:
        """Together or one by one."""
        days = self.repeat_after_days.data if self.repeat.data == "after_days" else None
        return {
            "schedule": {},
            "batching": self.batching.data,
            "split_by": self.split_by.data or "none",
            "repeat": self.repeat.data,
            "repeat_after_days": days,
        }

    @classmethod
    def pairs(cls, rule: Mapping[str, Any], choices: Choices) -> Pairs:
        return pairs_of(cls(formdata=None, data=dict(rule)))


def _chosen(field: SelectField) -> int:
    """The chosen number; the default for values that were not offered, which get an error."""
    return int(field.data if field.data in _offered(field) else field.default)


def _days(field: SelectMultipleField) -> tuple[int, ...]:
    return tuple(int(day) for day in field.data or () if day in _offered(field)) or (1,)


def _offered(field: SelectField | SelectMultipleField) -> list[str]:
    return [choice.value for choice in field.choices]


def _choice(schedule: Mapping[str, Any], zone: ZoneInfo) -> JsonObject:
    if schedule.get("at"):
        return {"frequency": "once", "once_at": _local(schedule["at"], zone)}
    preset = preset_of(schedule["cron"])
    if preset is None:
        return {"frequency": "cron", "cron": schedule["cron"]}
    weekdays = [str(day) for day in preset.weekdays]
    if preset.kind == "window":
        hours = {"window_from": str(preset.at.hour), "window_until": str(preset.until)}
        window: JsonObject = {"window_every": str(preset.every), "window_days": [*weekdays]}
        return {"frequency": "window", **window, **hours}
    values: JsonObject = {
        "frequency": preset.kind,
        "every": str(preset.every),
        "minute": preset.at.minute,
        "day": preset.day,
    }
    return values | {"at": f"{preset.at:%H:%M}", "weekdays": [*weekdays]}


def _instant(text: str | None, zone: tzinfo) -> str:
    """The local time with its offset; other text is left to the rule's validation."""
    try:
        return datetime.fromisoformat(text or "").replace(tzinfo=zone).isoformat()
    except ValueError:
        return text or ""


def _local(instant: str, zone: ZoneInfo) -> str:
    return datetime.fromisoformat(instant).astimezone(zone).strftime(LOCAL)


def _is_clock(text: str | None) -> bool:
    try:
        time.fromisoformat(text or "")
    except ValueError:
        return False
    return True


def _clock(text: str | None) -> time:
    return time.fromisoformat(text or "") if _is_clock(text) else time(9)
