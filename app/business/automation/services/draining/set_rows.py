"""Writes the rows of a set's runs: each table by one statement, whatever the number of runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import or_
from sqlalchemy.orm import Session

from app.business.automation.run_documents import ConditionTrace, GateLine, RunResult
from app.business.automation.run_models import Reason, RunAttempt, RunDetail, ScheduledTask, Status
from app.business.automation.services.draining.plain_run import PlainRun
from app.business.automation.services.runs.ended_runs import LogLine, note_lines
from app.business.automation.services.runs.gate_verdict import Admission
from app.business.automation.services.runs.opening import detail_values, values_of_opening
from app.business.automation.unit_models import ActionRun
from app.business.base import RowValues
from app.business.row_sets import insert_each, update_each
from app.business.updates import table_of


@dataclass(slots=True)
class EndedRun:
    """How a run ended. admission: what the gates let pass; None where no record matches, for which `message` says
    why."""

    run: PlainRun
    admission: Admission | None = None
    message: str = ""
    gates: list[GateLine] = field(default_factory=list)
    trace: ConditionTrace | None = None
    result: RunResult = field(default_factory=RunResult)
    credits: int = 0

    @property
    def status(self) -> Status:
        return Status.COMPLETED if self.admission else Status.SKIPPED

    @property
    def reason(self) -> Reason | None:
        return None if self.admission else Reason.CONDITIONS

    @property
    def records(self) -> list[int]:
        return self.admission.records if self.admission else self.run.records

    @property
    def left_out(self) -> int:
        """The number of promised records that the run does not process."""
        if self.run.promised is None:
            return 0
        return self.admission.left_out if self.admission else self.run.promised


_run = table_of(ScheduledTask)
_IS_OPEN = or_(_run.c.status == Status.PENDING, _run.c.status == Status.RUNNING)


def write(
    session: Session,
    ended: Sequence[EndedRun],
    receipts: Sequence[RowValues],
    now: datetime,
    worker: str,
    require_time: Callable[[], None],
) -> int:
    """Write the runs as they have ended, their details, attempts and receipts; returns the number of runs written."""
    written = _write_runs(session, ended, now, worker)
    require_time()
    for rows in _of_same_columns(receipts):
        insert_each(session, ActionRun, rows)
        require_time()
    insert_each(session, RunDetail, [row for one in ended if (row := _new_detail(one))])
    update_each(session, RunDetail, [_of_detail(one) for one in ended if not one.run.opening], key="run_id")
    require_time()
    insert_each(session, RunAttempt, [_attempt(one, now, worker) for one in ended])
    note_lines(session, [_line(one, now) for one in ended])
    return written


def _write_runs(session: Session, ended: Sequence[EndedRun], now: datetime, worker: str) -> int:
    new = [row for one in ended if (row := _new_run(one, now, worker))]
    insert_each(session, ScheduledTask, new)
    known = [_of_run(one, now, worker) for one in ended if not one.run.opening]
    return len(new) + update_each(session, ScheduledTask, known, where=_IS_OPEN)


def _new_run(one: EndedRun, now: datetime, worker: str) -> RowValues | None:
    opening, kind = one.run.opening, one.run.kind
    if opening is None:
        return None
    return kind.values | values_of_opening(kind.context.rule, opening, one.status) | _of_run(one, now, worker)


def _new_detail(one: EndedRun) -> RowValues | None:
    opening, account_id = one.run.opening, one.run.kind.scope.account_id
    return None if opening is None else detail_values(account_id, one.run.id, opening) | _of_detail(one)


def _of_run(one: EndedRun, now: datetime, worker: str) -> RowValues:
    run, is_admitted = one.run, one.admission is not None
    day = run.kind.local_day if is_admitted else None
    return {
        "id": run.id,
        "account_id": run.kind.scope.account_id,
        "status": one.status,
        "reason": one.reason,
        "error_message": one.message,
        "started_at": run.started_at or now,
        "admitted_at": now if is_admitted else None,
        "finished_at": now,
        "lease_token": None,
        "lease_until": None,
        "worker": worker,
        "attempt": 1,
        "counted_day": day,
        "budget_day": day,
        "budget": None,
        "record_count": len(one.records),
        "credits_used": one.credits,
        "left_out": one.left_out,
        "remaining": 0,
        "result": one.result,
    }


def _of_detail(one: EndedRun) -> RowValues:
    return {
        "run_id": one.run.id,
        "account_id": one.run.kind.scope.account_id,
        "records": one.records,
        "options": one.admission.options if one.admission else {},
        "gates": one.gates,
        "trace": one.trace,
    }


def _of_same_columns(rows: Sequence[RowValues]) -> list[list[RowValues]]:
    found: dict[frozenset[str], list[RowValues]] = {}
    for row in rows:
        found.setdefault(frozenset(row), []).append(row)
    return list(found.values())


def _attempt(one: EndedRun, now: datetime, worker: str) -> RowValues:
    return {
        "account_id": one.run.kind.scope.account_id,
        "run_id": one.run.id,
        "number": 1,
        "worker": worker,
        "started_at": now,
        "finished_at": now,
        "status": one.status,
        "reason": one.reason,
        "error_message": one.message,
        "credits_used": one.credits,
    }


def _line(one: EndedRun, now: datetime) -> LogLine:
    run = one.run
    return {
        "run": run.id,
        "rule": run.kind.context.rule.id,
        "account": run.kind.scope.account_id,
        "status": str(one.status),
        "reason": str(one.reason) if one.reason else None,
        "credits": one.credits,
        "milliseconds": round((now - (run.started_at or now)).total_seconds() * 1000),
    }
