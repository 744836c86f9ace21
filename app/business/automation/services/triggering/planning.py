"""Planning: every due instant of every active schedule rule becomes exactly one row, ahead of its time.

`unplanned_from` is a rule's first due instant without a row, on whichever of its sites that comes first. Rows and
its move are one transaction that holds the rule's row, so windows touch, overlap harmlessly, and whoever comes
second finds nothing to do.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.run_models import Cause, RunDetail, ScheduledTask, Status
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.rules.versions import read_definition
from app.business.automation.services.runs.missed_times import (
    EDITED,
    LATE,
    judge,
    planned_opening,
    record_missed,
)
from app.business.automation.services.runs.opening import open_run
from app.business.automation.services.schedules.calendar import Schedule, due_instants, first_due_after
from app.business.automation.services.transactions import Transaction
from app.business.automation.services.triggering import activations
from app.business.database_faults import in_one_line, stops_all
from app.business.errors import Invalid

WINDOW = timedelta(minutes=17)
"""The 15-minute job and two minutes for its lateness."""
TINY = timedelta(microseconds=1)


@dataclass(frozen=True)
class Planned:
    """How many rules were planned, and the rules that could not be, with why."""

    rules: int = 0
    failed: tuple[tuple[int, str], ...] = ()


def plan(transaction: Transaction, now: datetime) -> Planned:
    """Plan every rule that has a due instant within the window. One bad rule stops no other.

    Rules whose sites, zones or account changed since are planned anew first.
    """
    with transaction() as session:
        outdated = activations.outdated_rules(session)
        soon = select(AutomationRule.id).where(AutomationRule.unplanned_from <= now + WINDOW)
        coming = session.scalars(soon.order_by(AutomationRule.unplanned_from)).all()
    failed = []
    rule_ids = dict.fromkeys([*outdated, *coming])
    for rule_id in rule_ids:
        work = replan if rule_id in outdated else plan_rule
        try:
            with transaction() as session:
                work(session, session.get_one(AutomationRule, rule_id), now)
        except Exception as error:
            if stops_all(error):
                raise
            failed.append((rule_id, in_one_line(error)))
    return Planned(len(rule_ids) - len(failed), tuple(failed))


def plan_rule(session: Session, rule: AutomationRule, now: datetime) -> None:
    """Write the rows of all due instants up to the window's end and move `unplanned_from` beyond it."""
    _hold(session, rule)
    start, until = rule.unplanned_from, now + WINDOW
    span = activations.present_span(session, rule.id)
    if start is None or start > until or span is None:
        return
    schedules = activations.site_schedules(read_definition(rule), span.zones)
    for site_id, schedule in schedules.items():
        _write_rows(session, rule, _unwritten(session, rule, schedule, start, until, site_id), now, site_id)
    rule.unplanned_from = _first_after(schedules.values(), until)
    session.flush()


def replan(session: Session, rule: AutomationRule, now: datetime) -> None:
    """After a save, a switch, a resume or a change of its sites: withdraw what was only planned, and plan anew
    from now on. Times already past without a row stay accounted for: they were missed."""
    _hold(session, rule)
    _record_owed(session, rule, now)
    withdraw(session, rule, now)
    activations.close_span(session, rule, now)
    rule.unplanned_from = None
    if not _owes(session, rule):
        session.flush()
        return
    span = activations.open_span(session, rule, now)
    try:
        schedules = activations.site_schedules(read_definition(rule), span.zones)
    except Invalid:
        # It keeps no other rule from being planned, and the watch names it until it is repaired.
        rule.unplanned_from = now
        session.flush()
        return
    rule.unplanned_from = _first_after(schedules.values(), now)
    session.flush()
    plan_rule(session, rule, now)


def replan_account(session: Session, account_id: int, now: datetime) -> None:
    """After all automation of the account was paused or resumed: nothing is owed for the time between."""
    query = select(AutomationRule).where(
        AutomationRule.account_id == account_id,
        AutomationRule.trigger == "schedule",
        AutomationRule.is_active,
        AutomationRule.archived_at.is_(None),
    )
    for rule in session.scalars(query.order_by(AutomationRule.id)).all():
        replan(session, rule, now)


