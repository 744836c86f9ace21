"""The number of an account's runs that are running, due, waiting or planned."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CompoundSelect, Select, bindparam, case, func, select, union_all
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.history.upcoming import is_upcoming
from app.business.automation.services.triggering.watch import GRACE
from app.business.base import Id, UtcDateTime
from app.business.kept_queries import kept_queries
from app.business.plain_rows import plain_rows

ACCOUNT = bindparam("account_id", type_=Id)


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
    about = {"account_id": account_id, "now": now, "late": now - GRACE}
    counts = map(sum, zip(*plain_rows(session, _counts(), about), strict=True))
    ((planned_before,),) = plain_rows(session, _unplanned(), {"account_id": account_id})
    running, due, overdue, waiting, upcoming = map(int, counts)
    return Backlog(running, due, overdue, waiting, upcoming, planned_before)


@kept_queries(1)
def _counts() -> CompoundSelect[int, int, int, int, int]:
    run, now, late = ScheduledTask, *(bindparam(name, type_=UtcDateTime()) for name in ("now", "late"))
    begins_at = func.coalesce(run.not_before, run.scheduled_at)
    pending = (run.status == Status.PENDING) & ~is_upcoming(now)
    starts = run.waiting_for.is_(None) & (begins_at <= now)
    kinds = (
        run.status == Status.RUNNING,
        pending & starts,
        pending & starts & (begins_at < late),
        pending & ~starts,
        is_upcoming(now),
    )
    counted = select(*(func.count(case((kind, 1))) for kind in kinds)).where(run.account_id == ACCOUNT)
    # By one status after the other: with a list of both, SQLite looks at all runs.
    return union_all(*(counted.where(run.status == status) for status in (Status.PENDING, Status.RUNNING)))


@kept_queries(1)
def _unplanned() -> Select[datetime | None]:
    return select(func.min(AutomationRule.unplanned_from)).where(AutomationRule.account_id == ACCOUNT)
