"""How long credits last: each rule's pace projected day by day, with a range for its variation.

Pure arithmetic, so the same data give the same dates. The likely course is the sum of the rules' paces within their
budgets. A low and a high course surround it: their distance follows from the deviation of past days from the same paces
(including autocorrelation), and from the uncertainty of a pace measured over so few days. Use by runs that wait for
credits is not included.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import sqrt

from app.business.automation.services.forecast.pace import SpendingPace, Stream, measure, weights
from app.business.billing.models import Rollover

SPAN = 30
"""Days for which the use of each rule is shown, unless others are asked for."""
WIDTH = 1.6
"""Standard deviations between the likely course and the low or high one: the run-out day was within the range in
more than nine of ten back-tested months."""
DEFAULT_DEVIATION = 0.35
"""Relative deviation of a day from its rule's pace where little is known."""
USUAL_DAYS = 3.0
"""Weight of the default deviation, in days."""
DRIFT = 0.08
"""Relative change of pace over the period."""
NEW_RULE = 0.5
"""Relative error of a rule's pace after half a due day; it shrinks with every day measured."""
AUTOCORRELATION_CAP = 0.5
"""Upper bound of the autocorrelation between deviations of consecutive days."""
ROUNDING_TOLERANCE = 1e-6
"""Rounding error of sums of fractions, in credits."""


@dataclass(frozen=True)
class Cap:
    """A budget: `left` in the present period, `limit` in each new one."""

    limit: float
    left: float


@dataclass(frozen=True)
class Funds:
    """Available credits, and what limits their use. grants_on: coming days that begin with a grant.

    left_of_today: 0 to 1.
    """

    available: int
    grant: int = 0
    grants_on: Sequence[date] = ()
    rollover: str = Rollover.ADD
    rollover_cap: int | None = None
    ceiling: Cap | None = None
    rules: Mapping[int, Cap] = field(default_factory=dict)
    sites: Mapping[int, Cap] = field(default_factory=dict)
    left_of_today: float = 1


@dataclass(frozen=True)
class Point:
    """Credits at a day's end: likely, and the range from `low` to `high`."""

    on: date
    likely: float
    low: float
    high: float


@dataclass(frozen=True)
class Forecast:
    """`runs_out` and its range; None = not within the period. uses: credits of its first days (`span`) by rule."""

    points: Sequence[Point]
    grants_on: Sequence[date]
    runs_out: date | None
    earliest: date | None
    latest: date | None
    uses: Mapping[int | None, float]

    @property
    def used(self) -> float:
        """Credits that all rules use in these days."""
        return sum(self.uses.values())

    @property
    def next_grant_on(self) -> date | None:
        return min(self.grants_on, default=None)

    def share(self, rule_id: int | None) -> float | None:
        """A rule's share of the use, 0 to 1; None where nothing is used."""
        return self.uses.get(rule_id, 0) / self.used if self.used else None

    @property
    def left_at_grant(self) -> Point | None:
        """Credits left on the last day before the next grant."""
        grant_on = self.next_grant_on
        before = [point for point in self.points if grant_on and point.on < grant_on]
        return before[-1] if before else None


@dataclass(frozen=True)
class _Spread:
    """day: variance of one day, as a share of its use squared; level: the same for the pace as a whole."""

    day: float
    level: float


def make_forecast(
    funds: Funds,
    streams: Sequence[Stream],
    days: Sequence[date],
    coming: Sequence[date],
    span: int = SPAN,
) -> Forecast:
    """Project the streams from the past `days` to the `coming` ones; the first of these is the rest of today.

    span: days for which the use of each rule is added up.
    """
    paces = [measure(stream, days) for stream in streams]
    wanted, uses = _wanted(funds, streams, paces, coming, span)
    low_use, high_use = _range(wanted, _spread(streams, paces, days), funds.ceiling)
    likely, runs_out = _course(funds, coming, wanted)
    low, earliest = _course(funds, coming, high_use)
    high, latest = _course(funds, coming, low_use)
    points = [Point(*figures) for figures in zip(coming, likely, low, high, strict=True)]
    return Forecast(points, tuple(funds.grants_on), runs_out, earliest, latest, uses)


def _wanted(
    funds: Funds,
    streams: Sequence[Stream],
    paces: Sequence[SpendingPace],
    coming: Sequence[date],
    span: int,
) -> tuple[list[float], dict[int | None, float]]:
    """Credits of each coming day within all budgets, and of the first `span` days by rule."""
    left = _Left(funds)
    waiting = [stream.waiting * stream.factor for stream in streams]
    wanted, uses = [], defaultdict(float, {stream.rule_id: 0.0 for stream in streams})
    for number, day in enumerate(coming):
        left.begin(day, is_first=number == 0)
        asked = []
        for index, (stream, pace) in enumerate(zip(streams, paces, strict=True)):
            use, taken = _of_day(stream, pace.on(day), stream.due[number], waiting[index])
            waiting[index] -= taken
            asked.append(left.within_budgets(stream, use))
        part = left.within_ceiling(sum(asked))
        wanted.append(sum(asked) * part)
        within = 1.0 if number < span else 1 - funds.left_of_today if number == span else 0.0
        for stream, use in zip(streams, asked, strict=True):
            uses[stream.rule_id] += use * part * within
    return wanted, dict(uses)


def _of_day(stream: Stream, pace: float, due: float, waiting: float) -> tuple[float, float]:
    """The stream's use of a day, and how much of it is for waiting records."""
    usual = stream.factor * pace * due
    most = usual + waiting if stream.most is None else stream.most * due
    usual = min(usual, most)
    taken = min(waiting, most - usual) if due else 0.0
    return usual + taken, taken


