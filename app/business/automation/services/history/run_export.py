"""Runs as rows of a file: read page by page, so that memory stays flat whatever their number."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.business.accounts.models import User
from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.history.run_filters import RunFilters
from app.business.automation.services.history.run_list import runs_page
from app.business.paging import every_page
from app.business.planner.models import Site

Cell = str | int | float | None
COLUMNS = (
    "id", "automation_rule", "rule_name", "rule_version", "site", "cause", "started_by", "status", "reason",
    "scheduled_at", "moved_to_at", "started_at", "finished_at", "seconds", "credits_used", "attempt", "outcome",
)  # fmt: skip


def exported_runs(
    session: Session, scope: Scope, filters: RunFilters, now: datetime
) -> Iterator[dict[str, Cell]]:
    """The newest runs of the filter, at most MOST_ROWS, by the names of COLUMNS."""
    sites = _names(session, select(Site.id, Site.name).where(Site.account_id == scope.account_id))
    people = _names(session, select(User.id, User.email).where(User.account_id == scope.account_id))
    for runs in every_page(lambda cursor, limit: runs_page(session, scope, filters, cursor, limit, now)):
        for run in runs:
            yield _row(run, sites, people)
            session.expunge(run)


def _names(session: Session, query: Select[int, str]) -> dict[int, str]:
    return {id: name for id, name in session.execute(query)}  # noqa: C416 - rows are no pairs to mypy


def _row(run: ScheduledTask, sites: dict[int, str], people: dict[int, str]) -> dict[str, Cell]:
    took = (run.finished_at - run.started_at).total_seconds() if run.finished_at and run.started_at else None
    cells: tuple[Cell, ...] = (
        run.id,
        run.automation_rule_id,
        run.rule_name,
        run.rule_version,
        sites.get(run.site_id or 0),
        run.cause,
        people.get(run.user_id or 0),
        run.status,
        run.reason,
        _instant(run.scheduled_at),
        _instant(run.moved_to_at),
        _instant(run.started_at),
        _instant(run.finished_at),
        took,
        run.credits_used,
        run.attempt,
        str(run.result.get("summary") or "") or run.error_message,
    )
    return dict(zip(COLUMNS, cells, strict=True))


def _instant(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
