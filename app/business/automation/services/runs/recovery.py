"""Recovers runs whose worker sends no heartbeat: another worker continues them at the first unfinished unit."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.business.automation.run_models import Reason, RunAttempt, ScheduledTask, Status
from app.business.automation.services.runs import closing
from app.business.automation.services.runs.context import load_context
from app.business.automation.services.runs.credits_used import credits_of_attempt
from app.business.automation.services.runs.gate_verdict import Stop
from app.business.automation.services.runs.lease import expired
from app.business.automation.services.runs.opening import schedule_wakeup
from app.business.automation.services.transactions import Clock, Transaction
from app.business.automation.unit_models import ActionRun

MOST_RESCUES = 3
SILENT = "Its worker did not report in time; another one goes on."
GIVEN_UP = (
    f"The worker stopped answering {MOST_RESCUES} times without finishing anything. "
    "Retry it, or ask your administrator to look at the workers."
)


@dataclass(frozen=True)
class Rescued:
    """The number of runs that were resumed, and that failed for good."""

    resumed: int = 0
    given_up: int = 0


def rescue(transaction: Transaction, clock: Clock) -> Rescued:
    """Find expired leases; each run is recovered in its own transaction."""
    with transaction() as session:
        run_ids = session.scalars(select(ScheduledTask.id).where(expired(clock()))).all()
    resumed = given_up = 0
    for run_id in run_ids:
        with transaction() as session:
            # Read the clock after getting the write lock: a lease may have been renewed while this transaction waited.
            session.connection()
            now = clock()
            if _take_back(session, run_id, now):
                if _rescue(session, run_id, now):
                    resumed += 1
                else:
                    given_up += 1
    return Rescued(resumed, given_up)


def _take_back(session: Session, run_id: int, now: datetime) -> bool:
    """Guarded update that removes the token, so the lost worker cannot write any more."""
    taken = session.scalar(
        update(ScheduledTask)
        .where(ScheduledTask.id == run_id, expired(now))
        .values(lease_token=None, lease_until=None)
        .returning(ScheduledTask.id)
        .execution_options(synchronize_session=False)
    )
    return taken is not None


def _rescue(session: Session, run_id: int, now: datetime) -> bool:
    run = session.get_one(ScheduledTask, run_id, populate_existing=True)
    context = load_context(session, run, now)
    run.rescues = 1 if _progressed(session, run) else run.rescues + 1
    if run.rescues >= MOST_RESCUES:
        closing.give_up(session, context, Stop(Reason.WORKER_LOST, GIVEN_UP))
        return False
    session.execute(
        update(RunAttempt)
        .where(RunAttempt.run_id == run.id, RunAttempt.number == run.attempt)
        .values(
            finished_at=now,
            status=Status.FAILED,
            reason=Reason.WORKER_LOST,
            error_message=SILENT,
            credits_used=credits_of_attempt(session, run),
        )
    )
    run.status, run.not_before = Status.PENDING, now
    session.flush()
    schedule_wakeup(session, run)
    return True


def _progressed(session: Session, run: ScheduledTask) -> bool:
    begun = session.scalar(
        select(RunAttempt.started_at).where(RunAttempt.run_id == run.id, RunAttempt.number == run.attempt)
    )
    finished = session.scalar(select(func.max(ActionRun.finished_at)).where(ActionRun.run_id == run.id))
    return bool(begun and finished and finished >= begun)
