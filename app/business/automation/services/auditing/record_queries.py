"""The audit's check of records: whether all work is done on records marked as handled."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.business.automation.models import RuleRecord
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.runs.context import RunContext, load_context
from app.business.automation.services.runs.lineage import Lineage, receipts_of
from app.business.automation.services.runs.steps import Step, steps_of, unit_states
from app.business.automation.services.runs.unit_plan import open_units

MOST_DAYS = timedelta(days=7)


def handled_too_early(session: Session, now: datetime) -> Iterator[tuple[int, str]]:
    """Records handled by a failed run that left work on them, or on records created from them."""
    run, row = ScheduledTask, RuleRecord
    query = select(run).where(
        run.status == Status.FAILED,
        run.admitted_at.is_not(None),
        # Undone runs keep their records, so that nobody does their work without being asked.
        run.undo_id.is_(None),
        run.finished_at > now - MOST_DAYS,
        exists().where(row.run_id == run.id, row.state == "handled", row.record_type == run.record_type),
    )
    for failed in session.scalars(query).all():
        if not _is_checked(failed):
            continue
        handled = session.scalars(
            select(row.record_id).where(
                row.run_id == failed.id, row.state == "handled", row.record_type == failed.record_type
            )
        )
        left = _work_left(session, load_context(session, failed, now)) & set(handled)
        for record_id in sorted(left):
            yield failed.account_id, f"run {failed.id}: {failed.record_type} {record_id}"


def _is_checked(run: ScheduledTask) -> bool:
    """False for runs closed by an earlier version, which marked records as handled after any work."""
    return any("done_before" in step for step in run.result.get("steps", []))


def _work_left(session: Session, context: RunContext) -> set[int]:
    records, left = list(context.detail.records or ()), set[int]()
    lineage, receipts = Lineage(session, context, records), receipts_of(session, context.run.id)
    for step in steps_of(context):
        if _is_asked(context, step):
            states = unit_states(session, context.run.id, step.index)
            for unit in open_units(session, context, step, records).units:
                if not step.action.when or (unit.record_type, unit.record_id) in states:
                    left |= lineage.of_unit(step, unit)
        lineage.note(step, receipts.get(step.index, []))
    return left


def _is_asked(context: RunContext, step: Step) -> bool:
    """Only where present rows are conclusive: people may have moved keywords and parents since."""
    is_moved = context.run.record_type == "keyword" and step.source == "made"
    return step.entry.unit_of == "record" and step.source in ("records", "made") and not is_moved
