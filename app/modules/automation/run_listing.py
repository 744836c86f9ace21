"""The table of runs under the filter of the address: the same on the dashboard and in the history."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from flask import request, url_for

from app.business.accounts.models import Role
from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.history.run_list import runs_page, sentences_of
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.automation.filters import HistoryFilter
from app.modules.automation.rule_form.choices import rule_names
from app.modules.automation.run_table import folded, run_rows

FILTERS = ("status", "rule", "cause", "reason", "since", "start", "end")


def run_listing(
    endpoint: str, scope: Scope, now: datetime, *, limit: int, own: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The context of `history_table.html`. own: parameters that the page has besides the filter."""
    session = db.session()
    form = HistoryFilter(rule_names(session, current_person().scope))
    cursor = request.args.get("cursor")
    page = runs_page(session, scope, form.chosen_runs(now), cursor, limit, now)
    kept: dict[str, Any] = {name: value for name, value in request.args.items() if name in FILTERS and value}
    said = sentences_of(session, scope.account_id, page.rows)
    own = own or {}
    return {
        "form": form,
        "kept": kept,
        "cursor": cursor,
        "clear_url": url_for(endpoint, **own),
        "first_url": url_for(endpoint, **own, **kept) if cursor else None,
        "next_url": url_for(endpoint, cursor=page.next_cursor, **own, **kept) if page.next_cursor else None,
        "retry_url": retry_url(page.rows, kept) if "site" not in own else None,
        "runs": run_rows(folded(page.rows), now, sentences=said),
    }


def retry_url(runs: Iterable[ScheduledTask], kept: Mapping[str, Any]) -> str | None:
    """Address of the retry of all failed runs of the filter; None if none is shown, or for people without
    permission."""
    if not current_person().can(Role.OPERATOR) or not any(run.status == Status.FAILED for run in runs):
        return None
    return url_for(".ask_retry_all", **{name: value for name, value in kept.items() if name != "status"})
