"""Planning: every due instant of every active schedule rule becomes exactly one row, ahead of its time.

`unplanned_from` is a rule's first due instant without a row. Rows and its move are one transaction, guarded on its
old value, so windows touch, overlap harmlessly, and whoever comes second does nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.orm import Session

from app.business.automation.models import (
    AutomationRule,
    Cause,
    Reason,
    RuleActivation,
    RunDetail,
    ScheduledTask,
    Status,
)
from app.business.automation.services.action_executor import Transaction
from app.business.automation.services.runs import Opening, open_run, record_skip
from app.business.automation.services.schedules import Schedule, due_instants, first_due_after, parse_schedule
from app.business.planner.models import Site, SiteStatus

WINDOW = timedelta(minutes=17)
"""The 15-minute job and two minutes for its lateness."""
LATE = timedelta(minutes=1)
"""A due instant found without a row this long after it was missed, not merely late."""
MOST_MISSED_ROWS = 100
TINY = timedelta(microseconds=1)


@dataclass(frozen=True)
class Planned:
    """How many rules were planned, and the rules that could not be, with why."""

    rules: int = 0
    failed: tuple[tuple[int, str], ...] = ()


def plan(transaction: Transaction, now: datetime) -> Planned:
    """Plan every rule that has a due instant within the window. One bad rule stops no other."""
    with transaction() as session:
        rule_ids = session.scalars(
            select(AutomationRule.id)
            .where(AutomationRule.unplanned_from <= now + WINDOW)
            .order_by(AutomationRule.unplanned_from)
        ).all()
    failed = []
    for rule_id in rule_ids:
        try:
            with transaction() as session:
                plan_rule(session, session.get_one(AutomationRule, rule_id, populate_existing=True), now)
        except Exception as error:
            failed.append((rule_id, f"{type(error).__name__}: {error}"))
    return Planned(len(rule_ids) - len(failed), tuple(failed))


def plan_rule(session: Session, rule: AutomationRule, now: datetime) -> None:
    """Write the rows of all due instants up to the window's end and move `unplanned_from` beyond it."""
    start, until = rule.unplanned_from, now + WINDOW
    if start is None or start > until:
        return
    schedule = schedule_of(rule)
    if not _moved(session, rule, start, first_due_after(schedule, until)):
        return
    due = list(due_instants(schedule, start - TINY, until))
    for site_id in _splits(session, rule):
        _write_rows(session, rule, due, now, site_id)


def replan(session: Session, rule: AutomationRule, now: datetime) -> None:
    """After a save, a switch or a resume: withdraw what was only planned, and plan anew from now on."""
    withdraw(session, rule, now)
    _close_activation(session, rule, now)
    owes = rule.trigger == "schedule" and rule.is_active and rule.archived_at is None
    rule.unplanned_from = first_due_after(schedule_of(rule), now) if owes else None
    if owes:
        session.add(
            RuleActivation(account_id=rule.account_id, rule_id=rule.id, version=rule.version, from_at=now)
        )
    session.flush()
    plan_rule(session, rule, now)


def withdraw(session: Session, rule: AutomationRule, now: datetime) -> None:
    """Remove rows that are still in the future and were never claimed: they are plans, not history."""
    planned = select(ScheduledTask.id).where(
        ScheduledTask.automation_rule_id == rule.id,
        ScheduledTask.cause == Cause.SCHEDULE,
        ScheduledTask.status == Status.PENDING,
        ScheduledTask.attempt == 0,
        ScheduledTask.follows_id.is_(None),
        ScheduledTask.scheduled_at > now,
    )
    ids = session.scalars(planned).all()
    session.execute(delete(RunDetail).where(RunDetail.run_id.in_(ids)))
    session.execute(delete(ScheduledTask).where(ScheduledTask.id.in_(ids)))


def schedule_of(rule: AutomationRule) -> Schedule:
    """The rule's schedule; it was checked when it was saved."""
    return parse_schedule(rule.schedule, shortest_interval_minutes=None)


def next_run_at(session: Session, rule: AutomationRule, now: datetime) -> datetime | None:
    """The earliest planned run in the future, else the first due instant that has no row yet."""
    planned: datetime | None = session.scalar(
        select(func.min(ScheduledTask.scheduled_at)).where(
            ScheduledTask.automation_rule_id == rule.id,
            ScheduledTask.status == Status.PENDING,
            ScheduledTask.scheduled_at > now,
        )
    )
    return planned or rule.unplanned_from


def _moved(session: Session, rule: AutomationRule, start: datetime, end: datetime | None) -> bool:
    result = session.execute(
        update(AutomationRule)
        .where(
            AutomationRule.id == rule.id,
            AutomationRule.version == rule.version,
            AutomationRule.unplanned_from == start,
        )
        .values(unplanned_from=end)
    )
    return cast(CursorResult[Any], result).rowcount == 1


def _splits(session: Session, rule: AutomationRule) -> list[int]:
    if rule.split_by != "site":
        return [0]
    query = select(Site.id).where(Site.account_id == rule.account_id, Site.status == SiteStatus.ACTIVE)
    if rule.site_id is not None:
        query = query.where(Site.id == rule.site_id)
    return list(session.scalars(query.order_by(Site.id)))


def _write_rows(
    session: Session, rule: AutomationRule, due: list[datetime], now: datetime, site_id: int
) -> None:
    missed = [instant for instant in due if instant < now - LATE]
    caught_up = set(_to_catch_up(rule, missed, now))
    lost = [instant for instant in missed if instant not in caught_up]
    dropped = set(lost)
    _write_missed(session, rule, lost, caught_up, now, site_id)
    for instant in due:
        if instant not in dropped:
            open_run(session, rule, _opening(instant, site_id))


def _to_catch_up(rule: AutomationRule, missed: list[datetime], now: datetime) -> list[datetime]:
    recent = [instant for instant in missed if instant >= now - timedelta(hours=rule.catch_up_hours)]
    match rule.catch_up:
        case "latest":
            return recent[-1:]
        case "all":
            return missed[-MOST_MISSED_ROWS:]
        case _:
            return []


def _write_missed(
    session: Session,
    rule: AutomationRule,
    lost: list[datetime],
    caught_up: set[datetime],
    now: datetime,
    site_id: int,
) -> None:
    folded, single = lost[:-MOST_MISSED_ROWS], lost[-MOST_MISSED_ROWS:]
    instead = f" Replaced by the run of {max(caught_up):%d %b %H:%M} UTC." if caught_up else ""
    for instant in single:
        record_skip(
            session,
            rule,
            _opening(instant, site_id),
            Reason.MISSED,
            f"We were offline at this time.{instead}",
            now,
        )
    if folded:
        message = f"We were offline for {len(folded):,} planned times.{instead}"
        opening = _opening(folded[-1], site_id)
        counts = {"count": len(folded), "first_at": folded[0], "last_at": folded[-1]}
        record_skip(session, rule, opening, Reason.MISSED, message, now, **counts)


def _opening(instant: datetime, site_id: int) -> Opening:
    opening = Opening(cause=Cause.SCHEDULE, scheduled_at=instant, split_site_id=site_id)
    return replace(opening, site_id=site_id) if site_id else opening


def _close_activation(session: Session, rule: AutomationRule, now: datetime) -> None:
    session.execute(
        update(RuleActivation)
        .where(RuleActivation.rule_id == rule.id, RuleActivation.to_at.is_(None))
        .values(to_at=now)
    )
