"""The history as a grid: a line for each rule, a column for each of the last days."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple

from flask import render_template, request, url_for
from markupsafe import Markup, escape

from app.business.accounts.models import Role
from app.business.automation.services.history.rule_days import DAYS, DayEnds, ends_by_day
from app.business.automation.services.rules.known_rules import ListedRule
from app.business.automation.services.rules.listing import RuleFilter, listed_rules_page
from app.business.periods import last_days
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.display import NOTHING, day, percent
from app.modules.navigation import address_of, known_url_for

LIMIT = 25
REMEMBERED = 1_000
"""Numbers of ends for which a process remembers what is said: most cells of a page say the same as others."""


class Day(NamedTuple):
    """A column. dates: what leads to its runs, after the address of those of a rule."""

    words: Markup
    dates: Markup


class Ends(NamedTuple):
    """What a cell says. look: failed, mixed, completed, skipped, or empty for no run · mark: what it shows."""

    look: Markup
    mark: Markup
    words: Markup


NO_RUN = Ends(Markup(), Markup(), Markup("no run"))


@dataclass(frozen=True)
class GridRow:
    """runs_url: of the rule's runs · cells: the values of each day and of its ends, one after another."""

    name: str
    url: str
    runs_url: str
    is_on: bool
    cells: Sequence[tuple[Markup, Markup, Markup, Markup, Markup]]
    success: str

    @property
    def has_acted(self) -> bool:
        return self.success != NOTHING


@allow(Role.VIEWER)
def show() -> str:
    person, session, now = current_person(), db.session(), datetime.now(UTC)
    zone = person.account.timezone
    page = listed_rules_page(
        session, person.scope, RuleFilter(), ordering="name", cursor=request.args.get("cursor"), limit=LIMIT
    )
    period = last_days(DAYS, zone, now)
    ends = ends_by_day(session, person.scope, [rule.id for rule in page.rows], period, zone, now)
    days = days_of(period.dates)
    return render_template(
        "pages/automation/rule_days.html",
        lines=[day_line(rule, ends.get(rule.id, {}), days) for rule in page.rows],
        days=period.dates,
        zone=zone,
        first_url=url_for("automation.rule_days") if request.args.get("cursor") else None,
        next_url=url_for("automation.rule_days", cursor=page.next_cursor) if page.next_cursor else None,
    )


def days_of(dates: Iterable[date]) -> dict[date, Day]:
    return {on: Day(escape(day(on)), escape(f"&start={on}&end={on}")) for on in dates}


def day_line(rule: ListedRule, ends: Mapping[date, DayEnds], days: Mapping[date, Day]) -> GridRow:
    """What became of the rule's runs on each of the days."""
    completed, failed = (sum(getattr(end, name) for end in ends.values()) for name in ("completed", "failed"))
    return GridRow(
        name=rule.name,
        url=known_url_for("automation.rule", id=rule.id),
        runs_url=f"{address_of('automation.history')}?rule={rule.id}",
        is_on=rule.definition.is_active,
        cells=[(*on_day, *(_said(ends[on]) if on in ends else NO_RUN)) for on, on_day in days.items()],
        success=percent(completed / (completed + failed)) if completed + failed else NOTHING,
    )


@lru_cache(maxsize=REMEMBERED)
def _said(ends: DayEnds) -> Ends:
    numbers = zip(DayEnds._fields, ends, strict=True)
    words = ", ".join(f"{number:,} {name}" for name, number in numbers if number)
    look = _look(ends)
    mark = {"completed": _short(ends.completed), "skipped": "·"}.get(look, f"×{_short(ends.failed)}")
    return Ends(escape(look), escape(mark), escape(words))


def _look(ends: DayEnds) -> str:
    if ends.failed:
        return "mixed" if ends.completed else "failed"
    return "completed" if ends.completed else "skipped"


def _short(number: int) -> str:
    """At most three characters."""
    return str(number) if number < 1000 else f"{number // 1000}k"
