"""Tables that renew themselves: one cheap question while something moves, none when nothing does."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Response, make_response, request
from flask.typing import ResponseReturnValue

from app.business.automation.run_models import Cause, ScheduledTask, Status

EVERY = "every 3s"
SOON = timedelta(hours=12)
"""Later than that a page is not left open; nothing is asked."""


@dataclass(frozen=True)
class RunLine:
    """A line of a table of runs; `count` neighbouring skips of one rule and reason stand in one line."""

    run: ScheduledTask
    count: int = 1
    oldest_at: datetime | None = None


def folded(runs: Iterable[ScheduledTask]) -> list[RunLine]:
    """The runs as lines."""
    lines: list[RunLine] = []
    for run in runs:
        last = lines[-1] if lines else None
        if last and run.status == Status.SKIPPED and _key(last.run) == _key(run):
            lines[-1] = RunLine(last.run, last.count + _times(run), run.first_at or run.scheduled_at)
        else:
            lines.append(RunLine(run, _times(run), run.first_at))
    return lines


def tag_of(runs: Sequence[ScheduledTask], *more: Any) -> str:
    """Changes exactly when what the table shows changes."""
    shown = [
        (run.id, run.status, run.waiting_for, run.attempt, run.credits_used, run.finished_at) for run in runs
    ]
    return hashlib.sha256(repr((shown, more)).encode()).hexdigest()[:16]


def trigger(runs: Iterable[ScheduledTask], next_at: datetime | None, now: datetime) -> str | None:
    """When the table asks again: while a run in view is due or works, or once when the next is due."""
    if any(is_moving(run, now) for run in runs):
        return EVERY
    if next_at is None or next_at - now > SOON:
        return None
    return f"load delay:{max(1, round((next_at - now).total_seconds()) + 1)}s"


def is_moving(run: ScheduledTask, now: datetime) -> bool:
    """Whether the run works or is about to."""
    if run.status == Status.RUNNING:
        return True
    return (
        run.status == Status.PENDING and not run.waiting_for and (run.not_before or run.scheduled_at) <= now
    )


def answer(tag: str, render: Callable[[], str]) -> ResponseReturnValue:
    """The rendered fragment, or an empty answer when the asker has seen just this."""
    if request.args.get("seen") == tag or request.if_none_match.contains(tag):
        return Response(status=304 if request.if_none_match else 204)
    response = make_response(render())
    response.set_etag(tag)
    return response


def _times(run: ScheduledTask) -> int:
    """How many planned times the row stands for; the count of an event's row is one of records."""
    return (run.count or 1) if run.cause == Cause.SCHEDULE else 1


def _key(run: ScheduledTask) -> tuple[Any, ...]:
    return run.automation_rule_id, run.status, run.reason
