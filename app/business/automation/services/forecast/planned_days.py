"""The planned times of each day, with sums that are worked out without making a time of each."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import chain, pairwise
from operator import attrgetter
from typing import NamedTuple, Self

from app.business.accounts.services.scope import Scope
from app.business.automation.services.forecast.planned_times import (
    PlannedLine,
    PlannedTime,
    planned_lines,
    planned_rows,
)
from app.business.automation.services.rules.known_rules import RulesRead
from app.business.automation.services.schedules.calendar import Occurrence, Schedule, occurrences
from app.business.automation.services.schedules.due_minutes import due_minutes, minute_of, minutes_after

TINY = datetime.resolution
TOGETHER = 3
"""Rules that start in the same minute and are worth a mark."""


class DueLine(NamedTuple):
    """A rule's times of a day, by the minutes of the day at which they are due."""

    line: PlannedLine
    minutes: int


@dataclass(frozen=True)
class DueLines:
    """Rules with the minutes of a day at which they are due. Days on which all are due at the same minutes share it, so
    that their sums are worked out once."""

    lines: Sequence[DueLine] = ()

    @cached_property
    def count(self) -> int:
        return sum(minutes.bit_count() for _, minutes in self.lines)

    @cached_property
    def runs_of_rules(self) -> Counter[int]:
        """How many times run, by rule."""
        runs: Counter[int] = Counter()
        for line, minutes in self.lines:
            runs[line.rule_id] += minutes.bit_count()
        return runs

    @cached_property
    def starting(self) -> int:
        """How many times run."""
        return self.runs_of_rules.total()

    @cached_property
    def minutes_of_rules(self) -> Mapping[int, int]:
        """The minutes of the day at which runs start, by rule."""
        found: dict[int, int] = defaultdict(int)
        for line, minutes in self.lines:
            found[line.rule_id] |= minutes
        return found

    @cached_property
    def collisions(self) -> int:
        """Minutes in which many rules start together."""
        return _collisions(self.minutes_of_rules.values())


NOTHING_DUE = DueLines()


@dataclass(frozen=True)
class PlannedDay:
    """The times in [begin, end). single: those that are known one by one · due: the others."""

    begin: datetime
    end: datetime
    single: Sequence[PlannedTime] = ()
    due: DueLines = NOTHING_DUE

    @property
    def count(self) -> int:
        """Of all times, also of those that closed days leave out."""
        return len(self.single) + self.due.count

    @cached_property
    def times(self) -> Sequence[PlannedTime]:
        """All of them in order."""
        return sorted([*self.single, *self._times_of_lines()], key=_in_order)

    @property
    def runs_of_rules(self) -> Counter[int]:
        """How many times run, by rule."""
        if not self.single:
            return self.due.runs_of_rules
        return self.due.runs_of_rules + Counter(time.rule_id for time in self.single if time.runs)

    @property
    def starting(self) -> int:
        """How many times run."""
        return self.due.starting + sum(time.runs for time in self.single)

    @property
    def collisions(self) -> int:
        """Minutes in which many rules start together."""
        if not self.single:
            return self.due.collisions
        found = defaultdict(int, self.due.minutes_of_rules)
        for time in self.single:
            if time.runs:
                found[time.rule_id] |= 1 << minute_of(time.at, self.begin)
        return _collisions(found.values())

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
        for line, minutes in self.due.lines:
            if line.schedule not in walked:
                walked[line.schedule] = [*occurrences(line.schedule, self.begin - TINY, self.end - TINY)]
            due = (time for time in walked[line.schedule] if minutes >> minute_of(time.utc, self.begin) & 1)
            yield from line.times(due, self.begin - TINY, self.end - TINY)


def planned_days(
    rules: RulesRead, scope: Scope, since: datetime, starts: Sequence[datetime], most: int
) -> tuple[list[PlannedDay], int | None]:
    """The days that begin at `starts`, of which the last one ends the day before, with the first `most` times after
    `since`; and the number of the first day that lacks some."""
    until = starts[-1] - TINY
    planned = _Planned.read(rules, scope, since, until) if since < until else _Planned()
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


def rules_in(days: Sequence[PlannedDay]) -> set[int]:
    """The rules of which times run."""
    alike = {id(day.due): day.due for day in days}
    return {
        *chain.from_iterable(due.runs_of_rules for due in alike.values()),
        *(time.rule_id for day in days for time in day.single if time.runs),
    }


@dataclass
class _Planned:
    """What is planned. single: times that are known one by one, in order · closed: lines with days on which some of
    their times are left out · lines: the others, by their schedule."""

    single: list[PlannedTime] = field(default_factory=list)
    closed: list[PlannedLine] = field(default_factory=list)
    lines: dict[Schedule, list[PlannedLine]] = field(default_factory=lambda: defaultdict(list))
    _alike: dict[tuple[int, ...], DueLines] = field(default_factory=dict)

    @classmethod
    def read(cls, rules: RulesRead, scope: Scope, since: datetime, until: datetime) -> Self:
        planned = cls(planned_rows(rules, scope, since, until))
        for line in planned_lines(rules, scope, since, until):
            if line.closed.may_move or not line.schedule.cron:
                planned.single += line.times(occurrences(line.schedule, line.since, until), since, until)
            elif line.closed.obeyed:
                planned.closed.append(line)
            else:
                planned.lines[line.schedule].append(line)
        planned.single.sort(key=_in_order)
        return planned

    def on(self, begin: datetime, end: datetime) -> PlannedDay:
        first = bisect_left(self.single, begin, key=_AT)
        last = bisect_left(self.single, end, first, key=_AT)
        single, until = self.single[first:last], end - TINY
        for line in self.closed:
            since = max(line.since, begin - TINY)
            single += line.times(occurrences(line.schedule, since, until), since, until)
        return PlannedDay(begin, end, single, self._due_on(begin, end))

    def _due_on(self, begin: datetime, end: datetime) -> DueLines:
        minutes: list[int] = []
        for schedule, lines in self.lines.items():
            of_day = due_minutes(schedule, begin, end)
            minutes += [_since(line, of_day, begin) for line in lines]
        key = tuple(minutes)
        if key not in self._alike:
            lines_of_day = zip(chain.from_iterable(self.lines.values()), minutes, strict=True)
            self._alike[key] = DueLines([DueLine(line, due) for line, due in lines_of_day if due])
        return self._alike[key]


def _since(line: PlannedLine, minutes: int, begin: datetime) -> int:
    return minutes if line.since < begin else minutes_after(minutes, line.since, begin)


def _collisions(minutes_of_rules: Iterable[int]) -> int:
    # Number n of these: in which at least n + 1 rules start.
    levels = [0] * TOGETHER
    for minutes in minutes_of_rules:
        for number in reversed(range(1, TOGETHER)):
            levels[number] |= levels[number - 1] & minutes
        levels[0] |= minutes
    return levels[-1].bit_count()


_AT = attrgetter("at")


def _in_order(time: PlannedTime) -> tuple[datetime, int, int]:
    return time.at, time.rule_id, time.site_id or 0
