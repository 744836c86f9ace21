"""The calendar: what is planned for the next weeks, by day and week, and what ran on days that have passed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.services.forecast.calendar_days import (
    Calendar,
    CalendarDay,
    CalendarRun,
    calendar,
)
from app.business.automation.services.history.dashboard import Outcomes, outcomes_by_day
from app.business.periods import Period, day_of
from app.business.time_zones import start_of_day
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.automation.overview_period import Overview, chosen_overview
from app.modules.display import credits, plural
from app.modules.display import day as day_text
from app.modules.navigation import address_of
from app.modules.web import Context

WEEKS = 14
WEEK = 7
MOST_WEEKS_BACK = 52
MOST_OF_DAY = 100
BESIDE = 2
"""Other rules in the same minute that are worth a word."""


@dataclass(frozen=True)
class DayStart:
    """A planned time of a rule. clock: in the zone of the calendar · sites: those it runs for, where it is split ·
    notes: calendars that moved it, and what starts beside it · price: in words."""

    at: datetime
    clock: str
    rule_id: int
    name: str
    sites: list[str]
    notes: list[str]
    price: str


@allow(Role.VIEWER)
def show() -> ResponseReturnValue:
    """Fourteen weeks from the one of the address, else from this week; one day in full."""
    now = datetime.now(UTC)
    overview = chosen_overview(now)
    today = day_of(now, overview.zone)
    first = _monday(_date("from") or today, today)
    end = first + timedelta(days=WEEKS * WEEK)
    person = current_person()
    found = calendar(
        db.session(), person.account, overview.scope, first, end, now, sees_account=person.sees_all
    )
    past = _past(overview, first, min(today, end), now)
    chosen = _date("day") or today
    shown = next((day for day in found.days if day.on == chosen), None)
    is_now = first == _monday(today, today)
    says_something = any(day.starting or day.closed or day.closed_sites for day in found.days)
    has_runs = any(ran.total for ran in past.values())
    return render_template(
        "pages/automation/calendar.html",
        overview=overview,
        calendar=found,
        today=today,
        weeks=_weeks(found, past),
        chosen=shown,
        starts=_starts(shown, overview) if shown else [],
        ran=past.get(chosen),
        most=MOST_OF_DAY,
        dearest=max((day.credits for day in found.days), default=0),
        costs=_costs(found, today),
        url=_addresses(overview, first, today),
        earlier=first - timedelta(days=4 * WEEK),
        later=first + timedelta(days=4 * WEEK),
        is_now=is_now,
        has_closed_days=any(day.closed for day in found.days),
        is_bare=is_now and not overview.site and not says_something and not has_runs,
    )


def _date(name: str) -> date | None:
    try:
        return date.fromisoformat(request.args.get(name, ""))
    except ValueError:
        return None


def _monday(on: date, today: date) -> date:
    """The Monday of the week, at most a year away."""
    most = timedelta(days=MOST_WEEKS_BACK * WEEK)
    near = min(max(on, today - most), today + most)
    return near - timedelta(days=near.weekday())


def _past(overview: Overview, first: date, end: date, now: datetime) -> dict[date, Outcomes]:
    """What ran on the days before today, and today so far."""
    dates = [first + timedelta(days=number) for number in range((end - first).days + 1)]
    if first > end:
        return {}
    period = Period(dates, start_of_day(first, overview.zone))
    return outcomes_by_day(db.session(), overview.scope, period, overview.zone, now)


def _weeks(found: Calendar, past: dict[date, Outcomes]) -> list[Context]:
    weeks = []
    for start in range(0, len(found.days), WEEK):
        days: list[CalendarDay] = list(found.days[start : start + WEEK])
        weeks.append(
            {
                "first": days[0].on,
                "days": [(day, past.get(day.on)) for day in days],
                "runs": sum(day.starting for day in days),
                "credits": sum(day.credits for day in days),
            }
        )
    return weeks


def _starts(shown: CalendarDay, overview: Overview) -> list[DayStart]:
    """The times of a day; runs of one rule for several sites at one time are one line."""
    sites = dict(overview.sites)
    lines = []

    def moment(run: CalendarRun) -> tuple[datetime, int]:
        return run.time.at, run.time.rule_id

    for (at, rule_id), group in groupby(sorted(shown.runs, key=moment), moment):
        runs = list(group)
        beside = max(run.beside for run in runs)
        notes = [run.time.note for run in runs if run.time.note]
        if beside >= BESIDE:
            notes.append(f"with {plural(beside, 'other rule')}")
        lines.append(
            DayStart(
                at, f"{at.astimezone(ZoneInfo(overview.zone)):%H:%M}", rule_id, runs[0].time.rule_name,
                [sites[str(run.time.site_id)] for run in runs if str(run.time.site_id) in sites],
                list(dict.fromkeys(notes)), _price(runs),
            )
        )  # fmt: skip
    return lines


def _price(runs: Sequence[CalendarRun]) -> str:
    prices = [run.price for run in runs if run.price]
    if not any(run.time.runs for run in runs):
        return "skipped"
    if not prices:
        return "free"
    words = "about" if all(price.is_measured for price in prices) else "at most"
    return f"{words} {credits(sum(run.credits for run in runs))}"


def _costs(found: Calendar, today: date) -> list[Context]:
    """Planned credits of each week to come, for the chart."""
    weeks = [found.days[start : start + WEEK] for start in range(0, len(found.days), WEEK)]
    return [
        {"label": day_text(days[0].on), "credits": sum(day.credits for day in days)}
        for days in weeks
        if days[-1].on >= today
    ]


def _addresses(overview: Overview, first: date, today: date) -> Callable[..., str]:
    """Gives the addresses of the calendar with what is shown now and the changes; built by hand, for there are a
    hundred."""
    kept: dict[str, Any] = {"site": overview.site, "from": first if first != _monday(today, today) else ""}

    def address(**changes: Any) -> str:
        query = urlencode({name: value for name, value in (kept | changes).items() if value})
        return address_of("automation.calendar") + (f"?{query}" if query else "")

    return address
