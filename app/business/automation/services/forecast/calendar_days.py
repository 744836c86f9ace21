"""The calendar of what comes: planned times by day of the account's zone, with their credits and where they collide."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.services.calendars.applied_calendars import OF_NO_SITE, openings_of
from app.business.automation.services.forecast.outlook import look_ahead
from app.business.automation.services.forecast.planned_times import (
    PlannedTime,
    RunPrice,
    planned_times,
    run_prices,
)
from app.business.periods import day_of
from app.business.time_zones import start_of_day

MOST_TIMES = 20_000
"""Planned times of one calendar; a rule every five minutes has 25,920 in 90 days."""
TINY = timedelta(microseconds=1)
TOGETHER = 3
"""Rules that start in the same minute and are worth a mark."""


@dataclass(frozen=True)
class CalendarRun:
    """A planned time. price: none for a free rule, or where a closed day leaves it out · beside: how many other rules
    start in the same minute."""

    time: PlannedTime
    price: RunPrice | None
    beside: int = 0

    @property
    def credits(self) -> int:
        return self.price.credits if self.price else 0


@dataclass(frozen=True)
class CalendarDay:
    """A day with its planned times. clocks_change: whether it is longer or shorter than others · closed: what closes
    it, in words, where it is closed."""

    on: date
    clocks_change: bool
    closed: str = ""
    runs: list[CalendarRun] = field(default_factory=list)

    @property
    def credits(self) -> int:
        return sum(run.credits for run in self.runs)

    @property
    def starting(self) -> int:
        """How many of them run."""
        return sum(run.time.runs for run in self.runs)

    @property
    def collisions(self) -> int:
        """Minutes in which many rules start together."""
        return len({run.time.at for run in self.runs if run.beside >= TOGETHER - 1})


@dataclass(frozen=True)
class Calendar:
    """Consecutive days. complete_until: the first day that is not complete, where there are too many times for one
    calendar · credits_end_on: when the account's credits run out, if within the forecast."""

    days: Sequence[CalendarDay]
    complete_until: date | None
    credits_end_on: date | None


def calendar(
    session: Session, account: Account, scope: Scope, first: date, end: date, now: datetime
) -> Calendar:
    """The days from `first` until before `end`, with the times that are still to come."""
    zone = account.timezone
    dates = [first + timedelta(days=number) for number in range((end - first).days)]
    since = max(now, start_of_day(first, zone) - TINY)
    until = start_of_day(end, zone) - TINY
    found = planned_times(session, scope, since, until) if since < until else iter(())
    times = list(islice(found, MOST_TIMES + 1))
    complete_until = day_of(times[-1].at, zone) if len(times) > MOST_TIMES else None
    prices = run_prices(session, account, {time.rule_id for time in times if time.runs}, now)
    closed = _closed(session, account, scope)
    by_day: dict[date, list[PlannedTime]] = defaultdict(list)
    for time in times[:MOST_TIMES]:
        by_day[day_of(time.at, zone)].append(time)
    days = [CalendarDay(on, _clocks_change(on, zone), closed(on), _runs(by_day[on], prices)) for on in dates]
    return Calendar(days, complete_until, look_ahead(session, account, now).forecast().runs_out)


def _runs(times: Sequence[PlannedTime], prices: dict[int, RunPrice]) -> list[CalendarRun]:
    together: dict[datetime, set[int]] = defaultdict(set)
    for time in times:
        if time.runs:
            together[time.at].add(time.rule_id)
    return [
        CalendarRun(time, prices.get(time.rule_id), len(together[time.at]) - 1)
        if time.runs
        else CalendarRun(time, None)
        for time in times
    ]


def _closed(session: Session, account: Account, scope: Scope) -> Callable[[date], str]:
    """Says what closes a day for all that the scope sees: one site, or the whole account."""
    openings = openings_of(session, [account.id])
    one_site = next(iter(scope.sites)) if scope.sites is not None and len(scope.sites) == 1 else OF_NO_SITE
    opening = openings.get((account.id, one_site))
    if opening is None or (one_site == OF_NO_SITE and scope.sites is not None):
        return lambda _on: ""
    return opening.calendar.why_closed


def _clocks_change(on: date, zone: str) -> bool:
    return start_of_day(on + timedelta(days=1), zone) - start_of_day(on, zone) != timedelta(days=1)
