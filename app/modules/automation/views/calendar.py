"""The calendar: what is planned for the next weeks, by day and week, and what ran on days that have passed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple
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
from app.modules.automation.rules_seen import opens_rule
from app.modules.display import credits, exact, instant, plural, viewer_zone
from app.modules.display import day as day_text
from app.modules.navigation import address_of, addresses_of
from app.modules.web import Context

WEEKS = 14
WEEK = 7
MOST_WEEKS_BACK = 52
MOST_OF_DAY = 100
BESIDE = 2
"""Other rules in the same minute that are worth a word."""


@dataclass(frozen=True)
class DayStart:
    """A planned time of a rule, in words. clock: in the zone of the calendar · url: of the rule's page, where the
    person may open it · note: its price, the sites it runs for, where it is split, and what moves it or starts
    beside it."""

    clock: str
    instant: str
    exact: str
    name: str
    url: str
    note: str


class DayCell(NamedTuple):
    """A day as its cell shows it. look: its classes · ran: names, tones and numbers of runs; None where nothing ran ·
    closed: why, where all is closed · share: of the dearest day's credits, in per cent."""

    on: date
    url: str
    look: str
    names_month: bool
    ran: tuple[tuple[str, str, int], ...] | None
    closed: str
    closed_count: int
    starting: int
    credits: int
    share: float
    clocks_change: bool
    is_crowded: bool
    ends_credits: bool


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
    url = _addresses(overview, first, today)
    starts = _starts(shown, overview) if shown else []
    return render_template(
        "pages/automation/calendar.html",
        overview=overview,
        calendar=found,
        weeks=_weeks(found, past, today, chosen, _day_address(url)),
        chosen=shown,
        starts=starts[:MOST_OF_DAY],
        more_starts=max(len(starts) - MOST_OF_DAY, 0),
        ran=past.get(chosen),
        costs=_costs(found, today),
        url=url,
        earlier=first - timedelta(days=4 * WEEK),
        later=first + timedelta(days=4 * WEEK),
        is_now=is_now,
        has_closed_days=any(day.closed for day in found.days),
        has_closed_sites=any(day.closed_count for day in found.days),
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


def _weeks(
    found: Calendar, past: dict[date, Outcomes], today: date, chosen: date, url: Callable[[date], str]
) -> list[Context]:
    weeks = []
    dearest = max((day.credits for day in found.days), default=0)
    for start in range(0, len(found.days), WEEK):
        days: list[CalendarDay] = list(found.days[start : start + WEEK])
        weeks.append(
            {
                "cells": [
                    DayCell(
                        day.on, url(day.on), _look(day, today, chosen), not number or day.on.day == 1,
                        _ran(past.get(day.on)), day.closed, day.closed_count, day.starting, day.credits,
                        round(day.credits / dearest * 100, 1) if dearest else 0.0, day.clocks_change,
                        bool(day.collisions), found.credits_end_on == day.on,
                    )
                    for number, day in enumerate(days)
                ],
                "runs": sum(day.starting for day in days),
                "credits": sum(day.credits for day in days),
            }
        )  # fmt: skip
    return weeks


def _look(day: CalendarDay, today: date, chosen: date) -> str:
    on, looks = day.on, ""
    if on == today:
        looks += " is-today"
    if on < today:
        looks += " is-past"
    if on == chosen:
        looks += " is-chosen"
    if day.closed:
        looks += " is-closed"
    if on.day <= WEEK:
        looks += " is-month-line"
    return looks + " is-month-start" if on.day == 1 else looks


def _ran(past: Outcomes | None) -> tuple[tuple[str, str, int], ...] | None:
    if past is None or not past.total:
        return None
    runs = (
        ("completed", "good", past.completed),
        ("failed", "bad", past.failed),
        ("skipped", "quiet", past.skipped),
    )
    return tuple(one for one in runs if one[2])


def _starts(shown: CalendarDay, overview: Overview) -> list[DayStart]:
    """The times of a day; runs of one rule for several sites at one time are one line."""
    sites, lines = dict(overview.sites), []
    rule_url, zone, own = addresses_of("automation.rule"), ZoneInfo(overview.zone), viewer_zone().key
    for at, at_once in groupby(shown.runs, lambda run: run.time.at):
        times = f"{at.astimezone(zone):%H:%M}", instant(at), exact(at, own)
        for rule_id, group in groupby(at_once, lambda run: run.time.rule_id):
            runs = list(group)
            beside = max(run.beside for run in runs)
            notes = [run.time.note for run in runs if run.time.note]
            if beside >= BESIDE:
                notes.append(f"with {plural(beside, 'other rule')}")
            places = [sites[str(run.time.site_id)] for run in runs if str(run.time.site_id) in sites]
            note = " · ".join((_price(runs), *places, *dict.fromkeys(notes)))
            url = rule_url(rule_id) if opens_rule(rule_id) else ""
            lines.append(DayStart(*times, runs[0].time.rule_name, url, note))
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
    """Gives the addresses of the calendar with what is shown now and the changes."""
    kept: dict[str, Any] = {"site": overview.site, "from": first if first != _monday(today, today) else ""}
    page = address_of("automation.calendar")

    def address(**changes: Any) -> str:
        query = urlencode({name: value for name, value in (kept | changes).items() if value})
        return f"{page}?{query}" if query else page

    return address


def _day_address(url: Callable[..., str]) -> Callable[[date], str]:
    """The same with another day shown: built once, for there are a hundred."""
    before = url(day="-").removesuffix("-")
    return lambda on: f"{before}{on}"
