"""What became of every planned time and every event: none may be without a row that says so."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, Cause, RuleActivation, RuleVersion, ScheduledTask
from app.business.automation.services.schedules import due_instants, parse_schedule
from app.business.events import EventBatch
from app.business.planner.models import Site, SiteStatus

WITHIN = timedelta(hours=24)
GRACE = timedelta(seconds=120)
"""A planned time or a batch of events this young may still be on its way."""

Span = Any
Times = dict[int, list[tuple[datetime, datetime]]]


def unaccounted(session: Session, account_id: int, now: datetime) -> int:
    """Planned times of the last day without a run, and batches of events that no rule was asked about.

    Three queries, or four when rules are split by site. Zero unless something was lost or has stopped.
    """
    since, until = now - WITHIN, now - GRACE
    spans = session.execute(_spans(account_id, since, until)).all()
    runs = _planned_runs(session, account_id, since, until) if spans else {}
    missing = sum(_missing(span, runs.get(span.rule_id, []), since, until) for span in spans)
    return missing + (session.scalar(_unread_batches(account_id, since, until)) or 0)


def _spans(account_id: int, since: datetime, until: datetime) -> Any:
    """When which schedule was in force. A rule split over sites none of which is active owes nothing."""
    active_site = (
        select(Site.id)
        .where(
            Site.account_id == AutomationRule.account_id,
            Site.status == SiteStatus.ACTIVE,
            or_(AutomationRule.site_id.is_(None), Site.id == AutomationRule.site_id),
        )
        .exists()
    )
    version = and_(
        RuleVersion.rule_id == RuleActivation.rule_id, RuleVersion.version == RuleActivation.version
    )
    return (
        select(RuleActivation.rule_id, RuleActivation.from_at, RuleActivation.to_at, RuleVersion.definition)
        .join(AutomationRule, AutomationRule.id == RuleActivation.rule_id)
        .join(RuleVersion, version)
        .where(
            RuleActivation.account_id == account_id,
            RuleActivation.from_at < until,
            or_(RuleActivation.to_at.is_(None), RuleActivation.to_at > since),
            or_(AutomationRule.split_by == "none", active_site),
        )
    )


def _planned_runs(session: Session, account_id: int, since: datetime, until: datetime) -> Times:
    """For each rule the times its runs stand for: from, to (the same but for a row of many missed times)."""
    query = select(
        ScheduledTask.automation_rule_id,
        func.coalesce(ScheduledTask.first_at, ScheduledTask.scheduled_at),
        func.coalesce(ScheduledTask.last_at, ScheduledTask.scheduled_at),
    ).where(
        ScheduledTask.account_id == account_id,
        ScheduledTask.scheduled_at >= since,
        ScheduledTask.scheduled_at <= until,
        ScheduledTask.cause == Cause.SCHEDULE,
        ScheduledTask.follows_id.is_(None),
    )
    times: Times = defaultdict(list)
    for rule_id, first_at, last_at in session.execute(query):
        times[rule_id].append((first_at, last_at))
    return times


def _missing(span: Span, runs: list[tuple[datetime, datetime]], since: datetime, until: datetime) -> int:
    schedule = parse_schedule(span.definition["schedule"], shortest_interval_minutes=None)
    start, end = max(span.from_at, since), min(span.to_at or until, until)
    known = {first_at for first_at, _ in runs}
    folded = [(first_at, last_at) for first_at, last_at in runs if first_at < last_at]
    return sum(
        due_at not in known and not any(first_at <= due_at <= last_at for first_at, last_at in folded)
        for due_at in due_instants(schedule, start, end)
    )


def _unread_batches(account_id: int, since: datetime, until: datetime) -> Any:
    """Those given up on count for a day; those still waiting for as long as they wait."""
    return (
        select(func.count())
        .select_from(EventBatch)
        .where(
            EventBatch.account_id == account_id,
            EventBatch.closed_at < until,
            EventBatch.dispatched_at.is_(None),
            or_(EventBatch.dead_at.is_(None), EventBatch.dead_at > since),
        )
    )
