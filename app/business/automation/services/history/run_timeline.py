"""When a run waited, ran and worked on each step: the bars of its timeline, and how far a running one is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from app.business.automation.run_models import RunAttempt, ScheduledTask, Status
from app.business.automation.unit_models import ActionRun

SpanKind = Literal["wait", "attempt", "step"]
LEAST_FOR_A_GUESS = 2
"""Finished units without which no remaining time is named."""


@dataclass(frozen=True)
class Span:
    """One bar. `left`, `width`: in percent of the whole timeline · ended_at: None while it goes on · records: those of
    a step's units."""

    kind: SpanKind
    label: str
    began_at: datetime
    ended_at: datetime | None
    seconds: float
    left: float
    width: float
    records: int = 0
    has_failed: bool = False


@dataclass(frozen=True)
class StepProgress:
    """How far the present step of a running run is; total and remaining are None where not known."""

    index: int
    done: int
    total: int | None
    remaining: timedelta | None


class StepUnits(NamedTuple):
    """The units of a step: their number and that of their records, when the first began and the last ended, how many
    have not ended, and how many failed."""

    step: int
    record_type: str
    began: datetime
    ended: datetime | None
    units: int
    records: int
    open: int
    failed: int


def timeline_of(
    session: Session, run: ScheduledTask, attempts: Sequence[RunAttempt], now: datetime
) -> list[Span]:
    """The wait before the first attempt, the attempts with the waits between, and the steps; empty if it never ran."""
    if not attempts:
        return []
    begin = min(run.begins_at, attempts[0].started_at)
    steps = _steps(session, run)
    end = max([attempt.finished_at or now for attempt in attempts] + [step.ended or now for step in steps])
    scale = _Scale(begin, end, now)
    spans: list[Span] = []
    since = begin
    for attempt in attempts:
        if attempt.started_at > since:
            spans.append(scale.span("wait", "Waited", since, attempt.started_at))
        name = f"Attempt {attempt.number}" if len(attempts) > 1 else "The run"
        has_failed = attempt.status == Status.FAILED
        spans.append(
            scale.span("attempt", name, attempt.started_at, attempt.finished_at, has_failed=has_failed)
        )
        since = attempt.finished_at or now
    return spans + [
        scale.span(
            "step",
            f"Step {step.step + 1}",
            step.began,
            step.ended if step.open == 0 else None,
            records=step.records,
            has_failed=step.failed > 0,
        )
        for step in steps
    ]


def progress_of(session: Session, run: ScheduledTask, now: datetime) -> StepProgress | None:
    """None where the run is not running, or has begun no unit yet."""
    if run.status != Status.RUNNING:
        return None
    steps = _steps(session, run)
    if not steps:
        return None
    step = steps[-1]
    done = step.units - step.open
    total = run.record_count if step.record_type == run.record_type else _made_before(session, run, step)
    if not total or total < step.units:
        return StepProgress(step.step, done, None, None)
    remaining = None
    if done >= LEAST_FOR_A_GUESS:
        remaining = (now - step.began) / done * (total - done)
    return StepProgress(step.step, done, total, remaining)


def _steps(session: Session, run: ScheduledTask) -> list[StepUnits]:
    unit = ActionRun
    rows = session.execute(
        select(
            unit.step,
            func.min(unit.record_type).label("record_type"),
            func.min(unit.started_at).label("began"),
            func.max(unit.finished_at).label("ended"),
            func.count().label("units"),
            func.sum(unit.records).label("records"),
            func.sum(case((unit.finished_at.is_(None), 1), else_=0)).label("open"),
            func.sum(case((unit.status == "failed", 1), else_=0)).label("failed"),
        )
        .where(unit.run_id == run.id, unit.done_by_run_id.is_(None))
        .group_by(unit.step)
        .order_by(unit.step)
    )
    return [StepUnits(*row) for row in rows]


def _made_before(session: Session, run: ScheduledTask, step: StepUnits) -> int:
    """The number of records of the step's type that the run's earlier steps made."""
    made = select(ActionRun.made).where(ActionRun.run_id == run.id, ActionRun.step < step.step)
    return sum(len(ids.get(step.record_type, ())) for ids in session.scalars(made))


class _Scale:
    def __init__(self, begin: datetime, end: datetime, now: datetime) -> None:
        self.begin, self.now = begin, now
        self.whole = max((end - begin).total_seconds(), 0.001)

    def span(
        self,
        kind: SpanKind,
        label: str,
        began_at: datetime,
        ended_at: datetime | None,
        *,
        records: int = 0,
        has_failed: bool = False,
    ) -> Span:
        seconds = max(((ended_at or self.now) - began_at).total_seconds(), 0.0)
        left = min(max((began_at - self.begin).total_seconds() / self.whole * 100, 0.0), 99.5)
        width = min(max(seconds / self.whole * 100, 0.5), 100 - left)
        return Span(
            kind, label, began_at, ended_at, seconds, round(left, 2), round(width, 2), records, has_failed
        )
