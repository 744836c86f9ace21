"""Each rule's figures for lists: its last and next run, and its failures of the last days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, RowMapping, ScalarSelect, Select, func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.calendar_models import SiteCalendar
from app.business.automation.models import AutomationRule, RuleDay
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.history.next_starts import next_starts
from app.business.periods import Period, last_days

FAILURES_WITHIN = 7
"""Days, including today."""
T = TypeVar("T")
NEWEST_FIRST = (ScheduledTask.scheduled_at.desc(), ScheduledTask.id.desc())


@dataclass(frozen=True)
class RuleFigures:
    """Figures of one rule in lists. Times are None when there is no such run."""

    last_run: ScheduledTask | None
    last_executed_at: datetime | None
    last_success_at: datetime | None
    failures: int
    runs_today: int
    next_run_at: datetime | None


def rule_figures(
    session: Session, account_id: int, rule_ids: Sequence[int], now: datetime
) -> dict[int, RuleFigures]:
    """Figures of those of the account's rules, in two queries whatever their number; more where it has calendars."""
    week = last_days(FAILURES_WITHIN, session.get_one(Account, account_id).timezone, now)
    rows = session.execute(_figures(account_id, rule_ids, week, now)).mappings().all()
    latest = [row[status] for row in rows for status in Status if row[status]]
    known = select(ScheduledTask).where(ScheduledTask.account_id == account_id, ScheduledTask.id.in_(latest))
    runs: dict[int, list[ScheduledTask]] = {}
    for run in session.scalars(known):
        runs.setdefault(run.automation_rule_id, []).append(run)
    ahead = {
        row["id"] for row in rows if row["unplanned_from"] and not row["planned_at"] and row["has_calendars"]
    }
    starts = next_starts(session, account_id, ahead) if ahead else {}
    return {row["id"]: _figures_of(row, runs.get(row["id"], []), starts) for row in rows}


def _figures(
    account_id: int, rule_ids: Sequence[int], week: Period, now: datetime
) -> Select[*tuple[Any, ...]]:
    """One row for each rule; under each status the id of its latest run, without planned ones."""
    used = select(func.coalesce(func.sum(RuleDay.used), 0)).where(
        RuleDay.rule_id == AutomationRule.id, RuleDay.local_day == week.dates[-1]
    )
    failed = [ScheduledTask.status == Status.FAILED, ScheduledTask.scheduled_at >= week.start]
    return select(
        AutomationRule.id,
        AutomationRule.unplanned_from,
        *(_latest(status, now).label(status.value) for status in Status),
        _of_rule(func.count(), *failed).label("failures"),
        _of_rule(func.min(ScheduledTask.begins_at), *_starts_after(now)).label("planned_at"),
        used.scalar_subquery().label("runs_today"),
        select(SiteCalendar.id).where(SiteCalendar.account_id == account_id).exists().label("has_calendars"),
    ).where(AutomationRule.account_id == account_id, AutomationRule.id.in_(rule_ids))


def _starts_after(now: datetime) -> Sequence[ColumnElement[bool]]:
    run = ScheduledTask
    is_open = run.reason.is_distinct_from(Reason.CLOSED_DAY)
    return run.status == Status.PENDING, run.begins_at > now, is_open


def _of_rule(figure: ColumnElement[T], *clauses: ColumnElement[bool]) -> ScalarSelect[T]:
    return _runs_of_rule(figure).where(*clauses).scalar_subquery()


def _latest(status: Status, now: datetime) -> ScalarSelect[int]:
    ended_or_due = [ScheduledTask.status == status]
    if status == Status.PENDING:
        ended_or_due.append(ScheduledTask.scheduled_at <= now)
    return (
        _runs_of_rule(ScheduledTask.id.expression)
        .where(*ended_or_due)
        .order_by(*NEWEST_FIRST)
        .limit(1)
        .scalar_subquery()
    )


def _runs_of_rule(figure: ColumnElement[T]) -> Select[T]:
    return select(figure).where(
        ScheduledTask.account_id == AutomationRule.account_id,
        ScheduledTask.automation_rule_id == AutomationRule.id,
    )


def _figures_of(
    row: RowMapping, latest: Sequence[ScheduledTask], starts: Mapping[int, datetime | None]
) -> RuleFigures:
    """`latest` has at most one run of each status; `starts`: where closed days come between."""
    started = [run.started_at for run in latest if run.started_at and run.status != Status.SKIPPED]
    succeeded = [run.finished_at for run in latest if run.status == Status.COMPLETED]
    return RuleFigures(
        last_run=max(latest, key=lambda run: (run.scheduled_at, run.id), default=None),
        last_executed_at=max(started, default=None),
        last_success_at=succeeded[0] if succeeded else None,
        failures=row["failures"],
        runs_today=row["runs_today"],
        next_run_at=row["planned_at"] or starts.get(row["id"], row["unplanned_from"]),
    )
