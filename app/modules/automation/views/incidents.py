"""The pages of incidents: what fails, since when, what it touched, and what to do."""

from datetime import UTC, datetime

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role, User
from app.business.accounts.services.scope import Scope, owned
from app.business.errors import Conflict, NotFound
from app.business.outlets.incident_models import Incident, IncidentStatus
from app.business.outlets.services import incidents
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.automation.incident_lines import lines_of
from app.modules.web import see_other

PAGE_SIZE = 30
FAILURES = 20


@allow(Role.VIEWER)
def index() -> str:
    statuses = [status for status in IncidentStatus if status in request.args.getlist("status")]
    cursor = request.args.get("cursor")
    page = incidents.page_of_incidents(
        db.session(), current_person().scope, statuses=statuses, cursor=cursor, limit=PAGE_SIZE
    )
    following = url_for(".incidents", status=statuses, cursor=page.next_cursor)
    return render_template(
        "pages/automation/incidents.html",
        lines=lines_of(page.rows),
        statuses=statuses,
        next_url=following if page.next_cursor else None,
        first_url=url_for(".incidents", status=statuses) if cursor else None,
    )


@allow(Role.VIEWER)
def show(id: int) -> str:
    session, scope = db.session(), current_person().scope
    row = incidents.found(session, scope, id)
    (line,) = lines_of([row])
    return render_template(
        "pages/automation/incident.html",
        line=line,
        failures=incidents.failures_of(session, scope, row, FAILURES),
        muted_by=_name_of(row.muted_by_id),
    )


@allow(Role.EDITOR, whole_account=True)
def mute(id: int) -> ResponseReturnValue:
    """Leave it out of reports until it changes."""
    row = incidents.found(db.session(), current_person().scope, id)
    try:
        incidents.mute(db.session(), row, current_person().actor, datetime.now(UTC))
    except Conflict as refusal:
        flash(refusal.message, "warning")
    else:
        flash("Muted until it touches another rule or site, or is over.", "success")
    db.session.commit()
    return _to(row)


@allow(Role.EDITOR, whole_account=True)
def unmute(id: int) -> ResponseReturnValue:
    """Report it again."""
    row = incidents.found(db.session(), current_person().scope, id)
    incidents.unmute(db.session(), row, current_person().actor, datetime.now(UTC))
    db.session.commit()
    flash("It is reported again.", "success")
    return _to(row)


def _to(row: Incident) -> ResponseReturnValue:
    return see_other(url_for(".incident", id=row.id))


def _name_of(user_id: int | None) -> str:
    if user_id is None:
        return ""
    try:
        user = owned(db.session(), User, user_id, Scope(current_person().account.id))
    except NotFound:
        return ""
    return user.name or user.email
