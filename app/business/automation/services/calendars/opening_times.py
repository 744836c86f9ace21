"""A calendar in a time zone: whether it is open at an instant, and when it opens next. Pure functions."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.business.automation.services.calendars.working_calendar import WorkingCalendar
from app.business.automation.services.schedules.wall_clock import first_instant, stretches

FARTHEST = timedelta(days=800)
"""A planned time is not moved farther than this."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class OpeningTimes:
    """subject: what it says is closed, to begin a sentence · source: whose calendar it is."""

    calendar: WorkingCalendar
    zone: str
    subject: str
    source: str

    def local(self, at: datetime) -> datetime:
        """The instant by the clock of the place (naive)."""
        return at.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)

    def is_open(self, at: datetime) -> bool:
        """By the clock of the place, whatever it does at a change."""
        local = self.local(at)
        hours = self.calendar.hours_on(local.date())
        return (
            hours is not None and hours[0] <= local.time() and (hours[1] is None or local.time() < hours[1])
        )

    def closing_at(self, open_at: datetime) -> datetime:
        """The end of the working hours that an open moment lies in, or an earlier one after it where the clock shows
        that time twice."""
        local = self.local(open_at)
        hours = self.calendar.hours_on(local.date())
        closes = hours[1] if hours else None
        end = datetime.combine(local.date(), closes) if closes else _midnight(local.date() + _DAY)
        return max(first_instant(ZoneInfo(self.zone), end), open_at + datetime.resolution)

    def next_opening(self, closed_at: datetime) -> tuple[datetime, date] | None:
        """The first open moment after an instant at which it is closed, and its local day; None within `FARTHEST`."""
        return next(self._openings(closed_at), None)

    def _openings(self, after: datetime) -> Iterator[tuple[datetime, date]]:
        for stretch in stretches(ZoneInfo(self.zone), after):
            day = stretch.first.date()
            while day <= stretch.last.date():
                if stretch.begin_at > after + FARTHEST or day - self.local(after).date() > FARTHEST:
                    return
                if hours := self.calendar.hours_on(day):
                    opens = max(datetime.combine(day, hours[0]), stretch.first)
                    closes = datetime.combine(day, hours[1]) if hours[1] else _midnight(day + _DAY)
                    if opens < min(closes, stretch.last):
                        yield (opens - stretch.offset).replace(tzinfo=UTC), day
                day += _DAY

    def why_closed(self, at: datetime) -> str:
        """A sentence without its end: that it is closed then, on which day, why, and by whose calendar."""
        local = self.local(at)
        day = f"{local:%A} {local.day} {local:%B %Y}"
        if why := self.calendar.why_closed(local.date()):
            return f"{self.subject} is closed on {day} ({why}), by {self.source}"
        hours = self.calendar.hours_on(local.date())
        assert hours is not None
        closes = f"{hours[1]:%H:%M}" if hours[1] else "24:00"
        return (
            f"{self.subject} is closed at {local:%H:%M} on {day} (open from {hours[0]:%H:%M} to {closes}), "
            f"by {self.source}"
        )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())
