"""Opens runs: one pending row in the caller's transaction. The row is the source of truth; jobs only wake workers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_documents import ConditionTrace, RunOptions
from app.business.automation.run_models import Cause, Reason, RunDetail, ScheduledTask, Status
from app.business.automation.services.catalogue.actions.registry import stored_actions
from app.business.automation.services.rules.definition import is_local
from app.business.automation.services.runs.due_rule import DueRule
from app.business.automation.services.runs.ended_runs import LogLine, note_lines
from app.business.automation.services.runs.reservations import Reservation
from app.business.base import RowValues
from app.business.events import EVENTS_QUEUE
from app.business.row_ids import next_ids
from app.business.row_sets import insert_each

LONG_QUEUE = "long"
DUE_QUEUE = "due"
MANUAL_QUEUE = "manual"
RUN_QUEUES = (DUE_QUEUE, MANUAL_QUEUE, EVENTS_QUEUE, LONG_QUEUE)
LOCAL_QUEUES = {
    Cause.SCHEDULE: DUE_QUEUE,
    Cause.MANUAL: MANUAL_QUEUE,
    Cause.API: MANUAL_QUEUE,
    Cause.EVENT: EVENTS_QUEUE,
    Cause.BACKFILL: EVENTS_QUEUE,
}


@dataclass(slots=True)
class Opening:
    """The cause and records of a run to be opened. `records` None: the run selects its records when it starts.

    Bursts make many thousands: a frozen one would take three times as long.
    """

    cause: Cause
    scheduled_at: datetime
    moved_to_at: datetime | None = None
    record_type: str | None = None
    records: list[int] | None = None
    site_id: int | None = None
    split_site_id: int = 0
    batch_id: int | None = None
    part: int | None = None
    chain: list[int] = field(default_factory=list)
    root_id: int | None = None
    depth: int = 0
    user_id: int | None = None
    api_key_id: int | None = None
    request_key: str | None = None
    request_hash: str | None = None
    follows_id: int | None = None
    start_id: int | None = None
    max_credits: int | None = None
    promised: int | None = None
    start_records: list[int] | None = None
    from_step: int = 0
    options: RunOptions = field(default_factory=RunOptions)


Openings = Sequence[tuple[AutomationRule, Opening]]
"""Runs to be opened, each of the present version of its rule."""


def open_run(session: Session, rule: AutomationRule, opening: Opening) -> ScheduledTask:
    """Add a pending run of the rule's present version, and wake its queue after the commit."""
    run = _row(rule, opening, Status.PENDING)
    _add(session, run, opening)
    schedule_wakeup(session, run)
    return run


def open_runs(session: Session, openings: Openings, reservation: Reservation | None = None) -> None:
    """Bulk version of `open_run` for runs over events, identified by batch, rule and part.

    reservation: of the worker that executes them next; it takes them if all belong to its queue, and is not woken for
    them.
    """
    if not openings:
        return
    firsts = {(rule.id, opening.cause): rule for rule, opening in openings}
    of_rules = {key: values_of_rule(rule, key[1]) for key, rule in firsts.items()}
    rows = [
        of_rules[rule.id, opening.cause] | values_of_opening(rule, opening, Status.PENDING)
        for rule, opening in openings
    ]
    if reservation and all(row["queue"] == EVENTS_QUEUE for row in rows):
        mine = reservation.columns(openings[0][1].scheduled_at)
        rows = [row | mine for row in rows]
    else:
        reservation = None
    known = _insert(session, openings, rows)
    ids = [known[opening.batch_id, rule.id, opening.part] for rule, opening in openings]
    details = [
        detail_values(rule.account_id, run_id, opening)
        for run_id, (rule, opening) in zip(ids, openings, strict=True)
    ]
    insert_each(session, RunDetail, details)
    if reservation:
        reservation.rules |= {run_id: rule.id for run_id, (rule, _) in zip(ids, openings, strict=True)}
    else:
        session.info.setdefault("alarms", set()).update((row["scheduled_at"], row["queue"]) for row in rows)


def _insert(
    session: Session, openings: Openings, rows: Sequence[RowValues]
) -> dict[tuple[int | None, int, int | None], int]:
    """Returns the ids by batch, rule and part."""
    if len(rows) == 1:
        ((rule, opening),) = openings
        run_id = session.scalars(insert(ScheduledTask).returning(ScheduledTask.id), rows).one()
        return {(opening.batch_id, rule.id, opening.part): run_id}
    # Many rows are written faster where nothing is returned.
    insert_each(session, ScheduledTask, rows)
    return _ids(session, openings)


def _ids(session: Session, openings: Openings) -> dict[tuple[int | None, int, int | None], int]:
    run, batch_ids = ScheduledTask, {opening.batch_id for _, opening in openings}
    parts = [opening.part for _, opening in openings if opening.part is not None]
    query = select(run.batch_id, run.automation_rule_id, run.part, run.id).where(
        run.batch_id.in_(batch_ids),
        run.automation_rule_id.in_({rule.id for rule, _ in openings}),
        run.part.between(min(parts), max(parts)),
    )
    return {(batch_id, rule_id, part): run_id for batch_id, rule_id, part, run_id in session.execute(query)}


