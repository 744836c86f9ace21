"""Figures of the dashboard: rules, runs and their success, credits by day, and what is unaccounted for."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, ScheduledTask, Status
from app.business.billing.models import CreditEntry, EntryKind
from app.business.events import EventBatch

SPANS = ((1, "24 hours"), (7, "7 days"), (30, "30 days"))
DAYS = 30
GRACE = timedelta(minutes=2)


@dataclass(frozen=True)
class Span:
    """Runs of a time span. Skipped runs did not try, so they are no part of the rate."""

    label: str
    completed: int
    failed: int
    skipped: int

    @property
    def success_rate(self) -> float | None:
        """Completed of completed and failed; None without either."""
        tried = self.completed + self.failed
        return self.completed / tried if tried else None


@dataclass(frozen=True)
class RuleCounts:
    """How many rules there are."""

    active: int
    off: int
    practice: int
    archived: int


def rule_counts(session: Session, account_id: int) -> RuleCounts:
    """In one query."""
    here = AutomationRule.archived_at.is_(None)
    live = AutomationRule.mode == "live"
    row = session.execute(
        select(
            _count(and_(here, AutomationRule.is_active, live)),
            _count(and_(here, ~AutomationRule.is_active)),
            _count(and_(here, AutomationRule.is_active, ~live)),
            _count(~here),
        ).where(AutomationRule.account_id == account_id)
    ).one()
    return RuleCounts(*row)


def spans(session: Session, account_id: int, now: datetime) -> list[Span]:
    """24 hours, 7 days and 30 days in one query."""
    ended = (Status.COMPLETED, Status.FAILED, Status.SKIPPED)
    columns = [
        _count(and_(ScheduledTask.status == status, ScheduledTask.scheduled_at > now - timedelta(days=days)))
        for days, _ in SPANS
        for status in ended
    ]
    first = now - timedelta(days=SPANS[-1][0])
    row = session.execute(
        select(*columns).where(
            ScheduledTask.account_id == account_id, ScheduledTask.scheduled_at > first, ScheduledTask.scheduled_at <= now
        )
    ).one()
    return [Span(label, *row[index * 3 : index * 3 + 3]) for index, (_, label) in enumerate(SPANS)]


def credits_by_day(session: Session, account_id: int, zone: ZoneInfo, now: datetime) -> list[dict[str, Any]]:
    """Credits that runs used on each of the last 30 local days, oldest first: {"on", "credits"}."""
    today = now.astimezone(zone).date()
    days = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    sums = [_spent(_start(day, zone), _start(day + timedelta(days=1), zone)) for day in days]
    row = session.execute(
        select(*sums).where(
            CreditEntry.account_id == account_id,
            CreditEntry.kind.in_([EntryKind.CHARGE, EntryKind.REFUND]),
            CreditEntry.created_at >= _start(days[0], zone),
        )
    ).one()
    return [{"on": day, "credits": max(0, int(used or 0))} for day, used in zip(days, row, strict=True)]


def unaccounted(session: Session, account_id: int, now: datetime) -> int:
    """Planned times without a row, runs that are due and not begun, and events no rule has seen: each two minutes on."""
    late = now - GRACE
    unplanned = select(func.count()).where(
        AutomationRule.account_id == account_id, AutomationRule.is_active, AutomationRule.unplanned_from < late
    )
    due = func.coalesce(ScheduledTask.not_before, ScheduledTask.scheduled_at)
    idle = select(func.count()).where(
        ScheduledTask.account_id == account_id,
        ScheduledTask.status == Status.PENDING,
        ScheduledTask.waiting_for.is_(None),
        due < late,
    )
    unseen = select(func.count()).where(
        EventBatch.account_id == account_id,
        EventBatch.closed_at < late,
        EventBatch.dispatched_at.is_(None),
        EventBatch.dead_at.is_(None),
    )
    parts = [query.scalar_subquery() for query in (unplanned, idle, unseen)]
    return session.scalar(select(parts[0] + parts[1] + parts[2])) or 0


def _spent(start: datetime, end: datetime) -> ColumnElement[Any]:
    inside = and_(CreditEntry.created_at >= start, CreditEntry.created_at < end)
    return func.sum(case((inside, -CreditEntry.amount), else_=0))


def _start(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _count(clause: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((clause, 1)))
