"""One log line for each run that ends, for whatever reason, written after the commit.

Changes to objects are seen here; a statement that ends a run by itself calls `note_end`.
"""

from typing import Any

import structlog
from sqlalchemy import event, inspect
from sqlalchemy.orm import Session, UOWTransaction

from app.business.automation.run_models import CLOSED, ScheduledTask
from app.business.automation.services.runs.ended_runs import forget_ends, note_end, noted_runs, take_ends
from app.infrastructure.database import db

log = structlog.get_logger(__name__)


def listen(sessions: Any) -> None:
    """Log the ends of runs in all sessions that `sessions` makes."""
    event.listen(sessions, "after_flush", _note_ends)
    event.listen(sessions, "after_soft_rollback", forget_ends)
    event.listen(sessions, "after_commit", _write_lines)


def _note_ends(session: Session, _context: UOWTransaction) -> None:
    for row in (*session.new, *session.dirty):
        if isinstance(row, ScheduledTask) and row.status in CLOSED and _has_news(session, row):
            note_end(session, row)


def _has_news(session: Session, run: ScheduledTask) -> bool:
    """Whether the run has just ended, or was written since in the same transaction."""
    return inspect(run).attrs.status.history.has_changes() or run.id in noted_runs(session)


def _write_lines(session: Session) -> None:
    # SQLAlchemy calls this when a savepoint is released, too: nothing has committed yet.
    if not session.in_nested_transaction() and (ends := take_ends(session)):
        log.info("run_ended", each=ends)


listen(db.session)
