"""The history of runs: filtered by the address, newest first, with planned runs in a separate list."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.history.run_list import runs_page, sentences_of
from app.business.automation.services.history.upcoming import Upcoming, upcoming
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.automation.filters import HistoryFilter
from app.modules.automation.rule_form.choices import rule_names
from app.modules.automation.run_table import folded, run_rows
from app.modules.web import htmx

LIMIT = 50
COMING = 10
FILTERS = ("status", "rule", "cause", "reason", "since", "start", "end")


@allow(Role.VIEWER)
def show() -> ResponseReturnValue:
    """The page; htmx gets the table only."""
    person, session, now = current_person(), db.session(), datetime.now(UTC)
    form = HistoryFilter(rule_names(session, person.scope))
    cursor = request.args.get("cursor")
    page = runs_page(session, person.scope, form.chosen_runs(now), cursor, LIMIT, now)
    kept: dict[str, Any] = {name: value for name, value in request.args.items() if name in FILTERS and value}
    context: dict[str, Any] = {
        "form": form,
        "kept": kept,
        "cursor": cursor,
        "next_url": url_for(".history", cursor=page.next_cursor, **kept) if page.next_cursor else None,
        "here": url_for(".history", cursor=cursor, **kept),
        "retry_url": retry_url(page.rows, kept),
    }

    def render(template: str, **more: Any) -> str:
        said = sentences_of(session, person.account.id, page.rows)
        runs = run_rows(folded(page.rows), now, sentences=said)
        return render_template(template, runs=runs, **context, **more)

    if htmx().is_partial:
        return render("partials/automation/history_table.html")
    coming = Upcoming((), 0) if cursor else upcoming(session, person.scope, now, COMING)
    return render("pages/automation/history.html", coming=coming)


def retry_url(runs: Iterable[ScheduledTask], kept: Mapping[str, Any]) -> str | None:
    """Address of the retry of all failed runs of the filter; None if none is shown, or for people without
    permission."""
    if not current_person().can(Role.OPERATOR) or not any(run.status == Status.FAILED for run in runs):
        return None
    return url_for(".ask_retry_all", **{name: value for name, value in kept.items() if name != "status"})
