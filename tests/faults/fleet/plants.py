"""Deliberately broken builds: a trial that finds no fault in the product must find that of one of these."""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import true, update
from sqlalchemy.orm import Session

from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services import action_executor, rule_engine
from app.business.automation.services.draining import plain_runs
from app.business.automation.services.runs import closing, parking, recovery, reservations, unit_plan
from app.business.automation.services.runs import lease as run_lease
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.gate_verdict import Stop
from app.business.automation.services.runs.lease import Lease
from app.business.automation.services.triggering import planning
from app.infrastructure.messaging import scheduler
from tests.faults.crashes import crash_points


def write_without_the_lease() -> None:
    """A worker that once had a run may write for it for ever."""

    def renew(session: Session, lease: Lease, now: datetime) -> None:
        session.execute(
            update(ScheduledTask).where(ScheduledTask.id == lease.run_id).values(worker=ScheduledTask.worker)
        )

    def renew_and_read(session: Session, lease: Lease, now: datetime) -> ScheduledTask:
        renew(session, lease, now)
        return session.get_one(ScheduledTask, lease.run_id, populate_existing=True)

    action_executor.renew = renew  # type: ignore[attr-defined]
    rule_engine.renew_and_read = renew_and_read  # type: ignore[attr-defined]


def claim_without_a_guard() -> None:
    """Every worker that has seen a run may take it."""

    def take(
        session: Session, run_id: int, worker: str, token: str, now: datetime, _reserved: str
    ) -> ScheduledTask:
        claimed = {"status": Status.RUNNING, "lease_token": token, "lease_until": now + run_lease.LEASE}
        counted = {"attempt": ScheduledTask.attempt + 1, "started_at": now, "worker": worker}
        session.execute(update(ScheduledTask).where(ScheduledTask.id == run_id).values(claimed | counted))
        return session.get_one(ScheduledTask, run_id, populate_existing=True)

    run_lease._take = take
    reservations.not_reserved = lambda _now: true()
    plain_runs._still = lambda run_ids, *_: (ScheduledTask.id.in_(run_ids),)


def plan_again_and_again() -> None:
    """The planner ignores what is planned already; the trial drops the unique key."""
    window_of = planning._window_of

    def again(rule: Any, zones: Any, _written: Any, closed: Any, now: datetime) -> Any:
        runs, _first = window_of(rule, zones, set(), closed, now)
        return runs, now

    planning._window_of = again


def forget_what_is_due() -> None:
    """The planner writes no row for what is due by now: times that were not planned ahead are lost."""
    runs_of = planning._runs_of
    planning._runs_of = lambda rule, due, now, site_id: runs_of(
        rule, [one for one in due if one.planned_at > now], now, site_id
    )


def rescue_nobody() -> None:
    """A run whose worker has died is never rescued."""
    recovery.rescue = lambda _transaction, _clock: recovery.Rescued()


def leave_recurring_jobs_lost() -> None:
    """The scheduler does not check whether its recurring jobs are still there."""
    scheduler.AutomationScheduler.restore_missing = lambda _self: None  # type: ignore[method-assign]


def fail_when_told_to_stop() -> None:
    """A worker that is stopped ends its run instead of handing it back."""

    def fail(session: Session, context: RunContext) -> None:
        closing.give_up(session, context, Stop(Reason.WORKER_LOST, "Stopped."))

    parking.hand_back = fail


def new_key_for_each_try() -> None:
    """Each try has a new key: the provider cannot know that it is the same work."""
    unit_plan.unit_key = lambda run_id, step, record_id: (  # type: ignore[attr-defined]
        f"r{run_id}-s{step}-{record_id}-{secrets.token_hex(4)}"
    )


def stop_at_crash_points() -> None:
    """A process ends where its environment says."""
    crash_points.install()


PLANTS: dict[str, Callable[[], None]] = {
    plant.__name__: plant
    for plant in (
        write_without_the_lease,
        claim_without_a_guard,
        plan_again_and_again,
        forget_what_is_due,
        rescue_nobody,
        leave_recurring_jobs_lost,
        fail_when_told_to_stop,
        new_key_for_each_try,
        stop_at_crash_points,
    )
}
