"""Writes the rows of a set's runs: each table by one statement, whatever the number of runs."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import or_
from sqlalchemy.orm import Session

from app.business.automation.run_models import RunAttempt, RunDetail, ScheduledTask, Status
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.ended_runs import note_end
from app.business.automation.unit_models import ActionRun
from app.business.base import RowValues
from app.business.row_sets import insert_each, update_each
from app.business.updates import table_of

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


_run = table_of(ScheduledTask)
_IS_OPEN = or_(_run.c.status == Status.PENDING, _run.c.status == Status.RUNNING)


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
        insert_each(session, ActionRun, rows)
        require_time()
    update_each(session, RunDetail, [_of_detail(context) for context in contexts], key="run_id")
    require_time()
    insert_each(session, RunAttempt, [_attempt(context.run, now) for context in contexts])
    require_time()
    written = update_each(session, ScheduledTask, [_of_run(context) for context in contexts], where=_IS_OPEN)
    for context in contexts:
        note_end(session, context.run)
        session.expire(context.run)
        session.expire(context.detail)
    return written


def _of_run(context: RunContext) -> RowValues:
    run = context.run
    return {"id": run.id, "account_id": run.account_id} | {name: getattr(run, name) for name in OF_RUN}


def _of_detail(context: RunContext) -> RowValues:
    detail = context.detail
    key = {"run_id": detail.run_id, "account_id": detail.account_id}
    return key | {name: getattr(detail, name) for name in OF_DETAIL}


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
