"""The calendar of what comes: planned times by day of the account's zone, with their credits and where they collide."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.services.calendars.applied_calendars import OF_ACCOUNT, OF_NO_SITE, openings_of
from app.business.automation.services.calendars.working_calendar import WorkingCalendar
from app.business.automation.services.forecast.outlook import look_ahead
from app.business.automation.services.forecast.planned_days import PlannedDay, planned_days, rules_in
from app.business.automation.services.forecast.planned_times import PlannedTime, RunPrice, run_prices
from app.business.automation.services.rules.known_rules import RulesRead
from app.business.planner.models import Site, SiteStatus
from app.business.time_zones import start_of_day

MOST_TIMES = 20_000
"""Planned times of one calendar; a rule every five minutes has 25,920 in 90 days."""
TINY, ONE = timedelta(microseconds=1), timedelta(days=1)


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
    all that is seen, in words, where it is closed · closed_sites: those that only their own calendars close · starting:
    how many times run · credits: of all of them.
    """

    on: date
    planned: PlannedDay
    prices: Mapping[int, RunPrice]
    clocks_change: bool
    starting: int
    credits: int
    closed: str = ""
    closed_sites: Sequence[ClosedSites] = ()

    @cached_property
    def runs(self) -> Sequence[CalendarRun]:
        planned = self.planned
        return [
            CalendarRun(time, self.prices.get(time.rule_id), planned.together(time.at) - 1)
            if time.runs
            else CalendarRun(time, None)
            for time in planned.times
        ]

    @property
    def closed_count(self) -> int:
        """The number of sites that only their own calendars close."""
        return sum(len(one.names) for one in self.closed_sites)

    @property
    def collisions(self) -> int:
        """Minutes in which many rules start together."""
        return self.planned.collisions


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
    starts = [start_of_day(on, zone) for on in (*dates, end)]
    since = max(now, starts[0] - TINY)
    rules = RulesRead(session, account.id)
    shown, incomplete = planned_days(rules, scope, since, starts, MOST_TIMES)
    prices = run_prices(rules, account, rules_in(shown), now)
    closings = _closings(session, account, scope)
    days = [
        CalendarDay(
            on,
            planned,
            prices,
            planned.end - planned.begin != ONE,
            planned.starting,
            _credits(planned, prices) if prices else 0,
            closings.of_all_on(on),
            closings.of_sites_on(on),
        )
        for on, planned in zip(dates, shown, strict=True)
    ]
    credits_end_on = look_ahead(session, account, now).forecast().runs_out if sees_account else None
    return Calendar(days, None if incomplete is None else dates[incomplete], credits_end_on)


def _credits(planned: PlannedDay, prices: Mapping[int, RunPrice]) -> int:
    runs = planned.runs_of_rules.items()
    return sum(prices[rule_id].credits * number for rule_id, number in runs if rule_id in prices)


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
