"""The history of runs: filtered by the address, newest first, with planned runs in a separate list; and as a file."""

from datetime import UTC, datetime
from typing import Any

from flask import Response, make_response, redirect, render_template, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.accounts.services.saved_filters import saved_filters
from app.business.automation.services.history.run_export import COLUMNS, exported_runs
from app.business.automation.services.history.upcoming import Upcoming, upcoming
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.automation.filters import SaveFilterForm
from app.modules.automation.run_listing import (
    CHOSEN,
    history_filter,
    kept_filters,
    run_listing,
    short_address,
)
from app.modules.automation.run_table import COLUMNS as TABLE_COLUMNS
from app.modules.automation.run_table import USUAL_COLUMNS
from app.modules.file_answers import file_of
from app.modules.quotas import EXPORTS, limited
from app.modules.web import Context, htmx, see_other

LIMIT = 50
PAGE = "history"
COMING = 10


@allow(Role.VIEWER)
def show() -> ResponseReturnValue:
    """The page; htmx gets the table only. No address keeps empty filters."""
    short = short_address()
    if short and not htmx().is_partial:
        return redirect(short)
    saving = SaveFilterForm(formdata=None)
    return partial(_listing(saving), short) if htmx().is_partial else page(saving)


def page(saving: SaveFilterForm) -> str:
    """The whole page; `saving`: the form that keeps this filter."""
    person, now, session = current_person(), datetime.now(UTC), db.session()
    listing = _listing(saving)
    coming = Upcoming((), 0) if listing["kept"] else upcoming(session, person.scope, now, COMING)
    saved = saved_filters(session, person.user, PAGE)
    return render_template("pages/automation/history.html", coming=coming, saved=saved, **listing)


def _listing(saving: SaveFilterForm) -> Context:
    listing = run_listing("automation.history", current_person().scope, datetime.now(UTC), limit=LIMIT)
    return {"saving": saving, **listing}


def partial(listing: dict[str, object], short: str | None) -> Response:
    """The table alone, with the address that the browser is to show."""
    response = make_response(render_template("partials/automation/history_table.html", **listing))
    if short:
        response.headers["HX-Push-Url"] = short
    return response


@allow(Role.VIEWER)
def columns() -> ResponseReturnValue:
    """Keep the person's columns, in the cookie of their session; none chosen: the usual ones again."""
    chosen = [name for name in request.form.getlist("columns") if name in TABLE_COLUMNS]
    cookie[CHOSEN] = chosen or USUAL_COLUMNS
    kept: dict[str, Any] = kept_filters()
    return see_other(url_for(".history", **kept))


@allow(Role.VIEWER)
@limited(EXPORTS)
def export(kind: str) -> ResponseReturnValue:
    """The runs of exactly this filter as a file."""
    form, _ = history_filter(db.session())
    now, scope = datetime.now(UTC), current_person().scope
    return file_of("runs", kind, COLUMNS, exported_runs(db.session(), scope, form.chosen_runs(now), now))
