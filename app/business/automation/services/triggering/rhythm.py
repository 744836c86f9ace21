"""How often something usually happens, from when it has happened: how long a silence is unusual.

Time is measured by what usually happens in it: an hour of the night counts nothing where nights are quiet. The rate of
each hour of the day is learned, for working days and weekends apart, from the weeks behind.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median, quantiles
from zoneinfo import ZoneInfo

FEWEST = 12
"""With fewer events nothing is said."""
SHORTEST_SPAN = timedelta(days=15)
"""Two weekends at least, so that quiet ones are known."""
AHEAD = timedelta(days=60)
LEAST = timedelta(hours=1)
USUAL_GAPS = 3
LONGER_THAN_EVER = 1.5
"""Times the longest silence that is known."""
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
    times: Sequence[datetime], by_hour: Mapping[datetime, int], zone: ZoneInfo, start: datetime
) -> Rhythm | None:
    """From `start` on, after which nothing has happened; None while too little is known.

    times: the latest, oldest first, in UTC · by_hour: number of them by the hour, over all the weeks that are known.
    """
    if len(times) < FEWEST or not by_hour or start - min(by_hour) < SHORTEST_SPAN:
        return None
    clock = _Clock(by_hour, zone, start)
    marks = [clock.at(time) for time in times]
    gaps = sorted(after - before for before, after in pairwise(marks))
    usual = quantiles(gaps, n=20)[-1]
    unusual = min(USUAL_GAPS * usual, max(2.5 * median(gaps), LONGER_THAN_EVER * gaps[-1]))
    unusual = max(unusual, clock.busiest_hour)
    begun = clock.at(start)
    usual_by, silent_from = clock.when(begun + usual), clock.when(begun + unusual)
    if usual_by is None or silent_from is None:
        return None
    return Rhythm(usual_by, max(silent_from, start + LEAST))


class _Clock:
    """Turns instants into what has usually happened until then, and back."""

    def __init__(self, by_hour: Mapping[datetime, int], zone: ZoneInfo, now: datetime) -> None:
        self.first = min(by_hour)
        bins = _bins(self.first, now + AHEAD, zone)
        known = Counter(bins[: int((now - self.first) / HOUR) + 1])
        happened: dict[tuple[bool, int], float] = defaultdict(float)
        for hour, count in by_hour.items():
            weekend, of_day = _bin(hour, zone)
            for by, part in SPREAD:
                happened[weekend, (of_day + by) % 24] += count * part
        rates = {here: happened[here] / known[here] for here in known}
        self.busiest_hour = max(rates.values())
        """Nothing shorter than an hour of the busiest time is a silence."""
        self.marks = [0.0]
        for here in bins:
            self.marks.append(self.marks[-1] + rates.get(here, 0))

    def at(self, time: datetime) -> float:
        hours = (time - self.first) / HOUR
        place = min(max(int(hours), 0), len(self.marks) - 2)
        return self.marks[place] + (self.marks[place + 1] - self.marks[place]) * (hours - place)

    def when(self, mark: float) -> datetime | None:
        """The first instant that has this mark; None where it lies too far ahead."""
        place = bisect_left(self.marks, mark)
        if place >= len(self.marks):
            return None
        if place == 0:
            return self.first
        before, after = self.marks[place - 1], self.marks[place]
        return self.first + (place - 1 + (mark - before) / (after - before)) * HOUR


def _bins(first: datetime, until: datetime, zone: ZoneInfo) -> list[tuple[bool, int]]:
    """The kind of each hour. The zone is asked once for each day, so a change of clocks counts from the next on."""
    found: list[tuple[bool, int]] = []
    for start in range(0, int((until - first) / HOUR) + 1, 24):
        local = first.astimezone(UTC) + start * HOUR
        local = local.astimezone(zone).replace(tzinfo=None)
        for number in range(24):
            at = local + number * HOUR
            found.append((at.weekday() >= SATURDAY, at.hour))
    return found


def _bin(hour: datetime, zone: ZoneInfo) -> tuple[bool, int]:
    local = hour.astimezone(zone)
    return local.weekday() >= SATURDAY, local.hour
