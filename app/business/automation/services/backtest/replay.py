"""Replay of a rule: what it would have decided, in chronological order, within its limits and without side effects.

The checks have the order of real runs (`gates`). Not replayed: pauses, other rules' use of credits and budgets, the
duration of runs (so neither overlap nor faults), and changes by the work itself. A run is assumed to succeed with all
its records.
"""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from app.business.automation.run_models import Reason
from app.business.automation.services.backtest.prices import Prices
from app.business.automation.services.backtest.trial import Trial
from app.business.automation.services.runs.pricing import longest_within
from app.business.automation.services.runs.waiting import LONGEST_WAIT
from app.business.time_zones import start_of_day

MANY_WAIT = 1_000
"""With more waiting runs than this, those that exceed the daily limit are not evaluated again each day."""


@dataclass
class Opened:
    """A run that would be opened. records: given by events; None where the run selects them itself · refused: why it
    is skipped before all checks."""

    at: datetime
    records: list[int] | None
    site_id: int = 0
    batch_id: int | None = None
    part: int | None = None
    refused: Reason | None = None
    follows: bool = False
    waits_for: Reason | None = None


@dataclass(frozen=True)
class ReplayDecision:
    """The result of an opened run, or of the records of a batch that do not match (`count` of them)."""

    opened: Opened
    at: datetime
    reason: Reason | None
    records: list[int] = field(default_factory=list)
    credits: int = 0
    count: int = 0
    is_waiting: bool = False

    @property
    def runs(self) -> bool:
        """Whether it would have worked."""
        return self.reason is None and not self.is_waiting


@dataclass
class ReplayMoment:
    """One moment: runs to open, and by batch the number of records that do not match."""

    at: datetime
    opened: list[Opened] = field(default_factory=list)
    offered: int = 0
    matched: int = 0
    unmatched: Counter[int] = field(default_factory=Counter)


class Source(Protocol):
    """Provides the runs, and selects their records at their turn."""

    def moments(self) -> Iterator[ReplayMoment]:
        """All of the period, in chronological order."""

    def choose(self, opened: Opened, at: datetime) -> list[int] | None:
        """The run's records at that moment; None where nothing (or too little) matches."""

    def took(self, records: list[int], at: datetime) -> None:
        """Record that the rule has worked on these records."""


class Replay:
    """`steps` yields the decisions in order; none are stored."""

    def __init__(self, trial: Trial, source: Source, prices: Prices) -> None:
        self.trial, self.source, self.prices = trial, source, prices
        self.definition = trial.definition
        self.used: Counter[tuple[str, int]] = Counter()
        self.spent: Counter[str] = Counter()
        self.waiting: list[Opened] = []
        self._woken_at: datetime | None = None
        self.is_event = self.definition.trigger != "schedule"

    def steps(self) -> Iterator[tuple[ReplayMoment | None, Iterator[ReplayDecision]]]:
        """Each moment with its decisions; decisions on waiting runs come without one.

        At the end, the runs that still wait.
        """
        for moment in self.source.moments():
            for midnight in self._midnights(moment.at):
                yield None, self._wake(midnight)
            yield moment, self._decisions_at(moment)
        for midnight in self._midnights(self.trial.until):
            yield None, self._wake(midnight)
        yield None, (self._still(opened) for opened in self.waiting)

    def _decisions_at(self, moment: ReplayMoment) -> Iterator[ReplayDecision]:
        for batch_id, count in moment.unmatched.items():
            group = Opened(moment.at, None, batch_id=batch_id, part=0)
            yield ReplayDecision(group, moment.at, Reason.CONDITIONS, count=count)
        yield from self._decide_all(moment.opened, moment.at)

    def _decide_all(self, opened: list[Opened], at: datetime) -> Iterator[ReplayDecision]:
        queue = deque(opened)
        many = len(queue) > MANY_WAIT
        while queue:
            if many and queue[0].waits_for and self._is_full(queue[0], at):
                self.waiting.append(queue.popleft())
            else:
                yield from self._decide(queue.popleft(), at, queue)

    def _decide(self, opened: Opened, at: datetime, queue: deque[Opened]) -> Iterator[ReplayDecision]:
        """The checks of a real run, in their order."""
        if opened.refused:
            yield ReplayDecision(opened, at, opened.refused)
            return
        records = self.source.choose(opened, at)
        if records is None:
            yield ReplayDecision(opened, at, Reason.CONDITIONS)
            return
        self.prices.load(records)
        limit = self.definition.credit_limit_per_execution
        taken = longest_within(self.prices.of, records, limit)
        price = self.prices.of(taken)
        refusal = self._refusal(opened, at, records, taken, price)
        if refusal is not None:
            yield from self._refuse(opened, at, refusal)
            return
        self._take(opened, at, taken, price)
        yield ReplayDecision(opened, at, None, taken, price + self.prices.of_later_steps(len(taken)))
        if (left_over := records[len(taken) :]) and self.is_event:
            queue.append(Opened(at, left_over, opened.site_id, opened.batch_id, None, follows=True))

    def _refusal(
        self, opened: Opened, at: datetime, records: list[int], taken: list[int], price: int
    ) -> Reason | None:
        day, budget = self._day(at), self.definition.monthly_budget
        if self.used[day, opened.site_id] >= self.definition.max_executions_per_day:
            return Reason.DAILY_LIMIT
        if records and not taken:
            return Reason.LIMIT_BELOW_PRICE
        if price and budget is not None and self.spent[day[:7]] + price > budget:
            return Reason.BUDGET
        return None

    def _refuse(self, opened: Opened, at: datetime, reason: Reason) -> Iterator[ReplayDecision]:
        choice = self.definition.when_limited
        waits = self.is_event if choice is None else choice == "wait"
        if reason == Reason.LIMIT_BELOW_PRICE or not waits or at - opened.at > LONGEST_WAIT:
            yield ReplayDecision(opened, at, reason)
        else:
            opened.waits_for = reason
            self.waiting.append(opened)

    def _take(self, opened: Opened, at: datetime, taken: list[int], price: int) -> None:
        day = self._day(at)
        self.used[day, opened.site_id] += 1
        self.spent[day[:7]] += price
        self.source.took(taken, at)

    def _midnights(self, until: datetime) -> Iterator[datetime]:
        """The starts of days until then on which waiting runs try again."""
        zone = self.trial.account_zone
        since = self._woken_at or self.trial.start
        day = since.astimezone(zone).date() + timedelta(days=1)
        while (midnight := start_of_day(day, zone.key)) <= until:
            self._woken_at = midnight
            if self.waiting:
                yield midnight
            day += timedelta(days=1)

    def _wake(self, at: datetime) -> Iterator[ReplayDecision]:
        woken, self.waiting = self.waiting, []
        yield from self._decide_all(woken, at)

    def _is_full(self, opened: Opened, at: datetime) -> bool:
        return self.used[self._day(at), opened.site_id] >= self.definition.max_executions_per_day

    def _still(self, opened: Opened) -> ReplayDecision:
        return ReplayDecision(opened, self.trial.until, opened.waits_for, is_waiting=True)

    def _day(self, at: datetime) -> str:
        return at.astimezone(self.trial.account_zone).date().isoformat()
