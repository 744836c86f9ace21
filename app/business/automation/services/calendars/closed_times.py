"""What becomes of a planned time at which the calendar is closed: skipped, moved, or run all the same. Pure functions.

A moved time runs on the next open day at the same time of day, by the clock of the schedule; where that is outside the
working hours of that day, when the day opens. Where several planned times of a schedule fall on one moment, the latest
of them runs and the others are skipped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from app.business.automation.services.calendars.opening_times import FARTHEST, OpeningTimes
from app.business.automation.services.schedules.calendar import Schedule, due_instants, due_with_walls
from app.business.automation.services.schedules.wall_clock import first_instant

OnClosedDays = Literal["skip", "move", "run"]
TINY = timedelta(microseconds=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Settled:
    """A planned time, and what becomes of it.

    start_at: when its run starts; None where it is skipped · why: the closed day in a sentence, where there is one.
    """

    planned_at: datetime
    start_at: datetime | None
    why: str = ""

    @property
    def is_moved(self) -> bool:
        return self.start_at is not None and self.start_at != self.planned_at


@dataclass(frozen=True, slots=True)
class ClosedRule:
    """How planned times follow the calendar that applies to them; without one, it is always open."""

    opening: OpeningTimes | None = None
    choice: str = "run"

    @property
    def may_move(self) -> bool:
        """Whether a time may start later than it is planned."""
        return self.opening is not None and self.choice == "move"

    @property
    def obeyed(self) -> OpeningTimes | None:
        """The opening times that the planned times follow; None where they all start as planned."""
        return None if self.choice == "run" else self.opening

    def settle(self, schedule: Schedule, planned_at: datetime) -> Settled:
        """What becomes of one planned time of the schedule."""
        opening = self.obeyed
        if opening is None or opening.is_open(planned_at):
            return Settled(planned_at, planned_at)
        return _settled(schedule, opening, self.choice, planned_at)

    def planned_since(self, start_at: datetime) -> datetime:
        """No time planned earlier than this starts at `start_at` or later."""
        if self.opening is None or not self.may_move:
            return start_at
        since = _last_open_day(self.opening, self.opening.local(start_at).date())
        return first_instant(ZoneInfo(self.opening.zone), _midnight(since))

    def moment(self, schedule: Schedule, planned_at: datetime) -> datetime | None:
        """When a run starts for this planned time: its own run, or that of a time which takes its place."""
        opening = self.obeyed
        if opening is None or opening.is_open(planned_at):
            return planned_at
        found = opening.next_opening(planned_at) if self.may_move else None
        return _same_time(schedule, opening, _wall_of(schedule, planned_at), *found) if found else None

    def starts(self, schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
        """Every moment in (after, until] at which a run of the schedule starts, in order."""
        since = self.planned_since(after)
        settled = (self.settle(schedule, at) for at in due_instants(schedule, since, until))
        found = (one.start_at for one in settled if one.start_at)
        return (at for at in (sorted(found) if self.may_move else found) if after < at <= until)


ALWAYS_OPEN = ClosedRule()


@lru_cache(maxsize=20_000)
def _settled(schedule: Schedule, opening: OpeningTimes, choice: str, planned_at: datetime) -> Settled:
    why = opening.why_closed(planned_at)
    if choice == "skip":
        return Settled(planned_at, None, f"{why}.")
    found = opening.next_opening(planned_at)
    if found is None:
        days = f"{FARTHEST.days:,} days"
        return Settled(planned_at, None, f"{why}, and it does not open within {days}.")
    wall = _wall_of(schedule, planned_at)
    start_at = _same_time(schedule, opening, wall, *found)
    stands = _latest_by_moment(schedule, opening, found[1]).get(start_at, planned_at)
    moment = _said(start_at, schedule)
    if stands == planned_at:
        return Settled(planned_at, start_at, f"{why}, so it was moved to {moment}.")
    if stands == start_at:
        return Settled(planned_at, None, f"{why}; the run planned for {moment} takes its place.")
    other = f"the run planned for {_said(stands, schedule)}, moved to {moment}"
    return Settled(planned_at, None, f"{why}; {other}, takes its place.")


@lru_cache(maxsize=2_000)
def _latest_by_moment(schedule: Schedule, opening: OpeningTimes, day: date) -> dict[datetime, datetime]:
    """Of the planned times that fall on a moment of the open day, the latest, by moment."""
    latest: dict[datetime, datetime] = {}
    zone = ZoneInfo(opening.zone)
    since = _last_open_day(opening, day)
    begin, end = first_instant(zone, _midnight(since)), first_instant(zone, _midnight(day + _DAY))
    next_opening: tuple[datetime, date] | None = None
    for planned_at, wall in due_with_walls(schedule, begin - TINY, end):
        if opening.is_open(planned_at):
            latest[planned_at] = planned_at
            continue
        if next_opening is None or next_opening[0] <= planned_at:
            next_opening = opening.next_opening(planned_at)
        if next_opening is None or next_opening[1] > day:
            continue
        latest[_same_time(schedule, opening, wall, *next_opening)] = planned_at
    return latest


def _last_open_day(opening: OpeningTimes, before: date) -> date:
    day = before - _DAY
    while before - day < FARTHEST and opening.calendar.hours_on(day) is None:
        day -= _DAY
    return day - _DAY


def _same_time(
    schedule: Schedule, opening: OpeningTimes, wall: datetime, opens_at: datetime, day: date
) -> datetime:
    """The moment of the open day at which the schedule's clock shows the same time; else when the day opens."""
    zone = ZoneInfo(schedule.timezone)
    for on in (day - _DAY, day, day + _DAY):
        at = first_instant(zone, datetime.combine(on, wall.time()))
        if at >= opens_at and opening.local(at).date() == day and opening.is_open(at):
            return at
    return opens_at


def _wall_of(schedule: Schedule, planned_at: datetime) -> datetime:
    """What the planned time is called: a time that a clock change leaves out keeps its name."""
    walls: Iterator[tuple[datetime, datetime]] = due_with_walls(schedule, planned_at - TINY, planned_at)
    return next(walls)[1]


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001


def _said(at: datetime, schedule: Schedule) -> str:
    local = at.astimezone(UTC).astimezone(ZoneInfo(schedule.timezone))
    return f"{local:%A} {local.day} {local:%B %Y at %H:%M} ({schedule.timezone})"
