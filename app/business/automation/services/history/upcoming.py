"""Upcoming runs, as all pages show and count them: pending runs whose planned time lies ahead."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import BindParameter, ColumnElement, Select, and_, bindparam, func, select
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import ScheduledTask, Status
from app.business.base import UtcDateTime

SCOPES = 256
"""For which a process keeps the query ready."""


@dataclass(frozen=True)
class Upcoming:
    """The next runs, and the total number."""

    runs: Sequence[ScheduledTask]
    count: int


def is_upcoming(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Clause: the run is planned for later than `now`."""
    return and_(ScheduledTask.status == Status.PENDING, ScheduledTask.scheduled_at > now)


def upcoming(session: Session, scope: Scope, now: datetime, limit: int) -> Upcoming:
    """The next `limit` of them by their start, the earliest first; one query."""
    rows = session.execute(_upcoming(scope, limit), {"now": now}).all()
    return Upcoming([run for run, _ in rows], rows[0][1] if rows else 0)


@lru_cache(maxsize=SCOPES)
def _upcoming(scope: Scope, limit: int) -> Select[ScheduledTask, int]:
    return (
        select(ScheduledTask, func.count().over())
        .where(scope.sees(ScheduledTask), is_upcoming(bindparam("now", type_=UtcDateTime())))
        .order_by(ScheduledTask.begins_at, ScheduledTask.id)
        .limit(limit)
    )
