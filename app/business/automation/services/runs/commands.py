"""Actions of people on runs: retry failed ones, cancel those that have not ended, continue waiting ones."""

from datetime import datetime

from sqlalchemy import ScalarSelect, func, select, true, update
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.runs.ended_runs import note_end
from app.business.automation.services.runs.opening import schedule_wakeup
from app.business.automation.services.runs.waiting import wake_previous
from app.business.base import Assigned
from app.business.errors import Conflict
from app.business.updates import changed_rows

BEHIND_ALL = 10
"""Priority of runs retried in bulk: after everything else in their queue (rules have 1 to 9)."""

UNDONE = "This run was undone, so there is nothing to go on from. To have its work after all, do it again."


def retry(
    session: Session,
    run: ScheduledTask,
    now: datetime,
    *,
    failed_attempt: int | None = None,
    priority: int | None = None,
) -> None:
    """Retry a failed run: only its unfinished units, with the same keys. Raises Conflict.

    failed_attempt: the attempt that was seen to fail; if a later one has failed since, the run is left alone ·
    priority: instead of the rule's.
    """
    if run.undo_id is not None:
        raise Conflict(UNDONE)
    changed = _guarded(
        session,
        run,
        [Status.FAILED],
        failed_attempt,
        status=Status.PENDING,
        reason=None,
        error_message="",
        finished_at=None,
        cancel_requested_at=None,
        waiting_for=None,
        waits_for_run_id=None,
        not_before=now,
        retry_at=None,
        rescues=0,
        auto_retries=0,
        priority=priority or _priority_of_rule(run),
    )
    if not changed:
        raise Conflict(f"Only failed runs can be retried; this one is {run.status}.")
    schedule_wakeup(session, run)


def cancel(session: Session, run: ScheduledTask, now: datetime) -> None:
    """A pending run is skipped immediately, a running one stops before its next unit.

    Raises Conflict when it has ended.
    """
    if _guarded(session, run, [Status.RUNNING], cancel_requested_at=now):
        return
    # The engine ends follow-ups, because it has to release the source records of their undone work.
    if (
        run.admitted_at is None
        and not run.from_step
        and _guarded(
            session,
            run,
            [Status.PENDING],
            status=Status.SKIPPED,
            reason=Reason.CANCELLED,
            error_message="Cancelled before it started.",
            remaining=func.coalesce(ScheduledTask.promised, 0),
            waiting_for=None,
            waits_for_run_id=None,
            lease_token=None,
            lease_until=None,
            finished_at=now,
        )
    ):
        note_end(session, run)
        wake_previous(session, run)
        return
    resumed = {"cancel_requested_at": now, "waiting_for": None, "waits_for_run_id": None, "not_before": now}
    if _guarded(session, run, [Status.PENDING], None, **resumed):
        schedule_wakeup(session, run)
        return
    raise Conflict(f"This run has already ended ({run.status}).")


def _priority_of_rule(run: ScheduledTask) -> ScalarSelect[int]:
    """The rule's present priority: a bulk retry may have given the run the lowest one."""
    return (
        select(AutomationRule.priority).where(AutomationRule.id == run.automation_rule_id).scalar_subquery()
    )


def _guarded(
    session: Session, run: ScheduledTask, states: list[Status], attempt: int | None = None, **values: Assigned
) -> bool:
    is_same = true() if attempt is None else ScheduledTask.attempt == attempt
    changed = changed_rows(
        session,
        update(ScheduledTask)
        .where(
            ScheduledTask.account_id == run.account_id,
            ScheduledTask.id == run.id,
            ScheduledTask.status.in_(states),
            is_same,
            true() if Status.FAILED not in states else ScheduledTask.undo_id.is_(None),
        )
        .values(**values),
    )
    session.refresh(run)
    return changed == 1
