"""The number of an account's runs that are running, due, waiting or planned."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select, union_all
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.history.upcoming import is_upcoming
from app.business.automation.services.triggering.watch import GRACE


@dataclass(frozen=True)
class Backlog:
    """Numbers of runs; each run counts as one of running, due, waiting, upcoming.

    planned_before: planned times before this have a run; None without schedules.
    """

    running: int
    due: int
    overdue: int
    waiting: int
    upcoming: int
    planned_before: datetime | None


def backlog(session: Session, account_id: int, now: datetime) -> Backlog:
    """Two queries. Overdue: free to start for more than two minutes, but not started."""
    run = ScheduledTask
    begins_at = func.coalesce(run.not_before, run.scheduled_at)
    pending = (run.status == Status.PENDING) & ~is_upcoming(now)
    starts = run.waiting_for.is_(None) & (begins_at <= now)
    kinds = (
        run.status == Status.RUNNING,
        pending & starts,
        pending & starts & (begins_at < now - GRACE),
        pending & ~starts,
        is_upcoming(now),
    )
    counted = select(*(func.count(case((kind, 1))) for kind in kinds))
    # By one status after the other: with a list of both, SQLite looks at all runs.
    both = union_all(
        *(
            counted.where(run.account_id == account_id, run.status == status)
            for status in (Status.PENDING, Status.RUNNING)
        )
    )
    counts = map(sum, zip(*session.execute(both).all(), strict=True))
    unplanned = select(func.min(AutomationRule.unplanned_from))
    planned_before = session.scalar(unplanned.where(AutomationRule.account_id == account_id))
    running, due, overdue, waiting, upcoming = map(int, counts)
    return Backlog(running, due, overdue, waiting, upcoming, planned_before)
