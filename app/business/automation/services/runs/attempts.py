"""Ends an attempt of a run: its row, its lease, and the credits that it has set aside and not used."""

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.business.automation.run_models import CLOSED, Reason, RunAttempt
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.credits_used import credits_before, credits_of_run
from app.business.automation.services.runs.steps import steps_of
from app.business.billing.services.credit_service import CreditService


def end_attempt(
    session: Session, context: RunContext, status: str, reason: Reason | None, message: str
) -> None:
    run = context.run
    session.execute(
        update(RunAttempt)
        .where(
            RunAttempt.account_id == run.account_id,
            RunAttempt.run_id == run.id,
            RunAttempt.number == run.attempt,
        )
        .values(
            finished_at=context.now,
            status=status,
            reason=reason,
            error_message=message,
            credits_used=(run.credits_used if run.status in CLOSED else credits_of_run(session, run))
            - credits_before(session, run),
        )
    )
    run.lease_token = run.lease_until = None
    session.flush()


def is_free(context: RunContext) -> bool:
    """Whether the run has never set credits aside: it is in its first attempt, and none of its steps costs any."""
    return context.is_new and not any(step.entry.is_paid for step in steps_of(context))


def release_credits(session: Session, context: RunContext) -> None:
    if is_free(context):
        return
    CreditService().release(
        session,
        account_id=context.account.id,
        run_id=context.run.id,
        now=context.now,
    )
