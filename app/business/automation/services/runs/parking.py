"""A run that does not end yet: it waits, is retried or continued later, or is handed to another worker.

As in `closing`, all functions work inside one transaction with a lease or claim.
"""

from datetime import timedelta
from typing import Final

from sqlalchemy import delete
from sqlalchemy.orm import Session

from app.business.automation.run_models import Reason, RunAttempt, Status, Waiting
from app.business.automation.services.runs import person_questions, record_claims
from app.business.automation.services.runs.attempts import end_attempt, release_credits
from app.business.automation.services.runs.chain_review import notify_editors
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.follow_up_runs import merged_rest
from app.business.automation.services.runs.gate_verdict import Stop
from app.business.automation.services.runs.opening import schedule_wakeup
from app.business.automation.services.runs.unit_receipts import Outcome
from app.business.automation.services.runs.waiting import wake_next_in_turn
from app.business.events import close_batches_of_run

ASKED_PERSON: Final = "asked_person"
"""Option of a run that a person has answered, or will: the answer is not lost because credits are."""
BACK_OFF = (timedelta(seconds=8), timedelta(seconds=60), timedelta(minutes=5))


def park(session: Session, context: RunContext, stop: Stop) -> None:
    """Undo the claim: the run stays pending and waits; the attempt does not count."""
    run = context.run
    release_credits(session, context)
    if run.admitted_at is None:
        record_claims.release(session, context)
    session.execute(delete(RunAttempt).where(RunAttempt.run_id == run.id, RunAttempt.number == run.attempt))
    run.status, run.attempt = Status.PENDING, run.attempt - 1
    run.lease_token = run.lease_until = None
    if run.admitted_at is None:
        run.started_at = None
    run.waiting_for, run.credits_needed = stop.waiting, stop.credits_needed
    run.waits_for_run_id = stop.waits_for_run_id
    run.waiting_since, run.error_message = run.waiting_since or context.now, stop.message
    if stop.waiting in (Waiting.DAY, Waiting.BUDGET):
        run.not_before = context.next_local_day
    if stop.waiting == Waiting.REVIEW:
        notify_editors(session, context)
    session.flush()
    if stop.waiting != Waiting.PREVIOUS or stop.waits_for_run_id:
        # Two runs that wait for the same one would wake each other endlessly.
        wake_next_in_turn(session, run)


def hand_back(session: Session, context: RunContext) -> None:
    """The worker shuts down: the run becomes pending and continues with its next unit in another worker."""
    run = context.run
    run.status, run.not_before = Status.PENDING, context.now
    end_attempt(session, context, Status.PENDING, None, "Handed back: the worker was stopped.")
    schedule_wakeup(session, run)


def retry_later(session: Session, context: RunContext, outcome: Outcome, message: str) -> None:
    """All that failed may work soon: the same run is tried again by itself."""
    run = context.run
    asked = max((failure.retry_after or 0 for failure in outcome.failures), default=0)
    run.not_before = context.now + max(BACK_OFF[run.auto_retries], timedelta(seconds=min(asked, 1800)))
    run.auto_retries += 1
    run.status, run.error_message = Status.PENDING, message
    context.detail.options = context.detail.options | {"rest": merged_rest(context, outcome.rest)}
    release_credits(session, context)
    close_batches_of_run(session, run.account_id, run.id, context.now)
    end_attempt(session, context, Status.FAILED, Reason.ACTION_FAILED, message)
    schedule_wakeup(session, run)
    wake_next_in_turn(session, run)


def continue_later(session: Session, context: RunContext, outcome: Outcome) -> None:
    """All that could be done is done; the others' turn comes on another day. It stays the same run."""
    run, count = context.run, len(outcome.later)
    waits = "1 more waits" if count == 1 else f"{count:,} more wait"
    run.not_before = min(later.until for later in outcome.later)
    _lay_aside(session, context, outcome, f"{waits}: {outcome.later[0].message}")
    schedule_wakeup(session, run)
    wake_next_in_turn(session, run)


def wait_for_person(session: Session, context: RunContext, outcome: Outcome) -> None:
    """All that could be done is done; for the others a person is asked. Nothing is held meanwhile."""
    run, others = context.run, len(outcome.asks) - 1
    more = f" {others:,} more {'waits' if others == 1 else 'wait'} for an answer too." if others else ""
    run.waiting_for, run.waiting_since = Waiting.PERSON, context.now
    run.not_before = min(ask.until for ask in outcome.asks)
    context.detail.options = context.detail.options | {ASKED_PERSON: True}
    _lay_aside(session, context, outcome, f"{outcome.asks[0].message}{more}")
    person_questions.notify_asked(session, context, outcome.asks)
    wake_next_in_turn(session, run)


def _lay_aside(session: Session, context: RunContext, outcome: Outcome, message: str) -> None:
    """The run is pending again, and holds no credits."""
    context.run.status, context.run.error_message = Status.PENDING, message
    context.detail.options = context.detail.options | {"rest": merged_rest(context, outcome.rest)}
    release_credits(session, context)
    close_batches_of_run(session, context.account.id, context.run.id, context.now)
    end_attempt(session, context, Status.PENDING, None, message)
