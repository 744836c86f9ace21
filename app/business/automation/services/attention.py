"""Which queues need a wake-up: now, and at which future instants. The sweep compares this with the queued jobs."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.operations.lifecycle import any_waiting
from app.business.automation.services.runs.opening import LONG_QUEUE, RUN_QUEUES
from app.business.automation.services.runs.reservations import ready
from app.business.automation.services.triggering.planning import WINDOW

PATIENCE = timedelta(seconds=1)


def overdue_queues(session: Session, now: datetime) -> Sequence[str]:
    """Queues with a run that should have begun more than a second ago, or with an unclaimed operation."""
    since = now - PATIENCE
    queues = [queue for queue in RUN_QUEUES if session.scalar(select(ready(queue, since).exists()))]
    if LONG_QUEUE not in queues and any_waiting(session):
        queues.append(LONG_QUEUE)
    return queues


def coming_instants(session: Session, now: datetime) -> Sequence[tuple[datetime, str]]:
    """Each (instant, queue) in the planning window at which a pending run becomes due."""
    begins_at = func.coalesce(ScheduledTask.not_before, ScheduledTask.scheduled_at)
    query = (
        select(begins_at, ScheduledTask.queue)
        .where(ScheduledTask.status == Status.PENDING, ScheduledTask.waiting_for.is_(None))
        .where(begins_at > now, begins_at <= now + WINDOW)
        .distinct()
    )
    return [(instant, queue) for instant, queue in session.execute(query)]
