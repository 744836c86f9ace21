"""How many credits a rule uses per due day, estimated from past days: by weekday, with recent days weighted higher."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

HALF_LIFE = 14
"""Half-life of a day's weight, in days."""
ENOUGH = 3
"""Number of due days after which measurements alone count, without the estimate by prices."""
SHARED = 1.0
"""Weight of the common mean in those of working days and weekends, in days."""
SHARED_IN_WEEK = 3.0
"""Weight of that mean in the ones of single weekdays, in days: four Mondays are few."""
WEEKEND = (5, 6)


@dataclass(frozen=True)
class Stream:
    """The use of one rule on one site (None: all sites), and the coming days on which it is due.

    rule_id None: runs started by people and programs. used, on: for each past day, oldest first, the credits, and the
    share of the day on which the rule was on and due. due: that share of each coming day; today only the rest.
    estimated_use: credits of a due day by prices. waiting: credits for records that wait already, used first. most:
    upper bound per day. factor: 1, or the change being tried.
    """

    rule_id: int | None
    site_id: int | None
    used: Sequence[float]
    on: Sequence[float]
    due: Sequence[float]
    estimated_use: float = 0
    waiting: float = 0
    most: float | None = None
    factor: float = 1

    def times(self, factor: float) -> "Stream":
        """The same stream with another factor."""
        return replace(self, factor=factor)


@dataclass(frozen=True)
class SpendingPace:
    """Credits of a whole due day by weekday, Monday first; `seen`: the number of due days measured."""

    by_weekday: tuple[float, ...]
    seen: float

    def on(self, day: date) -> float:
        """Expected credits if the rule is due all of that day."""
        return self.by_weekday[day.weekday()]


def weights(days: Sequence[date]) -> list[float]:
    """Weight of each past day, highest for the last one."""
    return [0.5 ** ((len(days) - 1 - number) / HALF_LIFE) for number in range(len(days))]


def measure(stream: Stream, days: Sequence[date]) -> SpendingPace:
    """The pace measured over the past `days`; with few due days the estimate by prices is mixed in."""
    lines = list(zip(days, stream.used, stream.on, weights(days), strict=True))
    seen = sum(stream.on)
    mean = _mean(lines, stream.estimated_use, max(0.0, 1 - seen / ENOUGH))
    by_weekday = []
    for weekday in range(7):
        kind = [line for line in lines if (line[0].weekday() in WEEKEND) == (weekday in WEEKEND)]
        of_kind = _mean(kind, mean, SHARED)
        same = [line for line in kind if line[0].weekday() == weekday]
        by_weekday.append(_mean(same, of_kind, SHARED_IN_WEEK))
    return SpendingPace(tuple(by_weekday), seen)


def _mean(lines: Sequence[tuple[date, float, float, float]], known: float, strength: float) -> float:
    """Weighted mean per due day, with `known` as a prior of `strength` days."""
    used = strength * known + sum(weight * used for _, used, _, weight in lines)
    due = strength + sum(weight * on for _, _, on, weight in lines)
    return used / due if due else known
