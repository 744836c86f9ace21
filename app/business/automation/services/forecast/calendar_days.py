"""The calendar of what comes: planned times by day of the account's zone, with their credits and where they collide."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import islice
from operator import attrgetter

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.services.calendars.applied_calendars import OF_ACCOUNT, OF_NO_SITE, openings_of
from app.business.automation.services.calendars.working_calendar import WorkingCalendar
from app.business.automation.services.forecast.outlook import look_ahead
from app.business.automation.services.forecast.planned_times import (
    PlannedTime,
    RunPrice,
    planned_times,
    run_prices,
)
from app.business.periods import day_of
from app.business.planner.models import Site, SiteStatus
from app.business.time_zones import start_of_day

MOST_TIMES = 20_000
"""Planned times of one calendar; a rule every five minutes has 25,920 in 90 days."""
TINY = timedelta(microseconds=1)
RUNS = attrgetter("runs")
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
class ClosedSites:
    """Sites that one thing closes on a day."""

    names: Sequence[str]
    why: str


@dataclass(frozen=True)
class CalendarDay:
    """A day with its planned times. clocks_change: whether it is longer or shorter than others · closed: what closes
    all that is seen, in words, where it is closed · closed_sites: those that only their own calendars close.

    Of most days only the sums are asked: each is worked out when it is.
    """

    on: date
    clocks_change: bool
    closed: str = ""
    closed_sites: Sequence[ClosedSites] = ()
    times: Sequence[PlannedTime] = ()
    prices: Mapping[int, RunPrice] = field(default_factory=dict)

    @cached_property
    def runs(self) -> Sequence[CalendarRun]:
        return [
            CalendarRun(time, self.prices.get(time.rule_id), len(self._together[time.at]) - 1)
            if time.runs
            else CalendarRun(time, None)
            for time in self.times
        ]

    @cached_property
    def credits(self) -> int:
        prices = self.prices
        if not prices:
            return 0
        return sum(
            prices[time.rule_id].credits for time in self.times if time.runs and time.rule_id in prices
        )

    @cached_property
    def starting(self) -> int:
        """How many of them run."""
        return sum(map(RUNS, self.times))

    @property
    def closed_count(self) -> int:
        """The number of sites that only their own calendars close."""
        return sum(len(one.names) for one in self.closed_sites)

    @cached_property
    def collisions(self) -> int:
        """Minutes in which many rules start together."""
        return sum(len(rule_ids) >= TOGETHER for rule_ids in self._together.values())

    @cached_property
    def _together(self) -> Mapping[datetime, set[int]]:
        """The rules that start in each minute."""
        together: dict[datetime, set[int]] = defaultdict(set)
        for time in self.times:
            if time.runs:
                together[time.at].add(time.rule_id)
        return together


@dataclass(frozen=True)
class Calendar:
    """Consecutive days. complete_until: the first day that is not complete, where there are too many times for one
    calendar · credits_end_on: when the account's credits run out, if within the forecast."""

    days: Sequence[CalendarDay]
    complete_until: date | None
    credits_end_on: date | None


def calendar(
    session: Session,
    account: Account,
    scope: Scope,
    first: date,
    end: date,
    now: datetime,
    *,
    sees_account: bool = True,
) -> Calendar:
    """The days from `first` until before `end`, with the times that are still to come. `sees_account`: whether the
    person sees when the account's credits end."""
    zone = account.timezone
    dates = [first + timedelta(days=number) for number in range((end - first).days)]
    since = max(now, start_of_day(first, zone) - TINY)
    until = start_of_day(end, zone) - TINY
    found = planned_times(session, scope, since, until) if since < until else iter(())
    times = list(islice(found, MOST_TIMES + 1))
    complete_until = day_of(times[-1].at, zone) if len(times) > MOST_TIMES else None
    prices = run_prices(session, account, {time.rule_id for time in times if time.runs}, now)
    closings = _closings(session, account, scope)
    days, begin = [], 0
    shown = times[:MOST_TIMES]
    for on in dates:
        end_of_day = start_of_day(on + timedelta(days=1), zone)
        end_at = bisect_left(shown, end_of_day, begin, key=attrgetter("at"))
        days.append(
            CalendarDay(
                on,
                end_of_day - start_of_day(on, zone) != timedelta(days=1),
                closings.of_all_on(on),
                closings.of_sites_on(on),
                shown[begin:end_at],
                prices,
            )
        )
        begin = end_at
    credits_end_on = look_ahead(session, account, now).forecast().runs_out if sees_account else None
    return Calendar(days, complete_until, credits_end_on)


@dataclass(frozen=True)
class _Closings:
    """The calendar of all that is seen, where there is one, and those of sites by name."""

    of_all: WorkingCalendar | None = None
    of_sites: Sequence[tuple[str, WorkingCalendar]] = ()

    def of_all_on(self, day: date) -> str:
        return self.of_all.why_closed(day) if self.of_all else ""

    def of_sites_on(self, day: date) -> list[ClosedSites]:
        names: dict[str, list[str]] = defaultdict(list)
        for name, calendar in self.of_sites:
            if why := calendar.why_closed(day):
                names[why].append(name)
        return [ClosedSites(same, why) for why, same in names.items()]


def _closings(session: Session, account: Account, scope: Scope) -> _Closings:
    """Of one site alone, its calendar; else the account's, which rules over all sites and sites without their own
    follow, and those of the sites. Without the account's to be seen, each site has one."""
    openings = openings_of(session, [account.id])
    if not openings:
        return _Closings()
    if scope.sites is not None and len(scope.sites) == 1:
        opening = openings.get((account.id, next(iter(scope.sites))))
        return _Closings(opening.calendar if opening else None)
    general = openings.get((account.id, OF_NO_SITE)) if scope.sites is None else None
    sites = session.execute(
        select(Site.id, Site.name)
        .where(Site.account_id == account.id, Site.status == SiteStatus.ACTIVE)
        .order_by(Site.name, Site.id)
    )
    seen = [(name, openings.get((account.id, site_id))) for site_id, name in sites if scope.holds(site_id)]
    own = [
        (name, opening.calendar)
        for name, opening in seen
        if opening and not (general and opening.source == OF_ACCOUNT)
    ]
    return _Closings(general.calendar if general else None, own)
