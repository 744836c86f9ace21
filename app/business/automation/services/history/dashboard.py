"""Figures of the dashboard: rules by state, and runs with their success rate for today, 7 and 30 days."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Reason, Status
from app.business.automation.services.history.run_days import ended_runs
from app.business.periods import last_days

PRACTISED = "practised"
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
    periods = [last_days(days, zone, now) for days, _ in SPANS]
    ended = ended_runs(scope, periods[-1], zone, now).c
    is_practised = and_(ended.status == Status.SKIPPED, ended.reason == Reason.SHADOW)
    state = case((is_practised, PRACTISED), else_=ended.status)
    rows = session.execute(select(ended.on, state, func.sum(ended.runs)).group_by(ended.on, state))
    runs = {(on, status): int(count) for on, status, count in rows}
    states = (Status.COMPLETED, Status.FAILED, Status.SKIPPED, PRACTISED)
    return [
        Span(label, *(sum(runs.get((on, status), 0) for on in period.dates) for status in states))
        for (_, label), period in zip(SPANS, periods, strict=True)
    ]


def _count(clause: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((clause, 1)))