def reopen(session: Session, run: ScheduledTask, rule: AutomationRule, opening: Opening) -> None:
    """Turn the row of a failed delivery, loaded with its detail, into the pending run that it should have been."""
    ended = {"reason": None, "error_message": "", "finished_at": None, "count": None}
    for name, value in (run_values(rule, opening, Status.PENDING) | ended).items():
        setattr(run, name, value)
    for name, value in detail_values(run.account_id, run.id, opening).items():
        setattr(run.detail, name, value)
    session.flush()
    schedule_wakeup(session, run)


@dataclass(frozen=True)
class Skip:
    """Why a run is skipped: reason code and sentence. records: for so many records the one row stands; trace: what
    the conditions say of some of them."""

    reason: Reason
    message: str
    records: int | None = None
    trace: ConditionTrace | None = None


def record_skips(
    session: Session, skips: Sequence[tuple[AutomationRule, Opening, Skip]], now: datetime
) -> None:
    """Add skipped rows, each for so many records."""
    of_runs = list(zip(next_ids(session, ScheduledTask, len(skips)), skips, strict=True))
    rows = [
        run_values(rule, opening, Status.SKIPPED) | _values_of_skip(skip, now) | {"id": run_id}
        for run_id, (rule, opening, skip) in of_runs
    ]
    details = [
        detail_values(rule.account_id, run_id, opening) | {"trace": skip.trace}
        for run_id, (rule, opening, skip) in of_runs
    ]
    insert_each(session, ScheduledTask, rows)
    insert_each(session, RunDetail, details)
    note_lines(session, [_line_of_skip(run_id, rule, skip) for run_id, (rule, _, skip) in of_runs])


def _line_of_skip(run_id: int, rule: AutomationRule, skip: Skip) -> LogLine:
    return {
        "run": run_id,
        "rule": rule.id,
        "account": rule.account_id,
        "status": str(Status.SKIPPED),
        "reason": str(skip.reason),
        "credits": 0,
        "milliseconds": 0,
    }


def skip_instead(session: Session, run: ScheduledTask, skip: Skip, now: datetime) -> None:
    """Turn the row of a run, loaded with its detail, into a skipped one."""
    run.status, run.detail.trace = Status.SKIPPED, skip.trace
    for name, value in _values_of_skip(skip, now).items():
        setattr(run, name, value)
    session.flush()


def _values_of_skip(skip: Skip, now: datetime) -> RowValues:
    values: RowValues = {"reason": skip.reason, "error_message": skip.message, "finished_at": now}
    counted = {} if skip.records is None else {"count": skip.records, "record_count": skip.records}
    return values | counted


def schedule_wakeup(session: Session, run: ScheduledTask) -> None:
    """Wake the run's queue: immediately if it is due, else by an alarm at its scheduled second."""
    session.info.setdefault("alarms", set()).add((run.not_before or run.scheduled_at, run.queue))


def _row(rule: AutomationRule, opening: Opening, status: Status) -> ScheduledTask:
    return ScheduledTask(**run_values(rule, opening, status))


def run_values(rule: AutomationRule | DueRule, opening: Opening, status: Status) -> RowValues:
    """The columns of a run's row that follow from its rule and its opening."""
    return values_of_rule(rule, opening.cause) | values_of_opening(rule, opening, status)


def values_of_rule(rule: AutomationRule | DueRule, cause: Cause) -> RowValues:
    """Those that are the same for all runs that the cause opens of the rule."""
    return {
        "account_id": rule.account_id,
        "automation_rule_id": rule.id,
        "rule_name": rule.name,
        "rule_version": rule.version,
        "sector_id": rule.sector_id,
        "cause": cause,
        "queue": LOCAL_QUEUES[cause] if is_local(stored_actions(rule.actions)) else LONG_QUEUE,
        "priority": rule.priority,
    }


def values_of_opening(rule: AutomationRule | DueRule, opening: Opening, status: Status) -> RowValues:
    """Those that differ between them."""
    return {
        "site_id": opening.site_id or rule.site_id,
        "split_site_id": opening.split_site_id,
        "status": status,
        "scheduled_at": opening.scheduled_at,
        "moved_to_at": opening.moved_to_at,
        "not_before": opening.moved_to_at,
        "batch_id": opening.batch_id,
        "part": opening.part,
        "follows_id": opening.follows_id,
        "start_id": opening.start_id,
        "max_credits": opening.max_credits,
        "promised": _promised(opening),
        "from_step": opening.from_step,
        "request_key": opening.request_key,
        "request_hash": opening.request_hash,
        "root_id": opening.root_id,
        "depth": opening.depth,
        "user_id": opening.user_id,
        "api_key_id": opening.api_key_id,
        "record_type": opening.record_type or rule.record_type,
        "record_count": len(opening.records or ()),
    }


def _promised(opening: Opening) -> int | None:
    """Records that the run and its follow-ups have to process; planned runs have none, because each selects anew."""
    if opening.promised is not None or opening.records is None or opening.from_step:
        return opening.promised
    return len(opening.records)


def _add(session: Session, run: ScheduledTask, opening: Opening) -> None:
    session.add(run)
    session.flush()
    run.detail = RunDetail(**detail_values(run.account_id, run.id, opening))
    session.flush()


def detail_values(account_id: int, run_id: int, opening: Opening) -> RowValues:
    """The columns of the run's detail row."""
    return {
        "account_id": account_id,
        "run_id": run_id,
        "chain": opening.chain,
        "records": opening.records,
        "options": opening.options,
        "start_records": opening.start_records,
    }
