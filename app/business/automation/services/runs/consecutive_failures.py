"""Counts the consecutive failures of a rule, in the transaction that closes the run.

A start, batch or planned time counts once, whatever its number of runs: its key is a unique row. Ends that say nothing
about the rule count neither way: transient faults of external services, lack of credits, pause and cancellation.
"""

from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleFailure
from app.business.automation.run_models import Cause, Reason, ScheduledTask, Status
from app.business.automation.services.runs.start_list import start_of
from app.business.base import RowValues
from app.business.updates import changed_rows
from app.business.upsert import insert_missing

NOT_ABOUT_THE_RULE = frozenset(
    {Reason.INSUFFICIENT_CREDITS, Reason.BUDGET, Reason.PAUSED, Reason.ACCOUNT_INACTIVE, Reason.CANCELLED}
)


def count_end(session: Session, run: ScheduledTask, now: datetime, *, is_passing: bool = False) -> None:
    """Count the end of `run`: completed resets the count, a failure of another start increases it.

    is_passing: all faults were transient.
    """
    if run.status == Status.COMPLETED:
        reset(session, run.automation_rule_id)
    elif run.status == Status.FAILED and not is_passing and run.reason not in NOT_ABOUT_THE_RULE:
        _count_failure(session, run, now)


def reset(session: Session, rule_id: int) -> None:
    """Reset the count."""
    changed = changed_rows(
        session,
        update(AutomationRule)
        .where(AutomationRule.id == rule_id, AutomationRule.failures_in_a_row > 0)
        .values(failures_in_a_row=0, failing_since=None),
    )
    if changed:
        session.execute(delete(RuleFailure).where(RuleFailure.rule_id == rule_id))


def _count_failure(session: Session, run: ScheduledTask, now: datetime) -> None:
    key = _start_key(session, run)
    known = select(RuleFailure.id).where(
        RuleFailure.rule_id == run.automation_rule_id, RuleFailure.start_key == key
    )
    if session.scalar(known) is not None:
        return
    counted = changed_rows(
        session,
        update(AutomationRule)
        .where(AutomationRule.id == run.automation_rule_id, ~known.exists())
        .values(
            failures_in_a_row=AutomationRule.failures_in_a_row + 1,
            failing_since=func.coalesce(AutomationRule.failing_since, now),
        ),
    )
    if not counted:
        return
    row: RowValues = {"account_id": run.account_id, "rule_id": run.automation_rule_id, "start_key": key}
    insert_missing(session, RuleFailure, row | {"run_id": run.id, "created_at": now})


def _start_key(session: Session, run: ScheduledTask) -> str:
    """The same key for all runs of one start: parts, sites, runs of single records, and follow-ups."""
    first = run
    while first.follows_id is not None:
        first = session.get_one(ScheduledTask, first.start_id or first.follows_id)
    if first.batch_id is not None:
        return f"batch-{first.batch_id}"
    if first.cause == Cause.SCHEDULE:
        return f"time-{first.scheduled_at.isoformat()}"
    return f"run-{start_of(first)}"
