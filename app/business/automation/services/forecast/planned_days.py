"""The planned times of each day, with sums that are worked out without making a time of each."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple, Self

from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.services.forecast.planned_times import (
    PlannedLine,
    PlannedTime,
    planned_lines,
    planned_rows,
)
from app.business.automation.services.schedules.calendar import Occurrence, Schedule, occurrences
from app.business.automation.services.schedules.due_minutes import due_minutes, minute_of, minutes_after

TINY = datetime.resolution


class DueLine(NamedTuple):
    """A rule's times of a day, by the minutes of the day at which they are due."""

    line: PlannedLine
    minutes: int


@dataclass(frozen=True)
class PlannedDay:
    """The times in [begin, end). single: those that are known one by one · lines: the others."""

    begin: datetime
    end: datetime
    single: Sequence[PlannedTime] = ()
    lines: Sequence[DueLine] = ()

    @property
    def count(self) -> int:
        """Of all times, also of those that closed days leave out."""
        return len(self.single) + sum(minutes.bit_count() for _, minutes in self.lines)

    @cached_property
    def times(self) -> Sequence[PlannedTime]:
        """All of them in order."""
        return sorted([*self.single, *self._times_of_lines()], key=_in_order)

    @cached_property
    def runs_of_rules(self) -> Counter[int]:
        """How many times run, by rule."""
        runs = Counter(time.rule_id for time in self.single if time.runs)
        for line, minutes in self.lines:
            runs[line.rule_id] += minutes.bit_count()
        return runs

    @cached_property
    def minutes_of_rules(self) -> Mapping[int, int]:
        """The minutes of the day at which runs start, by rule."""
        found: dict[int, int] = defaultdict(int)
        for time in self.single:
            if time.runs:
                found[time.rule_id] |= 1 << minute_of(time.at, self.begin)
        for line, minutes in self.lines:
            found[line.rule_id] |= minutes
        return found

    def crowded(self, rules: int) -> int:
        """Minutes in which so many rules start, or more."""
        # Number n of these: in which at least n + 1 rules start.
        levels = [0] * rules
        for minutes in self.minutes_of_rules.values():
            for number in reversed(range(1, rules)):
                levels[number] |= levels[number - 1] & minutes
            levels[0] |= minutes
        return levels[-1].bit_count()

    def together(self, at: datetime) -> int:
        """How many rules start in that minute."""
        return self._rules_at[minute_of(at, self.begin)]

    def first(self, count: int) -> "PlannedDay":
        """The same day with its first times only."""
        return PlannedDay(self.begin, self.end, self.times[:count])

    @cached_property
    def _rules_at(self) -> Counter[int]:
        starts = {(minute_of(time.at, self.begin), time.rule_id) for time in self.times if time.runs}
        return Counter(minute for minute, _ in starts)

    def _times_of_lines(self) -> Iterator[PlannedTime]:
        walked: dict[Schedule, list[Occurrence]] = {}
        for line, minutes in self.lines:
            if line.schedule not in walked:
                walked[line.schedule] = [*occurrences(line.schedule, self.begin - TINY, self.end - TINY)]
            due = (time for time in walked[line.schedule] if minutes >> minute_of(time.utc, self.begin) & 1)
            yield from line.times(due, self.begin - TINY, self.end - TINY)


def planned_days(
    session: Session, scope: Scope, since: datetime, starts: Sequence[datetime], most: int
) -> tuple[list[PlannedDay], int | None]:
    """The days that begin at `starts`, of which the last one ends the day before, with the first `most` times after
    `since`; and the number of the first day that lacks some."""
    until = starts[-1] - TINY
    planned = _Planned.read(session, scope, since, until) if since < until else _Planned()
    days, left, incomplete = list[PlannedDay](), most, None
    for number, (begin, end) in enumerate(pairwise(starts)):
        if incomplete is not None:
            days.append(PlannedDay(begin, end))
            continue
        day = planned.on(begin, end)
        if day.count > left:
            day, incomplete = day.first(left), number
        days.append(day)
        left -= day.count
    return days, incomplete


@dataclass
class _Planned:
    """What is planned. single: times that are known one by one, in order · closed: lines with days on which some of
    their times are left out · lines: the others."""

    single: list[PlannedTime] = field(default_factory=list)
    closed: list[PlannedLine] = field(default_factory=list)
    lines: list[PlannedLine] = field(default_factory=list)

    @classmethod
    def read(cls, session: Session, scope: Scope, since: datetime, until: datetime) -> Self:
        planned = cls(planned_rows(session, scope, since, until))
        for line in planned_lines(session, scope, since, until):
            if line.closed.may_move or not line.schedule.cron:
                planned.single += line.times(occurrences(line.schedule, line.since, until), since, until)
            else:
                (planned.closed if line.closed.obeyed else planned.lines).append(line)
        planned.single.sort(key=_in_order)
        return planned

    def on(self, begin: datetime, end: datetime) -> PlannedDay:
        first = bisect_left(self.single, begin, key=_AT)
        last = bisect_left(self.single, end, first, key=_AT)
        single, until = self.single[first:last], end - TINY
        for line in self.closed:
            since = max(line.since, begin - TINY)
            single += line.times(occurrences(line.schedule, since, until), since, until)
        lines = (DueLine(line, _minutes(line, begin, end)) for line in self.lines if line.since < end)
        return PlannedDay(begin, end, single, [one for one in lines if one.minutes])


def _minutes(line: PlannedLine, begin: datetime, end: datetime) -> int:
    minutes = due_minutes(line.schedule, begin, end)
    return minutes if line.since < begin else minutes_after(minutes, line.since, begin)


_AT = attrgetter("at")


def _in_order(time: PlannedTime) -> tuple[datetime, int, int]:
    return time.at, time.rule_id, time.site_id or 0
