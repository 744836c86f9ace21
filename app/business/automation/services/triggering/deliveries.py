"""Delivers batches to rules: opens the runs of a match once for each batch and rule, in bulk per batch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import BatchDelivery, Cause, Delivery, Reason
from app.business.automation.services.catalogue.actions.registry import stored_actions
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.conditions.record_fields import load_facts
from app.business.automation.services.rules.zone import rule_scope, rule_zone
from app.business.automation.services.runs.opening import (
    Opening,
    open_runs,
    record_skip,
    reopen,
    skip_instead,
)
from app.business.automation.services.triggering.event_matching import UNSPLIT, Match, parts
from app.business.automation.services.triggering.failed_deliveries import run_of
from app.business.events import EventBatch
from app.business.upsert import insert_new

SAMPLE = 10


@dataclass(frozen=True)
class DeliveryPlan:
    """A batch and a rule, the match, and the runs to open."""

    batch: EventBatch
    rule: AutomationRule
    match: Match
    openings: list[Opening]

    @property
    def counts(self) -> dict[str, int]:
        """The counts stored in the delivery."""
        return {
            "matched": self.match.count,
            "unmatched": len(self.match.unmatched),
            "runs": len(self.openings),
        }


def plan_delivery(batch: EventBatch, rule: AutomationRule, match: Match, now: datetime) -> DeliveryPlan:
    """Runs by site where the rule is split, in parts of the usual size, or one for each record."""
    found: list[Opening] = []
    for site_id, records in match.groups:
        series: Iterable[Any] = [None]
        if records is not None:
            series = parts(stored_actions(rule.actions), rule.batching, records)
        for part in series:
            found.append(_opening(batch, now, part, len(found) + 1, site_id))
    return DeliveryPlan(batch, rule, match, found)


def deliver_all(session: Session, pairs: Sequence[DeliveryPlan], now: datetime) -> None:
    """Open the runs of these pairs of batch and rule. The unique delivery row prevents a second delivery."""
    if not pairs:
        return
    new = _add_deliveries(session, pairs, now)
    fresh = [pair for pair in pairs if (pair.batch.id, pair.rule.id) in new]
    open_runs(session, [(pair.rule, opening) for pair in fresh for opening in pair.openings])
    for pair in fresh:
        if pair.match.unmatched:
            record_skip(
                session, pair.rule, _opening(pair.batch, now, None, 0), now=now, **_skip(session, pair, now)
            )


def deliver_again(session: Session, delivery: BatchDelivery, pair: DeliveryPlan, now: datetime) -> None:
    """Open the runs of a failed delivery; the row that represents the failure becomes the first of them."""
    run = run_of(session, delivery)
    openings, unmatched = pair.openings, pair.match.unmatched
    if run is not None and openings:
        reopen(session, run, pair.rule, openings[0])
        openings = openings[1:]
    open_runs(session, [(pair.rule, opening) for opening in openings])
    if unmatched:
        skip = _skip(session, pair, now)
        if run is not None and not pair.openings:
            skip_instead(session, run, now=now, **skip)
        else:
            record_skip(session, pair.rule, _opening(pair.batch, now, None, 0), now=now, **skip)
    delivery.state, delivery.error, delivery.not_before, delivery.run_id = Delivery.DONE, None, None, None
    for name, value in pair.counts.items():
        setattr(delivery, name, value)
    session.flush()


def _add_deliveries(session: Session, pairs: Sequence[DeliveryPlan], now: datetime) -> set[tuple[int, int]]:
    """The pairs that were not delivered before."""
    rows = [
        {
            "account_id": pair.batch.account_id,
            "batch_id": pair.batch.id,
            "rule_id": pair.rule.id,
            "state": Delivery.DONE,
            "attempts": 0,
            "created_at": now,
        }
        | pair.counts
        for pair in pairs
    ]
    added = insert_new(session, BatchDelivery, rows).returning(BatchDelivery.batch_id, BatchDelivery.rule_id)
    return {(batch_id, rule_id) for batch_id, rule_id in session.execute(added)}


def _opening(
    batch: EventBatch, now: datetime, records: list[int] | None, part: int, site_id: int = UNSPLIT
) -> Opening:
    return Opening(
        cause=Cause.EVENT,
        scheduled_at=now,
        records=records,
        site_id=site_id or None,
        split_site_id=site_id,
        batch_id=batch.id,
        part=part,
        chain=list(batch.chain),
        root_id=batch.root_run_id,
        depth=batch.depth,
        user_id=batch.user_id,
    )


def _skip(session: Session, pair: DeliveryPlan, now: datetime) -> dict[str, Any]:
    """The single row for all records that do not match."""
    count = len(pair.match.unmatched)
    verb = "does" if count == 1 else "do"
    return {
        "reason": Reason.CONDITIONS,
        "message": f"{plural(count, pair.rule.record_type)} {verb} not match the conditions.",
        "count": count,
        "record_count": count,
        "trace": {"records": _traces(session, pair, now)},
    }


def _traces(session: Session, pair: DeliveryPlan, now: datetime) -> list[dict[str, Any]]:
    rule, sample = pair.rule, pair.match.unmatched[:SAMPLE]
    node = parse_conditions(rule.conditions, record_type=rule.record_type)
    facts = load_facts(
        session,
        rule.record_type,
        sample,
        scope=rule_scope(session, rule),
        now=now,
        zone=rule_zone(session, rule),
        rule_id=rule.id,
        conditions=[node],
    )
    trace = ConditionEvaluator().trace
    return [{"id": key, "trace": trace(node, facts[key])} for key in sample if key in facts]
