"""Writes the rows of a set's runs: each table by one statement, whatever the number of runs."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, Table, bindparam, insert, or_, update
from sqlalchemy.orm import Session

from app.business.automation.run_models import ActionRun, RunAttempt, RunDetail, ScheduledTask, Status
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.ended_runs import note_end

Row = dict[str, Any]

OF_RUN = (
    "status",
    "reason",
    "error_message",
    "started_at",
    "admitted_at",
    "finished_at",
    "waiting_since",
    "lease_token",
    "lease_until",
    "worker",
    "attempt",
    "counted_day",
    "budget_day",
    "budget",
    "record_count",
    "credits_used",
    "left_out",
    "remaining",
    "result",
)
OF_DETAIL = ("records", "options", "gates", "trace")


def _updating(table: Any, key: str, columns: Sequence[str]) -> Any:
    """One row by its key and account, which change hints read from here."""
    row: Table = table
    mine = row.c[key] == bindparam("key"), row.c.account_id == bindparam("account_id_1")
    return update(row).where(*mine).values({name: bindparam(f"new_{name}") for name in columns})


_run: Table = cast(Table, ScheduledTask.__table__)
_RUNS = _updating(_run, "id", OF_RUN).where(
    or_(_run.c.status == Status.PENDING, _run.c.status == Status.RUNNING)
)
_DETAILS = _updating(RunDetail.__table__, "run_id", OF_DETAIL)
_INSERT_RECEIPTS = insert(cast(Table, ActionRun.__table__))
_INSERT_ATTEMPTS = insert(cast(Table, RunAttempt.__table__))


def write(
    session: Session,
    contexts: Sequence[RunContext],
    receipts: Sequence[Row],
    now: datetime,
    require_time: Callable[[], None],
) -> int:
    """Write the runs as they have ended, their details, attempts and receipts; returns the number of runs written.

    The session does not write them again: it forgets what it knows of them.
    """
    for rows in _of_same_columns(receipts):
        session.execute(_INSERT_RECEIPTS, rows)
        require_time()
    session.execute(_DETAILS, [_values(context, context.detail, OF_DETAIL) for context in contexts])
    require_time()
    session.execute(_INSERT_ATTEMPTS, [_attempt(context.run, now) for context in contexts])
    require_time()
    runs = session.execute(_RUNS, [_values(context, context.run, OF_RUN) for context in contexts])
    for context in contexts:
        note_end(session, context.run)
        session.expire(context.run)
        session.expire(context.detail)
    return cast(CursorResult[Any], runs).rowcount


def _values(context: RunContext, row: ScheduledTask | RunDetail, columns: Sequence[str]) -> Row:
    values = {f"new_{name}": getattr(row, name) for name in columns}
    return values | {"key": context.run.id, "account_id_1": context.account.id}


def _of_same_columns(rows: Sequence[Row]) -> list[list[Row]]:
    found: dict[frozenset[str], list[Row]] = {}
    for row in rows:
        found.setdefault(frozenset(row), []).append(row)
    return list(found.values())


def _attempt(run: ScheduledTask, now: datetime) -> Row:
    return {
        "account_id": run.account_id,
        "run_id": run.id,
        "number": run.attempt,
        "worker": run.worker,
        "started_at": now,
        "finished_at": now,
        "status": run.status,
        "reason": run.reason,
        "error_message": run.error_message,
        "credits_used": 0,
    }
