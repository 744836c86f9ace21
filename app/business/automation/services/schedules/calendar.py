"""When a schedule is due: cron lines in time zones, and single moments. Pure functions.

Clock changes are handled as in Debian's cron: a fixed time that does not exist runs once, right after the gap; one that
comes twice runs the first time only; a line whose minute or hour starts with `*` follows the clock. Changes of three
hours or more are not daylight saving: the times they skip are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise, takewhile
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import ValidationError, ValidationInfo, field_validator, model_serializer, model_validator

from app.business.automation.services.rule_parts import (
    RulePart,
    Stored,
    checked_part,
    part_errors,
    refuse_part,
)
from app.business.automation.services.schedules.cron_grammar import CronLine, parse_cron
from app.business.automation.services.schedules.wall_clock import (
    LAST_YEAR,
    accepted_day,
    stretches,
    wall_times,
)
from app.business.errors import Invalid
from app.business.schema_sentences import unknown_name
from app.business.time_zones import check_time_zone

DAYLIGHT_SAVING_LIMIT = timedelta(hours=3)
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
YEARS = range(1971, LAST_YEAR + 1)
KEPT = 2_000
"""Times of schedules that a process remembers: those of one look at all that is due, for time goes on."""
LONGEST_SHARED = timedelta(hours=1)
"""Longer windows, which occur after we were offline, are not cached."""

Window = tuple[tuple[datetime, ...], datetime | None]

_INSTANTS = ("at", "starts_at", "ends_at", "paused_until")


class Schedule(RulePart):
    """A cron line in a time zone, or the one instant `at`.

    Not due before `starts_at` or `paused_until`, nor after `ends_at`; these three instants themselves may be due.
    """

    cron: str | None = None
    timezone: str = "UTC"
    at: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    paused_until: datetime | None = None

    @field_validator("cron", mode="plain", json_schema_input_type=str | None)
    @classmethod
    def _as_five_fields(cls, value: object) -> str | None:
        return None if value is None else checked_part(lambda: parse_cron(value)).text

    @field_validator("timezone", mode="plain", json_schema_input_type=str)
    @classmethod
    def _known_zone(cls, value: object) -> str:
        return checked_part(lambda: check_time_zone(value, "schedule.timezone")).key

    @field_validator(*_INSTANTS, mode="plain", json_schema_input_type=datetime | None)
    @classmethod
    def _with_offset(cls, value: object, info: ValidationInfo) -> datetime | None:
        return None if value is None else checked_part(lambda: _instant(value, f"schedule.{info.field_name}"))

    @model_validator(mode="after")
    def _makes_sense(self, info: ValidationInfo) -> Self:
        """The validation context is the shortest interval in minutes (None: no limit)."""
        if errors := _contradictions(self, info.context):
            refuse_part(errors)
        return self

    @property
    def named_zone(self) -> str | None:
        """The zone that its author named; without one, that of the site or the account is used."""
        return self.timezone if "timezone" in self.model_fields_set else None

    def in_zone(self, name: str) -> "Schedule":
        """The same line in another zone."""
        return self.model_copy(update={"timezone": name})

    @model_serializer
    def as_json(self) -> Any:
        """The JSON stored in a rule: texts, without defaults."""
        if not self.is_readable:
            return self._stored
        said = {
            name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set
        }
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in said.items()
            if value is not None
        }


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A planned time to display: UTC, local, and a note on a clock change (else empty)."""

    utc: datetime
    local: datetime
    note: str


def parse_schedule(data: Stored, *, shortest_interval_minutes: int | None) -> Schedule:
    """Validate a schedule; `@daily` and similar names become five fields.

    shortest_interval_minutes: the least time between two due times (None: no limit). Raises Invalid with sentences by
    `schedule.<key>`.
    """
    try:
        return Schedule.model_validate(dict(data), context=shortest_interval_minutes)
    except ValidationError as error:
        raise Invalid(_errors(error, list(data))) from None


def _errors(error: ValidationError, given: list[str]) -> dict[str, list[str]]:
    """Unknown keys first, then errors in the order of the input."""
    faults = {str(fault["loc"][0]) if fault["loc"] else "": fault for fault in error.errors()}
    unknown = [key for key in given if key not in Schedule.model_fields]
    errors = {f"schedule.{key}": [unknown_name(key)] for key in unknown}
    for key in [*given, ""]:
        errors |= part_errors(faults[key]) or {} if key in faults else {}
    return errors


def _instant(value: Any, path: str) -> datetime:
    example = "Example: 2026-12-01T09:00:00+00:00."
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise Invalid({path: [f"Write a date and time with its offset from UTC. {example}"]}) from None
    if at.tzinfo is None:
        raise Invalid({path: [f"Say the offset from UTC too. {example}"]})
    if at.year not in YEARS:
        raise Invalid({path: [f"Choose a year from {YEARS[0]} to {YEARS[-1]}. {example}"]})
    return at.astimezone(UTC)


def _contradictions(schedule: Schedule, shortest_interval_minutes: int | None) -> dict[str, list[str]]:
    cron, starts_at, ends_at = schedule.cron, schedule.starts_at, schedule.ends_at
    if cron is None and schedule.at is None:
        return {"schedule.cron": ["Say when: a cron line such as 0 9 * * *, or one date and time (at)."]}
    if cron is not None and schedule.at is not None:
        return {"schedule.at": ["Choose either a cron line or one date and time, not both."]}
    if starts_at and ends_at and ends_at < starts_at:
        return {"schedule.ends_at": ["The end is before the start. Choose a later end."]}
    if cron is not None and shortest_interval_minutes is not None:
        return _too_often(parse_cron(cron), shortest_interval_minutes)
    return {}


