"""REST: the calendars that planned times follow, of a site and of the account."""

from datetime import UTC, date, datetime

from flask import Response
from pydantic import Field

from app.business.accounts.models import Role
from app.business.automation.calendar_models import SiteCalendar
from app.business.automation.services.calendars.working_calendar import (
    DAY_END,
    MIDNIGHT,
    MOST_PAUSES,
    NAME_LIMIT,
    Clock,
)
from app.business.automation.services.triggering import calendar_service
from app.business.errors import NotFound
from app.business.planner.models import Site
from app.infrastructure.database import db
from app.modules.access import OWNER_OF_ALL, VIEWER_OF_ALL, current_person, owned_or_404
from app.modules.api.bodies import Changes
from app.modules.api.declaration import ApiBlueprint
from app.modules.api.fields import Day
from app.modules.api.models import ApiModel
from app.modules.api.resource import Schema, answer, read_new, require_match, saved

api = ApiBlueprint("calendars_api", __name__, url_prefix="/api")
ONE_LINE = r"^[^\x00-\x1f\x7f]*$"


class WorkingHoursSent(Schema):
    """The hours of one weekday, 1-7 from Monday; without times the whole day."""

    weekday: int = Field(ge=1, le=7)
    opens: Clock = MIDNIGHT
    closes: Clock = DAY_END


class PauseSent(Schema):
    """Days on which it is closed, first and last included; `yearly`: on the same days of every year."""

    name: str = Field("", max_length=NAME_LIMIT, pattern=ONE_LINE)
    starts_on: Day
    ends_on: Day
    yearly: bool = False


class CalendarSent(Schema):
    """A weekday without working hours is closed. `country`: two letters; its public holidays are closed days, with
    those of the `region` (its code or name). An absent key takes its default: open always."""

    working_hours: list[WorkingHoursSent] = Field(
        default_factory=lambda: [WorkingHoursSent(weekday=day) for day in range(1, 8)], max_length=7
    )
    pauses: list[PauseSent] = Field(default_factory=list, max_length=MOST_PAUSES)
    country: str | None = Field(None, max_length=2)
    region: str | None = Field(None, max_length=NAME_LIMIT, pattern=ONE_LINE)


class WorkingHoursShown(ApiModel):
    """The hours of one weekday, 1-7 from Monday."""

    weekday: int
    opens: str
    closes: str


class CalendarPauseShown(ApiModel):
    """Days on which it is closed, first and last included."""

    name: str
    starts_on: date
    ends_on: date
    yearly: bool


class SiteCalendarShown(ApiModel):
    """When a site, or the account, is open."""

    working_hours: list[WorkingHoursShown]
    pauses: list[CalendarPauseShown]
    country: str | None
    region: str | None


@api.call(
    "GET",
    "/planner/sites/<int:id>/calendar/",
    Role.VIEWER,
    answers={200: SiteCalendarShown},
    errors=(NotFound,),
    if_match=True,
)
def show_site_calendar(id: int) -> Response:
    """The site's own calendar; 404 where it has none and follows the account's."""
    return _answer(_row(owned_or_404(Site, id)))


@api.call(
    "PUT",
    "/planner/sites/<int:id>/calendar/",
    Role.OWNER,
    answers={200: SiteCalendarShown},
    errors=(NotFound,),
    if_match=True,
)
def replace_site_calendar(id: int, body: Changes[CalendarSent]) -> Response:
    """Give the site a calendar of its own; planned runs that have not begun follow it at once."""
    return _replace(owned_or_404(Site, id), body)


@api.call(
    "DELETE",
    "/planner/sites/<int:id>/calendar/",
    Role.OWNER,
    answers={204: None},
    errors=(NotFound,),
    if_match=True,
)
def remove_site_calendar(id: int) -> tuple[str, int]:
    """Remove the site's own calendar: it follows the account's, and is always open where there is none."""
    return _remove(owned_or_404(Site, id))


@api.call(
    "GET",
    "/accounts/calendar/",
    VIEWER_OF_ALL,
    answers={200: SiteCalendarShown},
    errors=(NotFound,),
    if_match=True,
)
def show_account_calendar() -> Response:
    """The calendar of the account, for rules over all sites and for sites without their own; 404 without one."""
    return _answer(_row(None))


@api.call(
    "PUT",
    "/accounts/calendar/",
    OWNER_OF_ALL,
    answers={200: SiteCalendarShown},
    errors=(NotFound,),
    if_match=True,
)
def replace_account_calendar(body: Changes[CalendarSent]) -> Response:
    """Give the account a calendar; planned runs that have not begun follow it at once."""
    return _replace(None, body)


@api.call(
    "DELETE",
    "/accounts/calendar/",
    OWNER_OF_ALL,
    answers={204: None},
    errors=(NotFound,),
    if_match=True,
)
def remove_account_calendar() -> tuple[str, int]:
    """Remove the account's calendar: sites without their own are always open."""
    return _remove(None)


def _row(site: Site | None) -> SiteCalendar:
    row = calendar_service.find_calendar(db.session(), current_person().account.id, site)
    if row is None or row.definition is None:
        raise NotFound()
    return row


def _shown(row: SiteCalendar) -> SiteCalendarShown:
    return SiteCalendarShown.model_validate(row.definition)


def _answer(row: SiteCalendar) -> Response:
    return answer(_shown(row), version=row.version)


def _replace(site: Site | None, body: Changes[CalendarSent]) -> Response:
    person = current_person()
    before = calendar_service.find_calendar(db.session(), person.account.id, site)
    is_there = before is not None and before.definition is not None
    require_match(
        _shown(before) if before and is_there else None, before.version if before and is_there else None
    )
    sent = read_new(body.schema)
    row = calendar_service.save_calendar(
        db.session(),
        person.account,
        site,
        sent.model_dump(mode="json"),
        seen=calendar_service.version_of(before),
        actor=person.actor,
        now=datetime.now(UTC),
    )
    assert row is not None
    return saved(_answer(row))


def _remove(site: Site | None) -> tuple[str, int]:
    row, person = _row(site), current_person()
    require_match(_shown(row), row.version)
    calendar_service.save_calendar(
        db.session(),
        person.account,
        site,
        None,
        seen=row.version,
        actor=person.actor,
        now=datetime.now(UTC),
    )
    db.session.commit()
    return "", 204
