"""Hands closed event batches to the rules: once for each batch and rule, runs over all matching records."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import BatchDelivery, Cause, Reason
from app.business.automation.services.catalogue.record_models import MODELS, in_scope
from app.business.automation.services.catalogue.triggers import statuses_to
from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.condition_query import matching
from app.business.automation.services.conditions.condition_tree import parse_conditions
from app.business.automation.services.conditions.record_fields import load_facts
from app.business.automation.services.rules.rule_zone import rule_scope, rule_zone
from app.business.automation.services.runs.opening import Opening, open_run, record_skip
from app.business.automation.services.transactions import Transaction
from app.business.events import Event, EventBatch, EventType

MOST_RECORDS = 500
MOST_RECORDS_CLUSTERING = 5000
MOST_TRIES = 5
SAMPLE = 10


@dataclass(frozen=True)
class Delivered:
    """What came of one look at the outbox."""

    batches: int = 0
    failed: int = 0


def dispatch_batches(transaction: Transaction, now: datetime, *, most: int = 50) -> Delivered:
    """Evaluate every closed batch for every rule that listens. A batch that cannot be read harms no other."""
    with transaction() as session:
        batch_ids = session.scalars(_undispatched(now).limit(most)).all()
    failed = 0
    for batch_id in batch_ids:
        try:
            with transaction() as session:
                _dispatch(session, batch_id, now)
        except Exception as error:
            failed += 1
            with transaction() as session:
                _set_back(session, batch_id, error, now)
    return Delivered(len(batch_ids), failed)


def _undispatched(now: datetime) -> Any:
    return (
        select(EventBatch.id)
        .where(
            EventBatch.closed_at.is_not(None),
            EventBatch.dispatched_at.is_(None),
            EventBatch.dead_at.is_(None),
            or_(EventBatch.not_before.is_(None), EventBatch.not_before <= now),
        )
        .order_by(EventBatch.id)
    )


def _dispatch(session: Session, batch_id: int, now: datetime) -> None:
    taken = session.scalar(
        update(EventBatch)
        .where(EventBatch.id == batch_id, EventBatch.dispatched_at.is_(None))
        .values(dispatched_at=now)
        .returning(EventBatch.id)
    )
    if taken is None:
        return
    batch = session.get_one(EventBatch, batch_id, populate_existing=True)
    for rule in listening_rules(session, batch):
        deliver(session, batch, rule, now)


def listening_rules(session: Session, batch: EventBatch) -> Iterator[AutomationRule]:
    """Active rules of the batch's account with its trigger."""
    query = select(AutomationRule).where(
        AutomationRule.account_id == batch.account_id,
        AutomationRule.trigger == batch.type,
        AutomationRule.is_active,
        AutomationRule.archived_at.is_(None),
    )
    for rule in session.scalars(query.order_by(AutomationRule.priority, AutomationRule.id)).all():
        if batch.type != EventType.RUN_FINISHED or hears(
            _ended(session, batch), rule.trigger_options, rule.id
        ):
            yield rule


def _ended(session: Session, batch: EventBatch) -> dict[str, Any]:
    return session.scalars(select(Event.data).where(Event.batch_id == batch.id)).first() or {}


def hears(ended: dict[str, Any], options: dict[str, Any], rule_id: int | None) -> bool:
    """Whether a finished run is one that a rule's options ask for; never its own."""
    wanted = options.get("status")
    statuses = ["completed", "failed"] if wanted is None else [wanted] if isinstance(wanted, str) else wanted
    of_rule = options.get("rule_id") in (None, ended.get("rule_id"))
    return of_rule and ended.get("rule_id") != rule_id and ended.get("status") in statuses


def listens(session: Session, batch: EventBatch, rule: AutomationRule) -> bool:
    """Whether the batch holds something for this rule, which has its trigger."""
    if batch.type == EventType.RUN_FINISHED and not hears(
        _ended(session, batch), rule.trigger_options, rule.id
    ):
        return False
    return rule.record_type is None or bool(_offered(session, batch, rule))


