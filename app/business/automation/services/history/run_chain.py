"""The runs around a run: what led to it, what goes on with its work, and what it set off in other rules."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask
from app.business.base import Id
from app.business.events import EventBatch
from app.business.likelihood import usually

MOST_RUNS = 12
"""Runs shown in each part."""


@dataclass(frozen=True)
class RunChain:
    """cause: the run whose events started this one · line: the runs of one piece of work in order, with this one ·
    set_off: runs of rules that its events started; is_cut: more than are listed."""

    cause: ScheduledTask | None
    line: Sequence[ScheduledTask]
    set_off: Sequence[ScheduledTask]
    is_cut: bool

    def __bool__(self) -> bool:
        return bool(self.cause or self.set_off or len(self.line) > 1)


def chain_of(session: Session, run: ScheduledTask) -> RunChain:
    """The runs before and after it in its chain of follow-ups, and around it by events."""
    line = [run]
    while (first := line[0]).follows_id and len(line) < MOST_RUNS:
        before = session.get(ScheduledTask, first.follows_id)
        if before is None:
            break
        line.insert(0, before)
    while len(line) < 2 * MOST_RUNS:
        after = session.scalar(_AFTER, {"run_id": line[-1].id})
        if after is None:
            break
        line.append(after)
    found = session.scalars(_SET_OFF, {"account_id": run.account_id, "run_id": run.id}).all()
    return RunChain(_cause(session, run), line, found[:MOST_RUNS], len(found) > MOST_RUNS)


def _cause(session: Session, run: ScheduledTask) -> ScheduledTask | None:
    batch = session.get(EventBatch, run.batch_id) if run.batch_id else None
    return session.get(ScheduledTask, batch.run_id) if batch and batch.run_id else None


_RUN = bindparam("run_id", type_=Id)
_AFTER = select(ScheduledTask).where(ScheduledTask.follows_id == _RUN)
_BATCHES = select(EventBatch.id).where(
    EventBatch.account_id == bindparam("account_id", type_=Id), EventBatch.run_id == _RUN
)
_SET_OFF = (
    select(ScheduledTask)
    .where(ScheduledTask.batch_id.in_(_BATCHES), usually(ScheduledTask.follows_id.is_(None)))
    # In the order of the index: by their ids, all runs would be looked at.
    .order_by(ScheduledTask.batch_id, ScheduledTask.automation_rule_id, ScheduledTask.part)
    .limit(MOST_RUNS + 1)
)
