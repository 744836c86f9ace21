"""Runs that ended in the caller's transaction, to be logged after its commit."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypedDict

from sqlalchemy.orm import Session, SessionTransaction

from app.business.automation.run_models import ScheduledTask

NOTED = "run_ends"


class LogLine(TypedDict):
    """What the log says of a run."""

    run: int
    rule: int
    account: int
    status: str
    reason: str | None
    credits: int
    milliseconds: int


@dataclass(frozen=True)
class RunEnd:
    """The log line of a run, and the savepoints that must all be committed for it to be true."""

    run_id: int
    line: LogLine
    within: tuple[SessionTransaction, ...]


def note_end(session: Session, run: ScheduledTask) -> None:
    """Note the end of `run` with the present values of its row; no statement is executed."""
    took = run.finished_at - (run.started_at or run.finished_at) if run.finished_at else None
    line: LogLine = {
        "run": run.id,
        "rule": run.automation_rule_id,
        "account": run.account_id,
        "status": str(run.status),
        "reason": str(run.reason) if run.reason else None,
        "credits": run.credits_used or 0,
        "milliseconds": round(took.total_seconds() * 1000) if took else 0,
    }
    note_lines(session, [line])


def note_lines(session: Session, lines: Iterable[LogLine]) -> None:
    """Note the ends of runs that are no objects of the session."""
    within = _open_transactions(session)
    session.info.setdefault(NOTED, []).extend(RunEnd(line["run"], line, within) for line in lines)


def noted_runs(session: Session) -> set[int]:
    """Ids of the runs whose end is noted."""
    return {end.run_id for end in session.info.get(NOTED, ())}


def forget_ends(session: Session, undone: SessionTransaction) -> None:
    """Discard ends noted in a transaction or savepoint that was rolled back."""
    if noted := session.info.get(NOTED):
        session.info[NOTED] = [end for end in noted if undone not in end.within]


def take_ends(session: Session) -> list[LogLine]:
    """Return and clear the log lines of all noted ends: the last one of each run, in the order of their ends."""
    return list({end.run_id: end.line for end in session.info.pop(NOTED, ())}.values())


def _open_transactions(session: Session) -> tuple[SessionTransaction, ...]:
    found, one = [], session.get_nested_transaction() or session.get_transaction()
    while one is not None:
        found.append(one)
        one = one.parent
    return tuple(found)
