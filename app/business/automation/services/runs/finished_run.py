"""Finds the finished run that a rule with this trigger refers to."""

from sqlalchemy import false, or_, select
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import is_row_id
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.catalogue.triggers import RunFinishedOptions
from app.business.automation.services.runs.context import RunContext
from app.business.events import Event


def finished_run_id(session: Session, context: RunContext) -> int | None:
    """The run whose end started this one; if a person started it, the latest run that matches the trigger."""
    if context.run.batch_id is not None:
        return session.scalar(
            select(Event.record_id).where(
                Event.account_id == context.account.id,
                Event.batch_id == context.run.batch_id,
                Event.record_type == "run",
            )
        )
    options = context.definition.trigger_options
    if not isinstance(options, RunFinishedOptions):
        return None
    query = select(ScheduledTask.id).where(
        ScheduledTask.account_id == context.account.id,
        ScheduledTask.status.in_(options.ends),
        ScheduledTask.finished_at.is_not(None),
        ScheduledTask.automation_rule_id != context.rule.id,
    )
    named = options.rule_id
    if named is not None:
        # A rule stored before ids were validated may reference an impossible id.
        query = query.where(ScheduledTask.automation_rule_id == named if is_row_id(named) else false())
    place = context.definition.site, context.definition.sector
    for column, id in zip((ScheduledTask.site_id, ScheduledTask.sector_id), place, strict=True):
        if id is not None:
            query = query.where(column == id if named is None else or_(column == id, column.is_(None)))
    return session.scalar(query.order_by(ScheduledTask.finished_at.desc(), ScheduledTask.id.desc()).limit(1))
