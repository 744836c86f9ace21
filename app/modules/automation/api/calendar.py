"""REST: the calendar of planned times."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from flask import Response
from pydantic import ConfigDict, Field

from app.business.accounts.models import Role
from app.business.accounts.services.scope import Scope
from app.business.automation.services.forecast.calendar_days import MOST_TIMES, calendar
from app.business.periods import day_of
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.api.fields import IsoInstant
from app.modules.api.models import ApiModel
from app.modules.api.records import RowId
from app.modules.api.resource import BadQuery, Query, report
from app.modules.automation.api.blueprint import api

DAYS_AHEAD = 90
MOST_DAYS = 366


class CalendarQuery(Query):
    """Days of the account's zone, `to` not included; without them the next 90 days. `site`: its runs only."""

    model_config = ConfigDict(populate_by_name=True)

    first: Annotated[date | None, Field(alias="from")] = None
    to: date | None = None
    site: RowId | None = None


class PlannedRunShown(ApiModel):
    """A planned time with the credits a run of its rule lately used, or at most uses where none did yet. `note`: what a
    change of the clocks or a closed day does to it, else empty; `at`: when it starts, or would without the closed day
    that leaves it out."""

    automation_rule: int
    at: IsoInstant
    credits: int
    note: str


class CalendarDayShown(ApiModel):
    """A day and its planned times."""

    date: date
    credits: int
    runs: list[PlannedRunShown]


class CalendarShown(ApiModel):
    """Days in order, and the day on which the account's credits end; null if that is not in sight, or the caller is
    limited to sites."""

    days: list[CalendarDayShown]
    credits_end_on: date | None


@api.call("GET", "/calendar/", Role.VIEWER, answers={200: CalendarShown}, errors=(BadQuery,))
def show_calendar(query: CalendarQuery) -> Response:
    """Planned times ahead, by day; what is due already is in the list of runs."""
    person, now = current_person(), datetime.now(UTC)
    first = query.first or day_of(now, person.account.timezone)
    end = query.to or first + timedelta(days=DAYS_AHEAD)
    if not 0 < (end - first).days <= MOST_DAYS:
        raise BadQuery({"to": [f"Choose a day after `from`, at most {MOST_DAYS} days later."]})
    scope = person.scope
    if query.site is not None:
        sites = frozenset({query.site})
        scope = Scope(scope.account_id, sites if scope.sites is None else sites & scope.sites)
    found = calendar(db.session(), person.account, scope, first, end, now, sees_account=person.sees_all)
    if found.complete_until:
        raise BadQuery({"to": [f"More than {MOST_TIMES:,} planned times. Choose fewer days."]})
    days = [
        CalendarDayShown(
            date=day.on,
            credits=day.credits,
            runs=[
                PlannedRunShown(
                    automation_rule=run.time.rule_id, at=run.time.at, credits=run.credits, note=run.time.note
                )
                for run in day.runs
            ],
        )
        for day in found.days
    ]
    return report(CalendarShown(days=days, credits_end_on=found.credits_end_on))
