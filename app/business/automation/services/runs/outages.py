"""After an outage of an external service: event runs that failed because of it are retried.

Their immediate retries are used up by then. Every quarter of an hour one of the account's runs is retried as a probe;
once a run of the account is completed, the service is back, and the others follow, twenty with each completed run.
"""

from datetime import datetime, timedelta

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, ScheduledTask, Status
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.opening import schedule_wakeup

PROBE_AFTER = timedelta(minutes=15)
LONGEST_OUTAGE = timedelta(hours=24)
AT_ONCE = 20
AUTO_RETRIES = 3
"""Immediate retries of a run; one that is retried after an outage has had more."""
TRIED_AGAIN = "It is tried again by itself once the service answers."


def is_tried_again(run: ScheduledTask) -> bool:
    """Whether this attempt is a retry after an outage: people have been notified of its failure already."""
    return run.auto_retries > AUTO_RETRIES


def keep_for_later(context: RunContext) -> None:
    """The run failed because of a transient fault: set the time of its next retry.

    Completed runs trigger the other retries.
    """
    run = context.run
    began = run.started_at or context.now
    waits = run.cause in (Cause.EVENT, Cause.BACKFILL) and context.rule.is_active
    if waits and context.now - began < LONGEST_OUTAGE:
        run.retry_at = context.now + PROBE_AFTER


def follow_completed(session: Session, run: ScheduledTask, now: datetime) -> None:
    """`run` is completed: retry others that failed because of the outage."""
    for other in session.scalars(_failed(run.account_id).limit(AT_ONCE)).all():
        _try(session, other, now)


def probe(session: Session, now: datetime) -> int:
    """From the sweep: retry one due run of each account; returns the number."""
    due = select(ScheduledTask.account_id).where(ScheduledTask.retry_at <= now).distinct()
    tried = 0
    for account_id in session.scalars(due.order_by(ScheduledTask.account_id)).all():
        first = session.scalars(_failed(account_id).limit(1)).first()
        if first is not None:
            _try(session, first, now)
            tried += 1
        session.execute(
            update(ScheduledTask)
            .where(ScheduledTask.account_id == account_id, ScheduledTask.retry_at <= now)
            .values(retry_at=now + PROBE_AFTER)
            .execution_options(synchronize_session=False)
        )
    return tried


def _failed(account_id: int) -> Select[ScheduledTask]:
    """Oldest first; without rules that were switched off since, and not while the account is paused."""
    return (
        select(ScheduledTask)
        .join(AutomationRule, AutomationRule.id == ScheduledTask.automation_rule_id)
        .join(Account, Account.id == ScheduledTask.account_id)
        .where(
            ScheduledTask.account_id == account_id,
            ScheduledTask.retry_at.is_not(None),
            ScheduledTask.status == Status.FAILED,
            AutomationRule.is_active,
            Account.paused_at.is_(None),
        )
        .order_by(ScheduledTask.scheduled_at, ScheduledTask.id)
        .with_for_update(of=ScheduledTask, skip_locked=True, key_share=True)
        .execution_options(populate_existing=True)
    )


def _try(session: Session, run: ScheduledTask, now: datetime) -> None:
    run.status, run.reason, run.finished_at, run.retry_at = Status.PENDING, None, None, None
    run.not_before, run.rescues, run.auto_retries = now, 0, max(run.auto_retries, AUTO_RETRIES) + 1
    session.flush()
    schedule_wakeup(session, run)
