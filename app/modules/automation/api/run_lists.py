"""REST: the list of runs, as a file too, and their figures."""

from datetime import UTC, datetime

from flask import Response

from app.business.accounts.models import Role
from app.business.automation.services.history import figures
from app.business.automation.services.history.run_export import COLUMNS, exported_runs
from app.business.automation.services.history.run_filters import RunFilters
from app.business.automation.services.history.run_list import runs_page
from app.business.errors import Busy
from app.business.periods import last_days
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.api.exports import FILE
from app.modules.api.records import in_zone
from app.modules.api.resource import Listed, Window, listed, report
from app.modules.automation.api.answers import SummaryShown
from app.modules.automation.api.blueprint import api
from app.modules.automation.api.runs import show_run
from app.modules.automation.api.serializers import RunExportQuery, RunQuery, RunShown, SummaryQuery
from app.modules.file_answers import file_of
from app.modules.quotas import EXPORTS


@api.call("GET", "/scheduled-tasks/", Role.VIEWER, answers={200: Listed[RunShown]})
def list_runs(query: RunQuery, window: Window) -> Response:
    """Runs, newest first; those planned for later only with `upcoming=true`.

    `ordering=id` is the order in which runs were opened: whoever walks it gets every run once, also those that are
    opened meanwhile. Filters by `q`, credits and `took_min` look through some 5,000 runs for the first page and 50,000
    for each further one, every filter in this order through some 4,000: a page may have few results, or none, and a
    `next`.
    """
    scope, now = current_person().scope, datetime.now(UTC)
    page = runs_page(db.session(), scope, _filters(query), window.cursor, window.limit, now)
    return listed(window, page, show_run)


@api.call(
    "GET",
    "/scheduled-tasks/export/",
    Role.VIEWER,
    answers=FILE,
    errors=(Busy,),
    quota=EXPORTS,
)
def export_runs(query: RunExportQuery) -> Response:
    """The newest runs of the filter, at most 100,000, as a file: CSV, JSON lines or XLSX.

    Texts that begin like a formula get a leading apostrophe in CSV, and are text in XLSX.
    """
    scope, now, session = current_person().scope, datetime.now(UTC), db.session()
    return file_of("runs", query.format, COLUMNS, exported_runs(session, scope, _filters(query), now))


def _filters(query: RunQuery) -> RunFilters:
    return RunFilters(
        status=query.status,
        rules=query.automation_rule,
        after=in_zone(query.scheduled_after),
        before=in_zone(query.scheduled_before),
        cause=query.cause,
        reason=query.reason,
        practised=query.practised,
        upcoming=query.upcoming,
        oldest=query.ordering == "scheduled_at",
        by_id=query.ordering == "id",
        site=query.site,
        user=query.actor,
        text=query.q,
        cost_min=query.cost_min,
        cost_max=query.cost_max,
        took_min=query.took_min,
    )


@api.call("GET", "/summary/", Role.VIEWER, answers={200: SummaryShown})
def show_summary(query: SummaryQuery) -> Response:
    """Figures of the last days, and the number of unaccounted times and batches."""
    person, now = current_person(), datetime.now(UTC)
    zone = person.account.timezone
    period = last_days(query.days, zone, now)
    found = figures.summary(db.session(), person.scope, period, zone, now)
    return report(
        SummaryShown(
            active_rules=found.active_rules,
            runs=found.runs,
            success_rate=found.success_rate,
            credits_used=found.credits_used,
            recent=[show_run(run) for run in found.recent],
            unaccounted=found.unaccounted,
            from_at=found.from_at,
            to_at=found.to_at,
        )
    )
