"""The history of runs: filtered by the address, newest first, with planned runs in a separate list."""

from datetime import UTC, datetime

from flask import render_template
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.services.history.upcoming import Upcoming, upcoming
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.automation.run_listing import run_listing
from app.modules.web import htmx

LIMIT = 50
COMING = 10


@allow(Role.VIEWER)
def show() -> ResponseReturnValue:
    """The page; htmx gets the table only."""
    person, now = current_person(), datetime.now(UTC)
    listing = run_listing("automation.history", person.scope, now, limit=LIMIT)
    if htmx().is_partial:
        return render_template("partials/automation/history_table.html", **listing)
    coming = Upcoming((), 0) if listing["cursor"] else upcoming(db.session(), person.scope, now, COMING)
    return render_template("pages/automation/history.html", coming=coming, **listing)
