"""What a run, and each of its attempts, has used, from the ledger."""

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
    """What the present attempt has used: the run's total without that of the attempts before it."""
    return credits_of_run(session, run) - credits_before(session, run)


def credits_before(session: Session, run: ScheduledTask) -> int:
    """What the attempts before the present one have used."""
    if run.attempt < 2:
        return 0
    earlier = session.scalar(
        select(func.coalesce(func.sum(RunAttempt.credits_used), 0)).where(
            RunAttempt.run_id == run.id, RunAttempt.number < run.attempt
        )
    )
    return earlier or 0