def deliver(session: Session, batch: EventBatch, rule: AutomationRule, now: datetime) -> None:
    """Open the runs of one rule for one batch, once: the unique delivery row refuses a second time."""
    offered = _offered(session, batch, rule) if rule.record_type else []
    if rule.record_type and not offered:
        return
    delivery = BatchDelivery(account_id=batch.account_id, batch_id=batch.id, rule_id=rule.id, created_at=now)
    try:
        with session.begin_nested():
            session.add(delivery)
            session.flush()
    except IntegrityError:
        return
    if rule.record_type is None:
        open_run(session, rule, _opening(batch, now, None, 1))
        delivery.runs = 1
        return
    matched = _matching(session, batch, rule, now)
    unmatched = [record_id for record_id in offered if record_id not in set(matched)]
    delivery.matched, delivery.unmatched = len(matched), len(unmatched)
    for part, records in enumerate(parts(rule.actions, rule.batching, matched), start=1):
        open_run(session, rule, _opening(batch, now, records, part))
        delivery.runs += 1
    if unmatched:
        _skip_unmatched(session, batch, rule, unmatched, now)


def _offered(session: Session, batch: EventBatch, rule: AutomationRule) -> list[int]:
    query = select(Event.record_id).where(Event.batch_id == batch.id, Event.record_type == rule.record_type)
    if rule.site_id is not None:
        query = query.where(Event.site_id == rule.site_id)
    if rule.sector_id is not None:
        query = query.where(Event.sector_id == rule.sector_id)
    ids = session.scalars(query.order_by(Event.id)).all()
    wanted = statuses_to(rule.trigger_options) if batch.type == EventType.STATUS_CHANGED else []
    if not wanted:
        return list(dict.fromkeys(ids))
    events = session.scalars(
        select(Event).where(Event.batch_id == batch.id, Event.record_type == rule.record_type)
    )
    moved = {event.record_id for event in events if (event.data or {}).get("to") in wanted}
    return [record_id for record_id in dict.fromkeys(ids) if record_id in moved]


def _matching(session: Session, batch: EventBatch, rule: AutomationRule, now: datetime) -> list[int]:
    record_type = rule.record_type or ""
    model = MODELS[record_type]
    clause = matching(
        parse_conditions(rule.conditions, record_type=record_type),
        record_type=record_type,
        scope=rule_scope(rule),
        now=now,
        zone=rule_zone(session, rule),
        rule_id=rule.id,
    )
    offered = set(_offered(session, batch, rule))
    in_batch = select(Event.record_id).where(Event.batch_id == batch.id, Event.record_type == record_type)
    scope = in_scope(model, rule.account_id, rule.site_id, rule.sector_id)
    ids = session.scalars(select(model.id).where(model.id.in_(in_batch), scope, clause).order_by(model.id))
    return [record_id for record_id in ids if record_id in offered]


def parts(actions: list[Any], batching: str, records: list[int]) -> Iterator[list[int]]:
    """The records of one batch as its runs take them."""
    clusters = any(action["type"] == "cluster_keywords" for action in actions)
    size = 1 if batching == "each" else (MOST_RECORDS_CLUSTERING if clusters else MOST_RECORDS)
    for start in range(0, len(records), size):
        yield records[start : start + size]


def _opening(batch: EventBatch, now: datetime, records: list[int] | None, part: int) -> Opening:
    return Opening(
        cause=Cause.EVENT,
        scheduled_at=now,
        records=records,
        batch_id=batch.id,
        part=part,
        chain=list(batch.chain),
        root_id=batch.root_run_id,
        depth=batch.depth,
        user_id=batch.user_id,
    )


def _skip_unmatched(
    session: Session, batch: EventBatch, rule: AutomationRule, unmatched: list[int], now: datetime
) -> None:
    record_type = rule.record_type
    zone = rule_zone(session, rule)
    sample = unmatched[:SAMPLE]
    node = parse_conditions(rule.conditions, record_type=record_type)
    facts = load_facts(
        session,
        record_type,
        sample,
        scope=rule_scope(rule),
        now=now,
        zone=zone,
        rule_id=rule.id,
        conditions=[node],
    )
    trace = ConditionEvaluator().trace
    traces = [{"id": key, "trace": trace(node, facts[key])} for key in sample if key in facts]
    count = len(unmatched)
    noun = f"{record_type} does" if count == 1 else f"{record_type}s do"
    record_skip(
        session,
        rule,
        _opening(batch, now, None, 0),
        Reason.CONDITIONS,
        f"{count:,} {noun} not match the conditions.",
        now,
        count=count,
        record_count=count,
        trace={"records": traces},
    )


def _set_back(session: Session, batch_id: int, error: Exception, now: datetime) -> None:
    batch = session.get_one(EventBatch, batch_id, populate_existing=True)
    batch.attempts += 1
    batch.error = f"{type(error).__name__}: {error}"[:2000]
    batch.not_before = now + timedelta(seconds=10 * 2**batch.attempts)
    if batch.attempts >= MOST_TRIES:
        batch.dead_at = now