class _Left:
    """What is left of the budgets from day to day."""

    def __init__(self, funds: Funds) -> None:
        self.funds = funds
        self.ceiling = funds.ceiling.left if funds.ceiling else None
        self.rules = {key: cap.left for key, cap in funds.rules.items()}
        self.sites = {key: cap.left for key, cap in funds.sites.items()}

    def begin(self, day: date, *, is_first: bool) -> None:
        """Start a day: a new daily ceiling, and on the first of a month new monthly budgets."""
        if is_first:
            return
        if self.funds.ceiling:
            self.ceiling = self.funds.ceiling.limit
        if day.day == 1:
            self.rules = {key: cap.limit for key, cap in self.funds.rules.items()}
            self.sites = {key: cap.limit for key, cap in self.funds.sites.items()}

    def within_budgets(self, stream: Stream, use: float) -> float:
        """The part of `use` that the monthly budgets of rule and site still cover; deducts it from them."""
        for left, key in ((self.rules, stream.rule_id), (self.sites, stream.site_id)):
            if key in left:
                use = min(use, left[key])
        for left, key in ((self.rules, stream.rule_id), (self.sites, stream.site_id)):
            if key in left:
                left[key] -= use
        return use

    def within_ceiling(self, use: float) -> float:
        """The share of `use` that the daily ceiling allows."""
        return 1.0 if self.ceiling is None or use <= self.ceiling else max(self.ceiling, 0) / use


def _spread(streams: Sequence[Stream], paces: Sequence[SpendingPace], days: Sequence[date]) -> _Spread:
    """Deviation of past days from the paces, over all rules together, so that correlations between rules count."""
    usual, deviations = [0.0] * len(days), [0.0] * len(days)
    for stream, pace in zip(streams, paces, strict=True):
        for number, day in enumerate(days):
            fitted = pace.on(day) * stream.on[number]
            usual[number] += stream.factor * fitted
            deviations[number] += stream.factor * (stream.used[number] - fitted)
    counted = [weight if use else 0.0 for weight, use in zip(weights(days), usual, strict=True)]
    square = _weighted(counted, usual) / sum(counted) if any(counted) else 0.0
    lent = USUAL_DAYS * square
    share = (_weighted(counted, deviations) + DEFAULT_DEVIATION**2 * lent) / (
        _weighted(counted, usual) + lent or 1
    )
    of_day = (share or DEFAULT_DEVIATION**2) * _autocorrelation(counted, deviations)
    seen = sum(counted) ** 2 / (sum(weight**2 for weight in counted) or 1)
    level = of_day / max(seen, 1) + DRIFT**2 + _of_new_rules(streams, paces)
    return _Spread(of_day, level)


def _weighted(counted: Sequence[float], values: Sequence[float]) -> float:
    return sum(weight * value**2 for weight, value in zip(counted, values, strict=True))


def _autocorrelation(counted: Sequence[float], deviations: Sequence[float]) -> float:
    """Factor by which autocorrelation increases the variance of a sum of days."""
    pairs = zip(counted[1:], deviations, deviations[1:], strict=False)
    together = sum(weight * before * after for weight, before, after in pairs)
    share = together / (_weighted(counted, deviations) or 1)
    share = min(max(share, 0.0), AUTOCORRELATION_CAP)
    return (1 + share) / (1 - share)


def _of_new_rules(streams: Sequence[Stream], paces: Sequence[SpendingPace]) -> float:
    """Variance due to rules with little history, by their share of the use."""
    use = [stream.factor * (sum(pace.by_weekday) + stream.waiting) for stream, pace in _pairs(streams, paces)]
    total = sum(use) or 1
    unsure = (NEW_RULE**2 / (pace.seen + 0.5) for pace in paces)
    return sum((part / total) ** 2 * doubt for part, doubt in zip(use, unsure, strict=True))


def _pairs(streams: Sequence[Stream], paces: Sequence[SpendingPace]) -> list[tuple[Stream, SpendingPace]]:
    return list(zip(streams, paces, strict=True))


def _range(wanted: Sequence[float], spread: _Spread, ceiling: Cap | None) -> tuple[list[float], list[float]]:
    """The lowest and the highest use of each day; their sums are the bounds of the range."""
    least, most = [], []
    total = variance = low_before = high_before = 0.0
    for number, use in enumerate(wanted):
        total += use
        variance += spread.day * use**2
        width = WIDTH * sqrt(variance + spread.level * total**2)
        low, high = max(total - width, low_before), max(total + width, high_before)
        bound = None if ceiling is None else ceiling.left if number == 0 else ceiling.limit
        least.append(low - low_before)
        most.append(high - high_before if bound is None else min(high - high_before, max(bound, 0)))
        low_before, high_before = low, high
    return least, most


def _course(funds: Funds, coming: Sequence[date], uses: Sequence[float]) -> tuple[list[float], date | None]:
    """The balance at each day's end, and the first day whose use exceeds it."""
    balance, runs_out, balances = float(funds.available), None, []
    for day, use in zip(coming, uses, strict=True):
        if day in funds.grants_on:
            balance = funds.grant + _carried_over(funds, balance)
        if use > balance + ROUNDING_TOLERANCE and runs_out is None:
            runs_out = day
        balance = max(balance - use, 0.0)
        balances.append(balance)
    return balances, runs_out


def _carried_over(funds: Funds, balance: float) -> float:
    if funds.rollover == Rollover.RESET:
        return 0.0
    if funds.rollover == Rollover.CAP and funds.rollover_cap is not None:
        return min(balance, funds.rollover_cap)
    return balance
