"""How many credits a rule uses on a due day, learnt from the days behind us: by weekday, late days counting more."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

HALF_LIFE = 14
"""Days after which a day counts half."""
ENOUGH = 3
"""Due days after which what was measured stands alone, without the estimated price."""
SHARED = 1.0
"""Days that working days and weekends lend each other."""
SHARED_IN_WEEK = 3.0
"""Days that the weekdays of one kind lend each other: four Mondays are few."""
WEEKEND = (5, 6)


@dataclass(frozen=True)
class Stream:
    """What one rule used on one site (None: not kept apart), and on which coming days it is due.

    rule_id None: what people and programs started. used, on: of each past day, oldest first, the credits, and the
    share of the day on which the rule was on and due. due: the same share of each coming day, of today its rest.
    estimated_use: credits of a due day by its price. waiting: credits for records that wait already, taken first.
    most: what a day can never pass. factor: 1, or what somebody wants to try.
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
        """The same rule used more or less."""
        return replace(self, factor=factor)


@dataclass(frozen=True)
class SpendingPace:
    """Credits of a whole due day by weekday, Monday first; `seen`: how many due days it was learnt from."""

    by_weekday: tuple[float, ...]
    seen: float

    def on(self, day: date) -> float:
        """Credits expected if the rule is due all of that day."""
        return self.by_weekday[day.weekday()]


def weights(days: Sequence[date]) -> list[float]:
    """How much each past day counts, the last one most."""
    return [0.5 ** ((len(days) - 1 - number) / HALF_LIFE) for number in range(len(days))]


def measure(stream: Stream, days: Sequence[date]) -> SpendingPace:
    """The pace of the past `days`; with few of them the estimated price is used."""
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
    """Credits of a due day by these lines, with `strength` days of what is `known` besides."""
    used = strength * known + sum(weight * used for _, used, _, weight in lines)
    due = strength + sum(weight * on for _, _, on, weight in lines)
    return used / due if due else known
