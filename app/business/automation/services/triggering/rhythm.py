"""How often something usually happens, from when it has happened: how long a silence is unusual.

Time is measured as *active time*: by what usually happens in it. An hour of the night counts nothing where nights are
quiet, and an hour of a busy morning more than one of a slow afternoon. The rate of each hour of the day is learned, for
working days and weekends apart where they differ, from the weeks behind.

A *gap* is an hour or more without anything, or as long as two and a half events take in the busiest hour where that
is less; and *usual* if 19 of 20 are no longer, in active time. (Six imports within half an hour have five pauses of
minutes between them, which say nothing about the next morning; nor does the median say how long a gap may be.) What is
promised of alarms holds for this gap: a stop is named within three usual gaps, by the hours in which something really
may happen, and a silence that ends by itself at most once in a quarter.

Shorter is not to be had where events come by chance, each independent of the others. Of m of them m / e^k come after
more than k average gaps: three average ones would be passed 50 times in 1,000. 19 of 20 are shorter than 3.0 average
ones; three times that, 9.0, is passed once in 8,100, so .4 times in a quarter with fifty events a working day, of which
every sixteenth would have two false alarms or more. Hence short gaps do not count: without them what is usual is 5.5
average gaps, and three times that is passed once in 14 million.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate, pairwise
from math import sqrt
from statistics import median
from zoneinfo import ZoneInfo

FEWEST = 12
"""With fewer events nothing is said."""
SHORTEST_SPAN = timedelta(days=22)
"""Three weekends at least, so that quiet ones are known."""
AHEAD_DAYS = 90
LEAST = timedelta(minutes=10)
"""Nothing shorter is a silence."""
LONGEST_PAUSE = timedelta(hours=1)
"""Whatever is longer is a gap, however rarely something happens."""
USUAL_GAPS, SHORT_USUAL_GAPS = 2.68, 2.4
"""Named after so many: three are promised, and what eight weeks teach of the hours is not exact; of gaps shorter than
an hour even less so, and of them fewer are passed by chance.
"""
OF_A_REGULAR_RULE = 2.4
"""Median gaps: a rule whose gaps are all alike is named before three of them have passed."""
ALIKE = 2
"""Gaps are, if the longest is at most so many median ones."""
LONGER_THAN_EVER, LONGER_WHERE_ALIKE = 2, 1.5
"""Times the longest gap that is known."""
LONGER_GAPS = 1 / 20
"""The part of all gaps that is longer than a usual one."""
IN_GAPS = 1 / 10
"""The part of active time that lies in gaps, where they mean anything."""
HOUR = timedelta(hours=1)
SPREAD = 0.25
"""The part of what happened in an hour that could have happened in each of those beside it; of one event a day."""
BY_CHANCE = 4
"""Standard deviations."""
WEEKENDS_LIKE_OTHER_DAYS = (2 / 3, 3 / 2)
"""Times what happens on working days."""
SATURDAY = 5


@dataclass(frozen=True)
class Rhythm:
    """usual_by: when the next one was to be expected · silent_from: from when on the silence is unusual."""

    usual_by: datetime
    silent_from: datetime


def rhythm_of(
    times: Sequence[datetime],
    by_hour: Mapping[datetime, int],
    zone: ZoneInfo,
    start: datetime,
    interruptions: Sequence[datetime] = (),
) -> Rhythm | None:
    """From `start` on, after which nothing has happened; None while too little is known.

    times: the latest, oldest first, in UTC · by_hour: number of them by the hour, over all the weeks that are known
    · interruptions: ends of times in which nobody listened, whose gaps count for nothing.
    """
    if len(times) < FEWEST or not by_hour or start - min(by_hour) < SHORTEST_SPAN:
        return None
    clock = ActiveTime(by_hour, zone, start)
    gaps = _gaps(times, clock, interruptions)
    if gaps is None:
        return None
    begun = clock.at(start)
    usual_by, silent_from = clock.when(begun + gaps.usual), clock.when(begun + gaps.unusual)
    if usual_by is None or silent_from is None:
        return None
    return Rhythm(usual_by, max(silent_from, start + LEAST))


@dataclass(frozen=True)
class Gaps:
    """In active time, with what 19 of 20 do not exceed, and the median of all, short ones too. are_short: some last
    less than an hour, and what is no gap is left out.
    """

    usual: float
    longest: float
    median: float
    are_short: bool

    @property
    def unusual(self) -> float:
        """How long a silence is one."""
        is_regular = self.longest <= ALIKE * self.median
        longer = (LONGER_WHERE_ALIKE if is_regular else LONGER_THAN_EVER) * self.longest
        usual_gaps = SHORT_USUAL_GAPS if self.are_short else USUAL_GAPS
        return min(usual_gaps * self.usual, max(OF_A_REGULAR_RULE * self.median, longer))


def _gaps(times: Sequence[datetime], clock: "ActiveTime", interruptions: Sequence[datetime]) -> Gaps | None:
    """None where there are too few to judge by, because all came in a few heaps."""
    pause = min(LONGEST_PAUSE, 2.5 * HOUR / clock.busiest_hour)
    spans = [
        (after - before, clock.at(after) - clock.at(before))
        for before, after in pairwise(times)
        if not any(before < end <= after for end in interruptions)
    ]
    every = sorted(active for _, active in spans)
    gaps = sorted(active for span, active in spans if span >= pause)
    if not every or (len(gaps) < FEWEST - 1 and sum(gaps) > sum(every) / 2):
        return None
    if len(gaps) < FEWEST - 1 or sum(gaps) < IN_GAPS * sum(every):
        # What comes as by a clock has no others: they are the nights, and those in which one is missing.
        gaps = every
    usual = gaps[-1 - int(LONGER_GAPS * len(gaps))]
    return Gaps(usual, gaps[-1], median(every), are_short=gaps is not every and pause < LONGEST_PAUSE)


Kind = tuple[bool, int]
"""Of an hour: whether it is one of a weekend, and which of the day."""
Day = tuple[Kind, ...]
"""24 hours, from any on."""


class ActiveTime:
    """Turns instants into what has usually happened until then, and back."""

    def __init__(self, by_hour: Mapping[datetime, int], zone: ZoneInfo, now: datetime) -> None:
        self.first = min(by_hour)
        known = int((now - self.first) / HOUR) + 1
        days = _days(self.first, known // 24 + AHEAD_DAYS, zone)
        rates = _rates(by_hour, zone, [kind for day in days[: known // 24 + 1] for kind in day][:known])
        self.busiest_hour = max(rates.values())
        """What happens in it."""
        shapes = {
            day: tuple(accumulate((rates.get(kind, 0) for kind in day), initial=0.0)) for day in set(days)
        }
        self.days = [shapes[day] for day in days]
        """What has happened by each hour of it."""
        self.marks = list(accumulate((shape[-1] for shape in self.days), initial=0.0))
        """What has happened by the start of each day."""

    def at(self, time: datetime) -> float:
        """What has usually happened until then."""
        hours = max((time - self.first) / HOUR, 0.0)
        day = min(int(hours / 24), len(self.days) - 1)
        shape, rest = self.days[day], hours - 24 * day
        hour = min(int(rest), 23)
        return self.marks[day] + shape[hour] + (shape[hour + 1] - shape[hour]) * (rest - hour)

    def when(self, mark: float) -> datetime | None:
        """The first instant that has this mark; None where it lies too far ahead."""
        if mark > self.marks[-1]:
            return None
        day = max(bisect_left(self.marks, mark) - 1, 0)
        shape, rest = self.days[day], mark - self.marks[day]
        hour = min(max(bisect_left(shape, rest), 1), 24) - 1
        happens = shape[hour + 1] - shape[hour]
        return (
            self.first + 24 * day * HOUR + (hour + ((rest - shape[hour]) / happens if happens else 0)) * HOUR
        )


def _rates(by_hour: Mapping[datetime, int], zone: ZoneInfo, known: Sequence[Kind]) -> Mapping[Kind, float]:
    """How many happen in an hour of each kind. known: all hours that have passed."""
    happened, hours = Counter[Kind](), Counter(known)
    for begins, number in by_hour.items():
        happened[_kind(begins.astimezone(zone))] += number
    if _weekends_are_like_other_days(happened, hours):
        happened, hours = _of_all_days(happened), _of_all_days(hours)
    spread: dict[Kind, float] = defaultdict(float)
    for (weekend, hour), count in _levelled(happened).items():
        moved = SPREAD * min(count, hours[weekend, hour])
        for beside, part in ((0, count - 2 * moved), (-1, moved), (1, moved)):
            spread[weekend, (hour + beside) % 24] += part
    return {kind: spread[kind] / passed for kind, passed in hours.items()}


def _levelled(happened: Counter[Kind]) -> dict[Kind, float]:
    """Hours that differ from the others of such days by no more than chance have the same number as they."""
    levelled: dict[Kind, float] = {**happened}
    for of_weekends in (False, True):
        alike = {kind: count for kind, count in happened.items() if kind[0] == of_weekends and count}
        while alike:
            level = sum(alike.values()) / len(alike)
            by_chance = BY_CHANCE * sqrt(level)
            different = [kind for kind, count in alike.items() if abs(count - level) > by_chance]
            if not different:
                levelled |= dict.fromkeys(alike, level)
                break
            for kind in different:
                del alike[kind]
    return levelled


def _weekends_are_like_other_days(happened: Counter[Kind], hours: Counter[Kind]) -> bool:
    least, most = WEEKENDS_LIKE_OTHER_DAYS

    def rate(of_weekends: bool) -> float:
        passed = sum(number for (weekend, _), number in hours.items() if weekend == of_weekends)
        return sum(number for (weekend, _), number in happened.items() if weekend == of_weekends) / passed

    return least * rate(False) <= rate(True) <= most * rate(False)


def _of_all_days(numbers: Counter[Kind]) -> Counter[Kind]:
    """Each hour of the day has what it has on working days and weekends together."""
    return Counter(
        {
            (weekend, hour): numbers[False, hour] + numbers[True, hour]
            for weekend in (False, True)
            for hour in range(24)
        }
    )


def _days(first: datetime, count: int, zone: ZoneInfo) -> list[Day]:
    """The zone is asked once for each, and for each hour of those on which clocks change."""
    starts = [first.astimezone(UTC) + number * 24 * HOUR for number in range(count + 1)]
    local = [start.astimezone(zone) for start in starts]
    return [
        _day(at.hour, _on_weekend(at), _on_weekend(following))
        if at.hour == following.hour
        else tuple(_kind((start + number * HOUR).astimezone(zone)) for number in range(24))
        for start, (at, following) in zip(starts, pairwise(local), strict=False)
    ]


@cache
def _day(hour: int, begins_on_weekend: bool, ends_on_weekend: bool) -> Day:
    before_midnight = [(begins_on_weekend, number) for number in range(hour, 24)]
    return (*before_midnight, *((ends_on_weekend, number) for number in range(hour)))


def _on_weekend(local: datetime) -> bool:
    return local.weekday() >= SATURDAY


def _kind(local: datetime) -> Kind:
    return _on_weekend(local), local.hour
