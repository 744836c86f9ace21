"""Upcoming runs, as all pages show and count them: pending runs whose planned time lies ahead."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, func, select
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.history.listed_runs import LISTED, ListedRun
from app.business.base import UtcDateTime
from app.business.kept_queries import kept_queries
from app.business.plain_rows import AnyColumns, plain_rows

SCOPES = 256
"""For which a process keeps the query ready."""


@dataclass(frozen=True)
class Upcoming:
    """The next runs, and the total number."""

    runs: Sequence[ListedRun]
    count: int


def is_upcoming(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Clause: the run is planned for later than `now`."""
    return and_(ScheduledTask.status == Status.PENDING, ScheduledTask.scheduled_at > now)


def upcoming(session: Session, scope: Scope, now: datetime, limit: int) -> Upcoming:
    """The next `limit` of them by their start, the earliest first; one query."""
    rows = plain_rows(session, _upcoming(scope, limit), {"now": now})
    return Upcoming([ListedRun(*row[1:]) for row in rows], rows[0][0] if rows else 0)


@kept_queries(SCOPES)
def _upcoming(scope: Scope, limit: int) -> AnyColumns:
    return (
        select(func.count().over(), *LISTED)
        .where(scope.sees(ScheduledTask), is_upcoming(bindparam("now", type_=UtcDateTime())))
        .order_by(ScheduledTask.begins_at, ScheduledTask.id)
        .limit(limit)
    )
