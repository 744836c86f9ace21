"""Reservations: a worker keeps due pending runs for itself for a moment, so that other workers take others.

A reservation decides nothing: whoever claims a run still does so by a guarded update.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.runs.lease import not_reserved

RESERVED_FOR = timedelta(seconds=15)
"""Longer than a drain executes runs together."""


@dataclass
class Reservation:
    """Runs in the order in which they are to be executed, with the ids of their rules.

    left_behind: those that a worker had reserved before and never came to: it may have died of one of them.
    """

    token: str
    rules: dict[int, int] = field(default_factory=dict)
    left_behind: set[int] = field(default_factory=set)


def ready(queue: str, now: datetime) -> Select[int]:
    """Ids of the due runs of a queue that nobody has reserved, by priority, then oldest first."""
    return (
        select(ScheduledTask.id)
        .where(
            ScheduledTask.queue == queue,
            ScheduledTask.status == Status.PENDING,
            ScheduledTask.waiting_for.is_(None),
            func.coalesce(ScheduledTask.not_before, ScheduledTask.scheduled_at) <= now,
            not_reserved(now),
        )
        .order_by(ScheduledTask.priority, ScheduledTask.scheduled_at, ScheduledTask.id)
    )


def reserve(session: Session, queue: str, most: int, now: datetime) -> Reservation:
    """Reserve the first due runs of the queue, except those that another worker is reserving or changing."""
    run, mine = ScheduledTask, Reservation(secrets.token_hex(8))
    chosen = ready(queue, now).add_columns(run.automation_rule_id, run.lease_token).limit(most)
    for run_id, rule_id, token in session.execute(chosen.with_for_update(skip_locked=True, key_share=True)):
        mine.rules[run_id] = rule_id
        if token is not None:
            mine.left_behind.add(run_id)
    if mine.rules:
        session.execute(
            update(run)
            .where(run.id.in_(mine.rules), run.status == Status.PENDING)
            .values(lease_token=mine.token, lease_until=now + RESERVED_FOR)
            # No page shows a reservation.
            .execution_options(synchronize_session=False, is_shown=False)
        )
    return mine


def release(session: Session, reservation: Reservation, run_ids: Collection[int]) -> None:
    """Let other workers have runs of the reservation that were not claimed."""
    run = ScheduledTask
    session.execute(
        update(run)
        .where(run.id.in_(run_ids), run.status == Status.PENDING, run.lease_token == reservation.token)
        .values(lease_token=None, lease_until=None)
        .execution_options(synchronize_session=False, is_shown=False)
    )
