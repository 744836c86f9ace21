"""Records that arrived while an event rule had switched itself off: offered when it is switched on again."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.business.automation.delivery_models import BatchDelivery
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, Reason, RunDetail, ScheduledTask, Status
from app.business.automation.services.triggering.event_matching import match, read_events
from app.business.events import EventBatch

LONGEST = timedelta(days=30)


def records_meanwhile(session: Session, rule: AutomationRule, since: datetime, now: datetime) -> list[int]:
    """Records that match now: of batches not delivered to the rule since then, and of runs that had not begun.

    Raises Invalid where the rule is not valid.
    """
    since = max(since, now - LONGEST)
    found: dict[int, None] = {}
    for records in _of_runs_not_begun(session, rule, since):
        found |= dict.fromkeys(records)
    for batch in session.scalars(_undelivered(rule, since)).all():
        matched = match(session, read_events(session, batch), rule, now)
        for _, matching in matched.groups if matched else ():
            found |= dict.fromkeys(matching or ())
    return list(found)


def _undelivered(rule: AutomationRule, since: datetime) -> Select[EventBatch]:
    delivered = select(BatchDelivery.id).where(
        BatchDelivery.batch_id == EventBatch.id, BatchDelivery.rule_id == rule.id
    )
    return (
        select(EventBatch)
        .where(
            EventBatch.account_id == rule.account_id,
            EventBatch.type == rule.trigger,
            EventBatch.dispatched_at >= since,
            ~delivered.exists(),
        )
        .order_by(EventBatch.id)
    )


def _of_runs_not_begun(session: Session, rule: AutomationRule, since: datetime) -> Iterator[list[int]]:
    """Records of event runs whose turn came when the rule was already off."""
    query = (
        select(RunDetail.records)
        .join(ScheduledTask, ScheduledTask.id == RunDetail.run_id)
        .where(
            ScheduledTask.automation_rule_id == rule.id,
            ScheduledTask.cause.in_((Cause.EVENT, Cause.BACKFILL)),
            ScheduledTask.status == Status.SKIPPED,
            ScheduledTask.reason == Reason.INACTIVE,
            ScheduledTask.finished_at >= since,
            ScheduledTask.record_type == rule.record_type,
        )
    )
    for records in session.scalars(query.order_by(ScheduledTask.id)):
        yield records or []