def withdraw(session: Session, rule: AutomationRule, now: datetime) -> None:
    """Remove rows that are still in the future and were never claimed: they are plans, not history."""
    planned = select(ScheduledTask.id).where(
        _planned_rows(rule),
        ScheduledTask.status == Status.PENDING,
        ScheduledTask.attempt == 0,
        ScheduledTask.scheduled_at > now,
    )
    ids = session.scalars(planned.with_for_update()).all()
    account_id = rule.account_id
    session.execute(delete(RunDetail).where(RunDetail.account_id == account_id, RunDetail.run_id.in_(ids)))
    session.execute(
        delete(ScheduledTask).where(ScheduledTask.account_id == account_id, ScheduledTask.id.in_(ids))
    )


def _hold(session: Session, rule: AutomationRule) -> None:
    """Keep the rule's row to ourselves until the transaction ends, and know it as it is now."""
    session.flush()
    session.refresh(rule, with_for_update={"key_share": True})


def _owes(session: Session, rule: AutomationRule) -> bool:
    paused_at = session.scalar(select(Account.paused_at).where(Account.id == rule.account_id))
    return rule.trigger == "schedule" and rule.is_active and rule.archived_at is None and paused_at is None


def _first_after(schedules: Iterable[Schedule], at: datetime) -> datetime | None:
    firsts = (first_due_after(schedule, at) for schedule in schedules)
    return min((first for first in firsts if first), default=None)


def _unwritten(
    session: Session, rule: AutomationRule, schedule: Schedule, start: datetime, until: datetime, site_id: int
) -> list[datetime]:
    """Due instants from `start` to `until` that have no row: a run cancelled or begun ahead of time keeps its own."""
    written = set(
        session.scalars(
            select(ScheduledTask.scheduled_at).where(
                _planned_rows(rule),
                ScheduledTask.split_site_id == site_id,
                ScheduledTask.scheduled_at >= start,
                ScheduledTask.scheduled_at <= until,
            )
        )
    )
    return [instant for instant in due_instants(schedule, start - TINY, until) if instant not in written]


def _planned_rows(rule: AutomationRule) -> ColumnElement[bool]:
    return (
        (ScheduledTask.automation_rule_id == rule.id)
        & (ScheduledTask.cause == Cause.SCHEDULE)
        & ScheduledTask.follows_id.is_(None)
    )


def _write_rows(
    session: Session, rule: AutomationRule, due: list[datetime], now: datetime, site_id: int
) -> None:
    missed = [instant for instant in due if instant < now - LATE]
    if missed:
        due_at = max((instant for instant in due[len(missed) :] if instant <= now), default=None)
        verdict = judge(rule, missed, now, due_at)
        record_missed(session, rule, verdict.lost, verdict.why, now, site_id=site_id, version=rule.version)
        # Under "all" they follow one another, whatever the rule says about a run that is still going.
        options = {"in_turn": True} if rule.catch_up == "all" else {}
        for instant in verdict.made_up:
            open_run(session, rule, replace(planned_opening(instant, site_id), options=options))
    for instant in due[len(missed) :]:
        open_run(session, rule, planned_opening(instant, site_id))


def _record_owed(session: Session, rule: AutomationRule, now: datetime) -> None:
    """Times of the version in force so far that nobody has planned: without us they would have no row."""
    start, span = rule.unplanned_from, activations.present_span(session, rule.id)
    if start is None or start > now or span is None:
        return
    version = select(RuleVersion.definition).where(
        RuleVersion.rule_id == rule.id, RuleVersion.version == span.version
    )
    before = session.scalars(version).one()
    try:
        schedules = activations.site_schedules(definition_from(before), span.zones)
    except Invalid:
        return
    for site_id, schedule in schedules.items():
        lost = _unwritten(session, rule, schedule, start, now, site_id)
        record_missed(session, rule, lost, EDITED, now, site_id=site_id, version=span.version)
