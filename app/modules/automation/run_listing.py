"""The table of runs under the filter of the address: the same on the dashboard and in the history."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from flask import request, url_for
from flask import session as cookie
from sqlalchemy.orm import Session

from app.business.accounts.models import Role
from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import Status
from app.business.automation.services.history.listed_runs import ListedRun, sentences_of
from app.business.automation.services.history.run_list import SEARCHED, SEARCHED_ON, listed_page
from app.infrastructure.database import db
from app.infrastructure.table_files import TYPES
from app.modules.access import current_person
from app.modules.automation.filters import HistoryFilter
from app.modules.automation.rule_form.choices import FilterNames, filter_names
from app.modules.automation.run_table import COLUMNS, USUAL_COLUMNS, Names, folded, run_rows
from app.modules.web import Context

FILTERS = (
    "status", "rule", "cause", "reason", "since", "start", "end", "site", "user", "cost_min", "cost_max", "took",
    "q",
)  # fmt: skip
CHOSEN = "run_columns"
"""The person's columns, in the cookie of their session."""


def run_listing(
    endpoint: str,
    scope: Scope,
    now: datetime,
    *,
    limit: int,
    own: Mapping[str, Any] | None = None,
    offered: FilterNames | None = None,
) -> Context:
    """The context of `history_table.html`. own: parameters that the page has besides the filter · offered: what
    can be chosen, where the page has read it already."""
    session = db.session()
    form, names = history_filter(session, offered)
    cursor, own = request.args.get("cursor"), own or {}
    page = listed_page(session, scope, form.chosen_runs(now), cursor, limit, now)
    kept: dict[str, Any] = {name: value for name, value in kept_filters().items() if name not in own}
    said = sentences_of(session, scope.account_id, page.rows)

    def url(**changes: Any) -> str:
        return url_for(endpoint, **{**own, **kept, **changes})

    chips = [(label, words, url(**{name: None})) for name, label, words in form.chips() if name not in own]
    return {
        "form": form,
        "kept": kept,
        "chips": chips,
        "columns": chosen_columns(),
        "all_columns": COLUMNS,
        "clear_url": url_for(endpoint, **own),
        "first_url": url() if cursor else None,
        "next_url": url(cursor=page.next_cursor) if page.next_cursor else None,
        "files": {kind: url_for("automation.export_runs", kind=kind, **kept) for kind in TYPES},
        "searched": SEARCHED_ON if cursor else SEARCHED,
        "goes_on": bool(page.next_cursor) and len(page.rows) < limit,
        "retry_url": retry_url(page.rows, {**own, **kept}),
        "runs": run_rows(folded(page.rows), now, sentences=said, names=names),
    }


def history_filter(session: Session, offered: FilterNames | None = None) -> tuple[HistoryFilter, Names]:
    """The filter with what it offers, and the names of sites and people for the table."""
    offered = offered or filter_names(session, current_person().scope)
    form = HistoryFilter(offered.rules, offered.sites, offered.people)
    return form, Names(dict(offered.sites), dict(offered.people))


def kept_filters() -> dict[str, str]:
    """The filters of the address that are not empty."""
    return {name: value for name, value in request.args.items() if name in FILTERS and value}


def short_address() -> str | None:
    """The present address without empty parameters; None where it has none."""
    pairs = [(name, value) for name, value in request.args.items(multi=True) if value]
    if len(pairs) == len(list(request.args.items(multi=True))):
        return None
    return request.path + (f"?{urlencode(pairs)}" if pairs else "")


def chosen_columns() -> list[str]:
    """Those that the person has chosen, in the order of the table."""
    chosen = cookie.get(CHOSEN, USUAL_COLUMNS)
    return [name for name in COLUMNS if name in chosen]


def retry_url(runs: Iterable[ListedRun], kept: Mapping[str, Any]) -> str | None:
    """Address of the retry of all failed runs of the filter; None if none is shown, or for people without
    permission."""
    if not current_person().can(Role.OPERATOR) or not any(run.status == Status.FAILED for run in runs):
        return None
    left = {name: value for name, value in kept.items() if name in FILTERS and name != "status"}
    return url_for(".ask_retry_all", **left)
