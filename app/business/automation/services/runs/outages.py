"""After an outage of an outside service: runs that events started and that failed only for it are tried again.

Their quick retries are used up by then. Every quarter of an hour one of the account's runs is tried; once a run of the
account is completed, the service is back, and the others follow, twenty with each that is completed.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
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
"""Quick retries of a run; one that is tried after an outage has had more."""
TRIED_AGAIN = "It is tried again by itself once the service answers."


def is_tried_again(run: ScheduledTask) -> bool:
    """Whether this attempt was made because the service may be back: of its failure everybody knows already."""
    return run.auto_retries > AUTO_RETRIES


def keep_for_later(context: RunContext) -> None:
    """The run has failed for a fault that passes: note when it is tried again. Others are found by later runs."""
    run = context.run
    began = run.started_at or context.now
    waits = run.cause in (Cause.EVENT, Cause.BACKFILL) and context.rule.is_active
    if waits and context.now - began < LONGEST_OUTAGE:
        run.retry_at = context.now + PROBE_AFTER


def follow_completed(session: Session, run: ScheduledTask, now: datetime) -> None:
    """`run` is completed: what has failed for want of the service may go."""
    for other in session.scalars(_failed(run.account_id).limit(AT_ONCE)).all():
        _try(session, other, now)


def probe(session: Session, now: datetime) -> int:
    """From the sweep: try one run of each account whose time has come; returns the number."""
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


def _failed(account_id: int) -> Any:
    """Oldest first; not of rules that were switched off since, nor while the account is paused."""
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
