"""The lines of a table of runs: consecutive skipped runs of one kind are merged."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.business.automation.run_models import Cause, ScheduledTask, Status


@dataclass(frozen=True)
class RunLine:
    """A line of a table of runs; `count` consecutive skipped runs of one rule and reason share one line."""

    run: ScheduledTask
    count: int = 1
    oldest_at: datetime | None = None


def folded(runs: Iterable[ScheduledTask]) -> list[RunLine]:
    lines: list[RunLine] = []
    for run in runs:
        last = lines[-1] if lines else None
        if last and run.status == Status.SKIPPED and _key(last.run) == _key(run):
            lines[-1] = RunLine(last.run, last.count + _times(run), run.first_at or run.scheduled_at)
        else:
            lines.append(RunLine(run, _times(run), run.first_at))
    return lines


def _times(run: ScheduledTask) -> int:
    """The number of planned times of the row; the count of an event's row is a number of records."""
    return (run.count or 1) if run.cause == Cause.SCHEDULE else 1


def _key(run: ScheduledTask) -> tuple[Any, ...]:
    return run.automation_rule_id, run.status, run.reason
