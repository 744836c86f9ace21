"""Failed deliveries: retried, and after the last attempt recorded as a failed run that somebody can retry.

The notice and the audit's finding stay until somebody retries it or archives the rule; the batch is kept until then.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, joinedload

from app.business.accounts.models import Role
from app.business.accounts.services.notice_choices import NoticeKind
from app.business.accounts.services.notices import settle_notice
from app.business.automation.delivery_models import BatchDelivery, Delivery
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, Reason, RunDetail, ScheduledTask, Status
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.runs import consecutive_failures
from app.business.automation.services.runs.opening import LONG_QUEUE, Skip, skip_instead
from app.business.base import RowValues
from app.business.events import Event, EventBatch
from app.business.outlets.services.notifying import Message, notify
from app.business.upsert import insert_missing

NOT_HERE = "The rule as it is now does not take these records."
TO_DO = "Open the rule, repair what is marked, save it, and retry this run."


class ReadableRule(NamedTuple):
    """The columns of a rule that can be read whatever became of its parts."""

    id: int
    account_id: int
    name: str
    version: int
    site_id: int | None
    sector_id: int | None
    priority: int
    record_type: str | None


def put_off(
    session: Session, batch: EventBatch, rule_id: int, error: str, not_before: datetime, now: datetime
) -> None:
    """Record the pair for a retry."""
    row: RowValues = {
        "account_id": batch.account_id,
        "batch_id": batch.id,
        "rule_id": rule_id,
        "created_at": now,
    }
    tries: RowValues = {"state": Delivery.PENDING, "attempts": 1, "not_before": not_before, "error": error}
    insert_missing(session, BatchDelivery, row | tries)


def give_up(session: Session, delivery: BatchDelivery, now: datetime) -> None:
    """Record a failed run that represents the delivery; retrying it repeats the delivery."""
    # Single columns, because other columns of the row may be what cannot be read.
    rule = ReadableRule(*session.execute(_READABLE.where(AutomationRule.id == delivery.rule_id)).one())
    run = _failed_run(session, rule, delivery, now)
    delivery.state, delivery.not_before, delivery.run_id = Delivery.FAILED, None, run.id
    session.flush()
    consecutive_failures.count_end(session, run, now)
    notify(
        session,
        delivery.account_id,
        Message(
            kind=NoticeKind.ATTENTION,
            level="danger",
            title=f"“{rule.name}” needs repair: {plural(run.record_count, rule.record_type)} not looked at",
            body=f"{run.error_message} {TO_DO} Until then nothing that happens starts this rule.",
            role=Role.OPERATOR,
            key=_notice_key(rule.id),
            rule_id=rule.id,
            run_id=run.id,
            path=f"/runs/{run.id}",
            label="Open the run",
        ),
        now,
    )


def drop(session: Session, delivery: BatchDelivery, now: datetime) -> None:
    """The rule was changed in the meantime and does not accept the batch any more."""
    run = run_of(session, delivery)
    if run is not None:
        skip_instead(session, run, Skip(Reason.CONDITIONS, NOT_HERE), now)
    delivery.state, delivery.error, delivery.not_before, delivery.run_id = Delivery.DONE, None, None, None
    session.flush()


def delivery_of(session: Session, run: ScheduledTask) -> BatchDelivery | None:
    """The failed delivery that the failed run represents."""
    query = select(BatchDelivery).where(
        BatchDelivery.run_id == run.id,
        BatchDelivery.account_id == run.account_id,
        BatchDelivery.state == Delivery.FAILED,
    )
    return session.scalar(query.with_for_update(key_share=True).execution_options(populate_existing=True))


def run_of(session: Session, delivery: BatchDelivery) -> ScheduledTask | None:
    """The failed run that represents the delivery, with its detail."""
    if delivery.run_id is None:
        return None
    query = select(ScheduledTask).where(ScheduledTask.id == delivery.run_id)
    with_detail = query.options(joinedload(ScheduledTask.detail))
    return session.scalar(with_detail.execution_options(populate_existing=True))


def settle(session: Session, account_id: int, rule_id: int, now: datetime) -> None:
    """Withdraw the notice once the rule has no failed deliveries."""
    left = select(BatchDelivery.id).where(
        BatchDelivery.rule_id == rule_id, BatchDelivery.state == Delivery.FAILED
    )
    if session.scalar(left.limit(1)) is None:
        settle_notice(session, account_id, _notice_key(rule_id), now)


def somebody_must_act() -> ColumnElement[bool]:
    """Clause over deliveries joined with their rules: failed, and the rule is still in use."""
    return (BatchDelivery.state == Delivery.FAILED) & AutomationRule.archived_at.is_(None)


_READABLE = select(
    AutomationRule.id,
    AutomationRule.account_id,
    AutomationRule.name,
    AutomationRule.version,
    AutomationRule.site_id,
    AutomationRule.sector_id,
    AutomationRule.priority,
    AutomationRule.record_type,
)


def _failed_run(
    session: Session, rule: ReadableRule, delivery: BatchDelivery, now: datetime
) -> ScheduledTask:
    batch = session.get_one(EventBatch, delivery.batch_id)
    count = _offered(session, rule, batch)
    run = ScheduledTask(
        account_id=rule.account_id,
        automation_rule_id=rule.id,
        rule_name=rule.name,
        rule_version=rule.version,
        site_id=rule.site_id,
        sector_id=rule.sector_id,
        cause=Cause.EVENT,
        status=Status.FAILED,
        reason=Reason.RULE_INVALID,
        error_message=_message(count, rule.record_type),
        queue=LONG_QUEUE,
        priority=rule.priority,
        scheduled_at=delivery.created_at,
        finished_at=now,
        batch_id=batch.id,
        part=0,
        root_id=batch.root_run_id,
        depth=batch.depth,
        user_id=batch.user_id,
        record_type=rule.record_type,
        record_count=count,
    )
    session.add(run)
    session.flush()
    detail = RunDetail(
        account_id=run.account_id, run_id=run.id, chain=list(batch.chain), error_detail=delivery.error or ""
    )
    session.add(detail)
    session.flush()
    return run


def _message(count: int, record_type: str | None) -> str:
    what = plural(count, record_type) if record_type else "what happened"
    return f"This rule needs repair: it could not be read when {what} came, so nothing was done."


def _offered(session: Session, rule: ReadableRule, batch: EventBatch) -> int:
    if rule.record_type is None:
        return 0
    query = select(func.count(Event.record_id.distinct())).where(
        Event.batch_id == batch.id, Event.record_type == rule.record_type
    )
    for column, place in ((Event.site_id, rule.site_id), (Event.sector_id, rule.sector_id)):
        query = query.where(column == place) if place is not None else query
    return session.scalar(query) or 0


def _notice_key(rule_id: int) -> str:
    return f"rule-needs-repair-{rule_id}"
