"""Figures of the dashboard: rules by state, and runs with their success rate for today, 7 and 30 days."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.periods import last_days

SPANS = ((1, "today"), (7, "7 days"), (30, "30 days"))


@dataclass(frozen=True)
class Span:
    """Runs of a period. The success rate excludes skipped and practice runs."""

    label: str
    completed: int
    failed: int
    skipped: int
    practised: int

    @property
    def success_rate(self) -> float | None:
        """Completed of completed and failed; None without either."""
        tried = self.completed + self.failed
        return self.completed / tried if tried else None


@dataclass(frozen=True)
class RuleCounts:
    """Number of rules by state."""

    active: int
    off: int
    practice: int
    archived: int


def rule_counts(session: Session, scope: Scope) -> RuleCounts:
    """In one query."""
    here = AutomationRule.archived_at.is_(None)
    live = AutomationRule.mode == "live"
    row = session.execute(
        select(
            _count(and_(here, AutomationRule.is_active, live)),
            _count(and_(here, ~AutomationRule.is_active)),
            _count(and_(here, AutomationRule.is_active, ~live)),
            _count(~here),
        ).where(scope.sees(AutomationRule))
    ).one()
    return RuleCounts(*row)


def spans(session: Session, scope: Scope, zone: str, now: datetime) -> list[Span]:
    """Today, 7 days and 30 days in the account's zone, in one query."""
    practised = and_(ScheduledTask.status == Status.SKIPPED, ScheduledTask.reason == Reason.SHADOW)
    skipped = and_(ScheduledTask.status == Status.SKIPPED, ScheduledTask.reason != Reason.SHADOW)
    ended = [ScheduledTask.status == status for status in (Status.COMPLETED, Status.FAILED)]
    ended += [skipped, practised]
    starts = [last_days(days, zone, now).start for days, _ in SPANS]
    columns = [
        _count(and_(state, ScheduledTask.scheduled_at >= start)) for start in starts for state in ended
    ]
    row = session.execute(
        select(*columns).where(
            scope.sees(ScheduledTask),
            ScheduledTask.scheduled_at >= starts[-1],
            ScheduledTask.scheduled_at <= now,
        )
    ).one()
    return [Span(label, *row[index * 4 : index * 4 + 4]) for index, (_, label) in enumerate(SPANS)]


def _count(clause: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((clause, 1)))
