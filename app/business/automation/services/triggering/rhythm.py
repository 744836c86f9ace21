"""How often something usually happens, from when it has happened: how long a silence is unusual.

Time is measured as *active time*: by what usually happens in it. An hour of the night counts nothing where nights are
quiet, and an hour of a busy morning more than one of a slow afternoon. The rate of each hour of the day is learned, for
working days and weekends apart, from the weeks behind.

A *gap* is an hour or more without anything, and *usual* if 19 of 20 are no longer, in active time. (Six imports within
half an hour have five pauses of minutes between them, which say nothing about the next morning; nor does the median say
how long a gap may be.) What is promised of alarms holds for this gap: a stop is named within three usual gaps, and a
silence that ends by itself is hardly ever named.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from statistics import median
from zoneinfo import ZoneInfo

FEWEST = 12
"""With fewer events nothing is said."""
SHORTEST_SPAN = timedelta(days=22)
"""Three weekends at least, so that quiet ones are known."""
AHEAD_DAYS = 90
LEAST = timedelta(hours=1)
"""Nothing shorter is a gap, nor a silence."""
USUAL_GAPS = 2.75
"""Named after so many: three are promised, and what eight weeks teach of the hours is not exact."""
OF_A_REGULAR_RULE = 2.5
"""Median gaps: a rule whose gaps are all alike is named before three of them have passed."""
LONGER_THAN_EVER = 2
"""Times the longest gap that is known."""
LONGER_GAPS = 1 / 20
"""The part of all gaps that is longer than a usual one."""
HOUR = timedelta(hours=1)
SPREAD = ((-1, 0.25), (0, 0.5), (1, 0.25))
"""What happened in an hour could have happened in the ones beside it."""
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
    usual = gaps[-1 - int(LONGER_GAPS * len(gaps))]
    unusual = min(USUAL_GAPS * usual, max(OF_A_REGULAR_RULE * median(gaps), LONGER_THAN_EVER * gaps[-1]))
    unusual = max(unusual, clock.busiest_hour)
    begun = clock.at(start)
    usual_by, silent_from = clock.when(begun + usual), clock.when(begun + unusual)
    if usual_by is None or silent_from is None:
        return None
    return Rhythm(usual_by, max(silent_from, start + LEAST))


def _gaps(
    times: Sequence[datetime], clock: "ActiveTime", interruptions: Sequence[datetime]
) -> Sequence[float] | None:
    """In active time, the shortest first; None where there are too few to judge by, because all came in a few heaps."""
    spans = [
        (after - before, clock.at(after) - clock.at(before))
        for before, after in pairwise(times)
        if not any(before < end <= after for end in interruptions)
    ]
    gaps = sorted(active for span, active in spans if span >= LEAST)
    if len(gaps) < FEWEST - 1 and sum(gaps) > sum(active for _, active in spans) / 2:
        return None
    # Of what comes all day and night there may be no gap at all.
    return gaps or sorted(active for _, active in spans) or None


Kind = tuple[bool, int]
"""Of an hour: whether it is one of a weekend, and which of the day."""
Day = tuple[int, bool, bool]
"""24 hours: the hour at which they start, and whether they do so, and end, on a weekend."""


class ActiveTime:
    """Turns instants into what has usually happened until then, and back."""

    def __init__(self, by_hour: Mapping[datetime, int], zone: ZoneInfo, now: datetime) -> None:
        self.first = min(by_hour)
        known = int((now - self.first) / HOUR) + 1
        days = _days(self.first, known // 24 + AHEAD_DAYS, zone)
        rates = _rates(
            by_hour, zone, [kind for day in days[: known // 24 + 1] for kind in _hours(day)][:known]
        )
        self.busiest_hour = max(rates.values())
        """Nothing shorter than an hour of the busiest time is a silence."""
        shapes = {
            day: tuple(accumulate((rates.get(kind, 0) for kind in _hours(day)), initial=0.0))
            for day in set(days)
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
    happened: dict[Kind, float] = defaultdict(float)
    for hour, count in by_hour.items():
        local = hour.astimezone(zone)
        for by, part in SPREAD:
            happened[local.weekday() >= SATURDAY, (local.hour + by) % 24] += count * part
    return {kind: happened[kind] / hours for kind, hours in Counter(known).items()}


def _days(first: datetime, count: int, zone: ZoneInfo) -> list[Day]:
    """The zone is asked once for each, so a change of clocks counts from the next one on."""
    starts = ((first.astimezone(UTC) + number * 24 * HOUR).astimezone(zone) for number in range(count))
    return [(at.hour, at.weekday() >= SATURDAY, (at.weekday() + 1) % 7 >= SATURDAY) for at in starts]


def _hours(day: Day) -> list[Kind]:
    start, begins_on_weekend, ends_on_weekend = day
    before_midnight = [(begins_on_weekend, hour) for hour in range(start, 24)]
    return before_midnight + [(ends_on_weekend, hour) for hour in range(start)]
