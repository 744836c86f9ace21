"""What ended runs are counted by, as columns of runs, of the changes that triggers note, and of daily sums."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal_column

from app.business.automation.run_models import Cause, ScheduledTask, Status
from app.business.automation.total_models import NO_PACE, PACES, RunChange, RunSum
from app.business.sql_functions import seconds_between

Columns = Any
"""Of runs, changes or sums: each has those of its kind."""


def columns_of(source: RunSum | type[RunChange] | type[ScheduledTask]) -> Mapping[str, Columns]:
    """What sums are told apart by, as columns of the source."""
    if source is not ScheduledTask:
        return {column.key: getattr(source, column.key) for column in source.__table__.columns}
    run = ScheduledTask
    return {
        "rule_id": run.automation_rule_id,
        "site_id": func.coalesce(run.site_id, 0),
        "status": run.status,
        "reason": func.coalesce(run.reason, ""),
        "late": _class_of(run.begins_at, run.started_at, was_planned()),
        "took": _class_of(run.started_at, run.finished_at, run.status.in_((Status.COMPLETED, Status.FAILED))),
    }


def was_planned() -> ColumnElement[bool]:
    """Runs of which it is known how late they started: nothing but the machine kept them waiting."""
    run = ScheduledTask
    return and_(
        run.cause == Cause.SCHEDULE,
        run.status == Status.COMPLETED,
        run.attempt == 1,
        run.follows_id.is_(None),
        run.waiting_since.is_(None),
    )


def _class_of(start: Columns, end: Columns, is_known: ColumnElement[bool]) -> ColumnElement[int]:
    seconds = seconds_between(start, end)
    unknown = (~and_(is_known, start.is_not(None), end.is_not(None)), NO_PACE)
    # As text: as parameters, a hundred of them, they would take longer than the statement.
    classes: Iterator[tuple[ColumnElement[bool], ColumnElement[int]]] = (
        (seconds <= literal_column(str(most)), literal_column(str(number)))
        for number, most in enumerate(PACES)
    )
    return case(unknown, *classes, else_=len(PACES))
