"""The history as a grid: a line for each rule, a column for each of the last days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

from flask import render_template, request, url_for

from app.business.accounts.models import Role
from app.business.automation.services.history.rule_days import DAYS, DayEnds, ends_by_day
from app.business.automation.services.rules.known_rules import ListedRule
from app.business.automation.services.rules.listing import RuleFilter, listed_rules_page
from app.business.periods import last_days
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.display import NOTHING, day, percent
from app.modules.navigation import address_of

LIMIT = 25


class Cell(NamedTuple):
    """A day of a rule. look: failed, mixed, completed, skipped, or empty for no run · mark: what the cell shows."""

    on: date
    words: str
    look: str = ""
    mark: str = ""
    url: str = ""


@dataclass(frozen=True)
class GridRow:
    name: str
    url: str
    is_on: bool
    cells: list[Cell]
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
    idle = idle_days(period.dates)
    return render_template(
        "pages/automation/rule_days.html",
        lines=[day_line(rule, ends.get(rule.id, {}), idle) for rule in page.rows],
        days=period.dates,
        zone=zone,
        first_url=url_for("automation.rule_days") if request.args.get("cursor") else None,
        next_url=url_for("automation.rule_days", cursor=page.next_cursor) if page.next_cursor else None,
    )


def idle_days(days: Sequence[date]) -> list[Cell]:
    """The days of a rule that did not run on any of them."""
    return [Cell(on, f"{day(on)}: no run") for on in days]


def day_line(rule: ListedRule, ends: Mapping[date, DayEnds], idle: Sequence[Cell]) -> GridRow:
    """The rule's `idle` days with what became of its runs."""
    completed, failed = (sum(getattr(end, name) for end in ends.values()) for name in ("completed", "failed"))
    # Built by hand, for a page has hundreds.
    runs_url = f"{address_of('automation.history')}?rule={rule.id}"
    return GridRow(
        name=rule.name,
        url=url_for("automation.rule", id=rule.id),
        is_on=rule.definition.is_active,
        cells=[_cell(runs_url, cell.on, ends[cell.on]) if cell.on in ends else cell for cell in idle],
        success=percent(completed / (completed + failed)) if completed + failed else NOTHING,
    )


def _cell(runs_url: str, on: date, ends: DayEnds) -> Cell:
    parts = (("completed", ends.completed), ("failed", ends.failed), ("skipped", ends.skipped))
    words = ", ".join(f"{number:,} {name}" for name, number in parts if number)
    look = _look(ends)
    mark = {"completed": _short(ends.completed), "skipped": "·"}.get(look, f"×{_short(ends.failed)}")
    return Cell(on, f"{day(on)}: {words}", look, mark, f"{runs_url}&start={on}&end={on}")


def _look(ends: DayEnds) -> str:
    if ends.failed:
        return "mixed" if ends.completed else "failed"
    return "completed" if ends.completed else "skipped"


def _short(number: int) -> str:
    """At most three characters."""
    return str(number) if number < 1000 else f"{number // 1000}k"
