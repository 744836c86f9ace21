"""Runs at planned times: written in bulk, and found by the index of their unique key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, insert, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, Reason, RunDetail, ScheduledTask, Status
from app.business.automation.services.runs.due_rule import DueRule
from app.business.automation.services.runs.ended_runs import note_end
from app.business.automation.services.runs.opening import Opening, detail_values, run_values
from app.business.base import RowValues
from app.business.likelihood import usually
from app.business.updates import table_of
from app.business.upsert import insert_many_new

MOST_AT_ONCE = 500
"""Rows of one statement: SQLite allows 32,766 values."""
_DETAILS = table_of(RunDetail)
PlannedKey = tuple[int, int, datetime]
"""Rule, site (0 where it is not split), due instant: one row each."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Why no run starts for a planned time; `counts` if its row represents several times."""

    message: str
    version: int
    reason: Reason
    counts: RowValues


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A planned time whose row is to be written."""

    rule: AutomationRule | DueRule
    opening: Opening
    lost: Lost | None = None
    closed: str = ""
    """Why it will be skipped when its time comes."""

    @property
    def key(self) -> PlannedKey:
        return self.rule.id, self.opening.split_site_id, self.opening.scheduled_at

    def row(self, now: datetime) -> RowValues:
        """All rows have the same columns."""
        status = Status.SKIPPED if self.lost else Status.PENDING
        values = run_values(self.rule, self.opening, status) | _ONCE
        if self.lost:
            said: RowValues = {
                "reason": self.lost.reason,
                "error_message": self.lost.message,
                "finished_at": now,
            }
            values |= said | {"rule_version": self.lost.version} | self.lost.counts
        if self.closed:
            values |= {"reason": Reason.CLOSED_DAY, "error_message": self.closed}
        return values


_ONCE: RowValues = {
    "reason": None,
    "error_message": "",
    "finished_at": None,
    "count": None,
    "first_at": None,
    "last_at": None,
}


def planned_runs(*columns: Any) -> Select[Any]:
    """Query of runs at planned times, without follow-ups, by the index of their unique key."""
    by_schedule = ScheduledTask.cause == bindparam(None, Cause.SCHEDULE, literal_execute=True)
    return select(*columns).where(by_schedule, usually(ScheduledTask.follows_id.is_(None)))


def planned_keys(
    session: Session, rule_ids: Iterable[int], start: datetime, until: datetime
) -> set[PlannedKey]:
    """The planned times of the rules from `start` to `until` that have a row already."""
    run = ScheduledTask
    query = planned_runs(run.automation_rule_id, run.split_site_id, run.scheduled_at).where(
        run.automation_rule_id.in_(list(rule_ids)), run.scheduled_at >= start, run.scheduled_at <= until
    )
    return {(rule_id, site_id, at) for rule_id, site_id, at in session.execute(query)}


def open_planned(session: Session, runs: Sequence[PlannedRun], now: datetime) -> None:
    """Insert the rows in bulk, except existing ones, and schedule wake-ups of their queues.

    Pages learn of the change by the rules, which move in the same transaction.
    """
    for start in range(0, len(runs), MOST_AT_ONCE):
        _open(session, runs[start : start + MOST_AT_ONCE], now)


def _open(session: Session, runs: Sequence[PlannedRun], now: datetime) -> None:
    rows = {run.key: run.row(now) for run in runs}
    ids = _insert(session, list(rows.values()))
    added = [(ids[run.key], run) for run in runs if run.key in ids]
    if not added:
        return
    details = [detail_values(run.rule.account_id, run_id, run.opening) for run_id, run in added]
    session.execute(insert(_DETAILS), details, execution_options={"is_shown": False})
    alarms = session.info.setdefault("alarms", set())
    for run_id, run in added:
        row = rows[run.key]
        if run.lost:
            note_end(session, ScheduledTask(id=run_id, **row))
        else:
            alarms.add((row["not_before"] or row["scheduled_at"], row["queue"]))


def _insert(session: Session, rows: Sequence[RowValues]) -> dict[PlannedKey, int]:
    run = ScheduledTask
    key = (run.id, run.automation_rule_id, run.split_site_id, run.scheduled_at)
    added = insert_many_new(session, run, rows, *key, is_shown=False)
    return {(rule_id, site_id, at): run_id for run_id, rule_id, site_id, at in added}
