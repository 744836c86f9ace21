"""Credits used by a run, and by each of its attempts, from the ledger."""

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from app.business.automation.run_models import RunAttempt, ScheduledTask
from app.business.billing.models import CreditEntry

_USED = select(func.coalesce(func.sum(CreditEntry.amount), 0)).where(
    CreditEntry.account_id == bindparam("account"), CreditEntry.run_id == bindparam("run")
)


def credits_of_run(session: Session, run: ScheduledTask) -> int:
    """The sum of the run's ledger entries, over all its attempts."""
    total = session.scalar(_USED, {"account": run.account_id, "run": run.id})
    return -(total or 0)


def credits_of_attempt(session: Session, run: ScheduledTask) -> int:
    """The run's total, minus the credits of earlier attempts."""
    return credits_of_run(session, run) - credits_before(session, run)


def credits_before(session: Session, run: ScheduledTask) -> int:
    """Credits used by earlier attempts."""
    if run.attempt < 2:
        return 0
    earlier = session.scalar(
        select(func.coalesce(func.sum(RunAttempt.credits_used), 0)).where(
            RunAttempt.run_id == run.id, RunAttempt.number < run.attempt
        )
    )
    return earlier or 0
