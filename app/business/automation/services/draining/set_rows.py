"""Writes the rows of a set's runs: each table by one statement, whatever the number of runs."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Table, Update, bindparam, insert, or_, update
from sqlalchemy.orm import Session

from app.business.automation.run_models import RunAttempt, RunDetail, ScheduledTask, Status
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.ended_runs import note_end
from app.business.automation.unit_models import ActionRun
from app.business.base import RowValues
from app.business.updates import changed_rows, table_of

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


def _updating(table: Table, key: str, columns: Sequence[str]) -> Update:
    """One row by its key and account, which change hints read from here."""
    mine = table.c[key] == bindparam("key"), table.c.account_id == bindparam("account_id_1")
    return update(table).where(*mine).values({name: bindparam(f"new_{name}") for name in columns})


_run = table_of(ScheduledTask)
_RUNS = _updating(_run, "id", OF_RUN).where(
    or_(_run.c.status == Status.PENDING, _run.c.status == Status.RUNNING)
)
_DETAILS = _updating(table_of(RunDetail), "run_id", OF_DETAIL)
_INSERT_RECEIPTS = insert(table_of(ActionRun))
_INSERT_ATTEMPTS = insert(table_of(RunAttempt))


def write(
    session: Session,
    contexts: Sequence[RunContext],
    receipts: Sequence[RowValues],
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
    written = changed_rows(session, _RUNS, [_values(context, context.run, OF_RUN) for context in contexts])
    for context in contexts:
        note_end(session, context.run)
        session.expire(context.run)
        session.expire(context.detail)
    return written


def _values(context: RunContext, row: ScheduledTask | RunDetail, columns: Sequence[str]) -> RowValues:
    values = {f"new_{name}": getattr(row, name) for name in columns}
    return values | {"key": context.run.id, "account_id_1": context.account.id}


def _of_same_columns(rows: Sequence[RowValues]) -> list[list[RowValues]]:
    found: dict[frozenset[str], list[RowValues]] = {}
    for row in rows:
        found.setdefault(frozenset(row), []).append(row)
    return list(found.values())


def _attempt(run: ScheduledTask, now: datetime) -> RowValues:
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
        "credits_used": run.credits_used,
    }
