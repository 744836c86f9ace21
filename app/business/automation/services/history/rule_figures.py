"""Each rule's figures for lists: its last and next run, and its failures of the last days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import ColumnElement, Date, Row, ScalarSelect, Select, bindparam, func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.calendar_models import SiteCalendar
from app.business.automation.models import AutomationRule, RuleDay
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.history.next_starts import next_starts
from app.business.base import Id, UtcDateTime
from app.business.kept_queries import kept_queries
from app.business.periods import last_days
from app.business.plain_rows import AnyColumns, plain_rows
from app.business.sql_functions import is_among
from app.business.words_as_text import words_as_text

FAILURES_WITHIN = 7
"""Days, including today."""
T = TypeVar("T")
NEWEST_FIRST = (ScheduledTask.scheduled_at.desc(), ScheduledTask.id.desc())


@dataclass(frozen=True, slots=True)
class LatestRun:
    """The latest run of a rule, or its latest in one state."""

    id: int
    automation_rule_id: int
    status: str
    reason: str | None
    waiting_for: str | None
    scheduled_at: datetime
    moved_to_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def begins_at(self) -> datetime:
        """When it was to start: its planned time, or the one it was moved to."""
        return self.moved_to_at or self.scheduled_at


@dataclass(frozen=True)
class RuleFigures:
    """Figures of one rule in lists. Times are None when there is no such run."""

    last_run: LatestRun | None
    last_executed_at: datetime | None
    last_success_at: datetime | None
    failures: int
    runs_today: int
    next_run_at: datetime | None


def rule_figures(
    session: Session, account_id: int, rule_ids: Sequence[int], now: datetime
) -> dict[int, RuleFigures]:
    """Figures of those of the account's rules, in two queries whatever their number; more where it has calendars.

    What the session has changed counts too.
    """
    session.flush()
    week = last_days(FAILURES_WITHIN, session.get_one(Account, account_id).timezone, now)
    wanted = {"account_id": account_id, "rule_ids": [*rule_ids], "now": now}
    rows = plain_rows(session, _figures(), wanted | {"today": week.dates[-1], "week": week.start})
    latest = [run_id for row in rows for run_id in row[-len(Status) :] if run_id]
    runs: dict[int, list[LatestRun]] = {}
    for run in plain_rows(session, _runs(), {"account_id": account_id, "run_ids": latest}) if latest else ():
        runs.setdefault(run.automation_rule_id, []).append(LatestRun(*run))
    ahead = {row.id for row in rows if row.unplanned_from and not row.planned_at and row.has_calendars}
    starts = next_starts(session, account_id, ahead) if ahead else {}
    return {row.id: _figures_of(row, runs.get(row.id, ()), starts) for row in rows}


def _of_rule(figure: ColumnElement[T], *clauses: ColumnElement[bool]) -> ScalarSelect[T]:
    return _runs_of_rule(figure).where(*clauses).scalar_subquery()


def _latest(status: Status) -> ScalarSelect[int]:
    """Id of the rule's latest run in that state, without planned ones."""
    ended_or_due = [ScheduledTask.status == status]
    if status == Status.PENDING:
        ended_or_due.append(ScheduledTask.scheduled_at <= _NOW)
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


def _starts_ahead() -> Sequence[ColumnElement[bool]]:
    run = ScheduledTask
    return run.status == Status.PENDING, run.begins_at > _NOW, run.reason.is_distinct_from(Reason.CLOSED_DAY)


_ACCOUNT, _NOW = bindparam("account_id", type_=Id), bindparam("now", type_=UtcDateTime())
_FAILED = (
    ScheduledTask.status == Status.FAILED,
    ScheduledTask.scheduled_at >= bindparam("week", type_=UtcDateTime()),
)
_USED_TODAY = select(func.coalesce(func.sum(RuleDay.used), 0)).where(
    RuleDay.rule_id == AutomationRule.id, RuleDay.local_day == bindparam("today", type_=Date())
)


@kept_queries(1)
def _figures() -> AnyColumns:
    """The last columns are `_latest` of each status."""
    query = select(
        AutomationRule.id,
        AutomationRule.unplanned_from,
        _of_rule(func.count(), *_FAILED).label("failures"),
        _of_rule(func.min(ScheduledTask.begins_at), *_starts_ahead()).label("planned_at"),
        _USED_TODAY.scalar_subquery().label("runs_today"),
        select(SiteCalendar.id).where(SiteCalendar.account_id == _ACCOUNT).exists().label("has_calendars"),
        *map(_latest, Status),
    ).where(
        AutomationRule.account_id == _ACCOUNT,
        is_among(AutomationRule.id, "rule_ids"),
    )
    return words_as_text(query)


@kept_queries(1)
def _runs() -> AnyColumns:
    columns = (getattr(ScheduledTask, name) for name in LatestRun.__slots__)
    return select(*columns).where(ScheduledTask.account_id == _ACCOUNT, is_among(ScheduledTask.id, "run_ids"))


def _figures_of(
    row: Row[*tuple[object, ...]], latest: Sequence[LatestRun], starts: Mapping[int, datetime | None]
) -> RuleFigures:
    """`latest` has at most one run of each status; `starts`: where closed days come between."""
    started = [run.started_at for run in latest if run.started_at and run.status != Status.SKIPPED]
    succeeded = [run.finished_at for run in latest if run.status == Status.COMPLETED]
    return RuleFigures(
        last_run=max(latest, key=lambda run: (run.scheduled_at, run.id), default=None),
        last_executed_at=max(started, default=None),
        last_success_at=succeeded[0] if succeeded else None,
        failures=row.failures,
        runs_today=row.runs_today,
        next_run_at=row.planned_at or starts.get(row.id, row.unplanned_from),
    )