def _too_often(line: CronLine, shortest: int) -> dict[str, list[str]]:
    gap = line.shortest_gap(days_in_a_row=False)
    if gap >= shortest and line.shortest_gap(days_in_a_row=True) < shortest:
        gap = line.shortest_gap(days_in_a_row=_has_days_in_a_row(line))
    if gap >= shortest:
        return {}
    found = "1 minute" if gap == 1 else f"{gap} minutes"
    sentence = f"Shortest allowed is every {shortest} minutes on your plan; this line has two {found} apart."
    return {"schedule.cron": [sentence]}


def _has_days_in_a_row(line: CronLine) -> bool:
    return any(later - earlier == timedelta(days=1) for earlier, later in pairwise(islice(_days(line), 400)))


def _days(line: CronLine) -> Iterator[date]:
    day = accepted_day(line.days, date(2000, 1, 1))
    while day is not None:
        yield day
        day = accepted_day(line.days, day + timedelta(days=1))


def due_instants(schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
    """Every due instant in (after, until], in order, as UTC."""
    return takewhile(lambda instant: instant <= until, (instant for instant, _ in _due(schedule, after)))


def due_with_walls(
    schedule: Schedule, after: datetime, until: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Like `due_instants`, each with the wall-clock time that it stands for (naive)."""
    return takewhile(lambda due: due[0] <= until, _due(schedule, after))


def next_instants(schedule: Schedule, after: datetime, count: int) -> list[datetime]:
    """The first `count` due instants later than `after`, as UTC; fewer when the schedule ends."""
    return [instant for instant, _ in islice(_due(schedule, after), count)]


@lru_cache(maxsize=KEPT)
def first_due_after(schedule: Schedule, after: datetime) -> datetime | None:
    """The first due instant later than `after`, as UTC; None when there is none.

    Cached for rules with equal schedules.
    """
    return next((instant for instant, _ in _due(schedule, after)), None)


def due_window(schedule: Schedule, after: datetime, until: datetime) -> Window:
    """Every due instant in (after, until], and the first one beyond, as UTC. Cached for equal schedules."""
    walk = _window if until - after < LONGEST_SHARED else _window.__wrapped__
    return walk(schedule, after, until)


@lru_cache(maxsize=KEPT)
def _window(schedule: Schedule, after: datetime, until: datetime) -> Window:
    due: list[datetime] = []
    for instant, _ in _due(schedule, after):
        if instant > until:
            return tuple(due), instant
        due.append(instant)
    return tuple(due), None


def preview(schedule: Schedule, after: datetime, count: int) -> list[Occurrence]:
    """The first `count` times later than `after`, with a note where clocks change."""
    zone = ZoneInfo(schedule.timezone)
    return [_occurrence(instant, wall, zone) for instant, wall in islice(_due(schedule, after), count)]


def occurrences(schedule: Schedule, after: datetime, until: datetime) -> Iterator[Occurrence]:
    """Every time in (after, until], in order, with a note where clocks change."""
    zone = ZoneInfo(schedule.timezone)
    for instant, wall in due_with_walls(schedule, after, until):
        yield _occurrence(instant, wall, zone)


def _occurrence(instant: datetime, wall: datetime, zone: ZoneInfo) -> Occurrence:
    local = instant.astimezone(zone)
    note = ""
    if wall != local.replace(tzinfo=None):
        note = f"clocks change: moved from {wall:%H:%M}"
    elif local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset():
        which: Literal["first", "second"] = "second" if local.fold else "first"
        note = f"clocks change: {which} of the two {wall:%H:%M}s"
    return Occurrence(instant, local, note)


def _due(schedule: Schedule, after: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Due instants later than `after`, each with the wall-clock time it stands for."""
    floors = [at for at in (schedule.starts_at, schedule.paused_until) if at is not None]
    start = max(after, EARLIEST, *(at - datetime.resolution for at in floors))
    for instant, wall in _moments(schedule, start):
        if schedule.ends_at is not None and instant > schedule.ends_at:
            return
        yield instant, wall


def _moments(schedule: Schedule, after: datetime) -> Iterator[tuple[datetime, datetime]]:
    zone = ZoneInfo(schedule.timezone)
    if schedule.cron is not None:
        yield from _cron_moments(parse_cron(schedule.cron), zone, after.astimezone(UTC))
    elif schedule.at is not None and schedule.at > after:
        yield schedule.at, schedule.at.astimezone(zone).replace(tzinfo=None)


def _cron_moments(line: CronLine, zone: ZoneInfo, after: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Starts three hours back, so that in a repeated hour the times of its first pass are known."""
    walked, latest, day = None, after, date.min
    for stretch in stretches(zone, after - DAYLIGHT_SAVING_LIMIT):
        first, last = stretch.first, stretch.last
        if walked is None or line.follows_clock or abs(first - walked) >= DAYLIGHT_SAVING_LIMIT:
            walked = first
        if day < walked.date():
            day = accepted_day(line.days, walked.date()) or date.max
        for wall in wall_times(line, walked, last) if day <= last.date() else ():
            instant = max((wall - stretch.offset).replace(tzinfo=UTC), stretch.begin_at)
            if instant > latest:
                yield instant, wall
                latest = instant
        walked = max(walked, last)
