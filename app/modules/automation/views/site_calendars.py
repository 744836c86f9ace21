"""The page of a calendar, of a site or of the account: everyone sees it, owners change it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.services.calendars.applied_calendars import OF_NO_SITE, openings_of
from app.business.automation.services.calendars.description import calendar_words
from app.business.automation.services.calendars.working_calendar import NOT_A_WORKING_DAY, WorkingCalendar
from app.business.automation.services.triggering import calendar_service
from app.business.errors import Invalid, Stale
from app.business.periods import day_of
from app.business.planner.models import Site
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.automation.calendar_form import CalendarForm, form_of
from app.modules.web import see_other

AHEAD = timedelta(days=366)
MOST_NAMED = 15


@allow(Role.VIEWER)
def show(id: int) -> str:
    return _shown(owned_or_404(Site, id))


@allow(Role.OWNER)
def save(id: int) -> ResponseReturnValue:
    """Save the site's own calendar, or add rows to its form."""
    return _save(owned_or_404(Site, id))


@allow(Role.OWNER)
def remove(id: int) -> ResponseReturnValue:
    """Remove the site's own calendar."""
    return _remove(owned_or_404(Site, id))


@allow(Role.VIEWER, whole_account=True)
def show_account() -> str:
    return _shown(None)


@allow(Role.OWNER, whole_account=True)
def save_account() -> ResponseReturnValue:
    """Save the account's calendar, or add rows to its form."""
    return _save(None)


@allow(Role.OWNER, whole_account=True)
def remove_account() -> ResponseReturnValue:
    """Remove the account's calendar."""
    return _remove(None)


def _shown(site: Site | None) -> str:
    row = calendar_service.find_calendar(db.session(), current_person().account.id, site)
    return _page(site, form_of(calendar_service.calendar_of(row)), calendar_service.version_of(row))


def _save(site: Site | None) -> ResponseReturnValue:
    form, person = form_of(None, request.form), current_person()
    seen = request.form.get("version", type=int)
    if "more" in request.form:
        return _page(site, form, seen or 0)
    if not form.validate():
        return _page(site, form, seen or 0), 422
    try:
        calendar_service.save_calendar(
            db.session(),
            person.account,
            site,
            form.values(),
            seen=seen,
            actor=person.actor,
            now=datetime.now(UTC),
        )
    except Invalid as refusal:
        db.session.rollback()
        for path, sentences in refusal.errors.items():
            field = form.field_of(path)
            field.errors = [*field.errors, *sentences]
        return _page(site, form, seen or 0), 422
    except Stale as refusal:
        db.session.rollback()
        row = calendar_service.find_calendar(db.session(), person.account.id, site)
        theirs = calendar_words(calendar_service.calendar_of(row))
        return _page(site, form, calendar_service.version_of(row), theirs=theirs), refusal.status
    db.session.commit()
    flash("Saved. What is planned follows it from now on.", "success")
    return see_other(_address(site))


def _remove(site: Site | None) -> ResponseReturnValue:
    person = current_person()
    calendar_service.save_calendar(
        db.session(), person.account, site, None, actor=person.actor, now=datetime.now(UTC)
    )
    db.session.commit()
    flash("Removed. What is planned follows this from now on.", "success")
    return see_other(_address(site))


def _address(site: Site | None, action: str = "") -> str:
    if site is None:
        return url_for(f"automation.{action}account_calendar")
    return url_for(f"automation.{action}site_calendar", id=site.id)


def _page(site: Site | None, form: CalendarForm, version: int, theirs: str = "") -> str:
    g.menu_entry = "planner.sites" if site else "accounts.settings"
    person, now = current_person(), datetime.now(UTC)
    row = calendar_service.find_calendar(db.session(), person.account.id, site)
    own = calendar_service.calendar_of(row)
    opening = openings_of(db.session(), [person.account.id]).get(
        (person.account.id, site.id if site else OF_NO_SITE)
    )
    applied = opening.calendar if opening else None
    zone = (site.timezone if site else None) or person.account.timezone
    return render_template(
        "pages/automation/site_calendar.html",
        site=site,
        form=form,
        version=version,
        own=own,
        applied=applied,
        words=calendar_words(applied),
        zone=zone,
        theirs=theirs,
        closed=_closed_ahead(applied, day_of(now, zone)) if applied else [],
        save=_address(site, "save_"),
        remove=_address(site, "remove_"),
    )


def _closed_ahead(calendar: WorkingCalendar, today: date) -> Sequence[tuple[date, date, str]]:
    """The next days that something but the week closes, from the first to the last of a kind, with its name."""
    days = (today + timedelta(days=ahead) for ahead in range(AHEAD.days))
    spans: list[tuple[date, date, str]] = []
    for why, some in groupby(days, key=calendar.why_closed):
        if why and why != NOT_A_WORKING_DAY:
            dates = list(some)
            spans.append((dates[0], dates[-1], why))
    return spans[:MOST_NAMED]
