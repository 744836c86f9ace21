"""Delivers batches to rules: opens the runs of a match once for each batch and rule, in bulk per batch."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, Self

from pydantic import BaseModel, JsonValue
from sqlalchemy.orm import Session

from app.business.automation.delivery_models import BatchDelivery, Delivery
from app.business.automation.models import AutomationRule
from app.business.automation.run_documents import ConditionSample
from app.business.automation.run_models import Cause, Reason, ScheduledTask
from app.business.automation.services.catalogue.actions.registry import stored_actions
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.conditions.record_fields import load_facts
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.rules.zone import rule_scope, rule_zone
from app.business.automation.services.runs.opening import (
    Opening,
    Openings,
    Skip,
    open_runs,
    record_skips,
    reopen,
    skip_instead,
)
from app.business.automation.services.triggering.event_matching import UNSPLIT, Match, parts
from app.business.automation.services.triggering.failed_deliveries import run_of
from app.business.base import RowValues
from app.business.events import EventBatch
from app.business.upsert import insert_many_new

SAMPLE = 10

MOST_RUNS = 400
"""Runs opened in one transaction: others wait to write until it ends."""


Opener = Callable[[Session, Openings], None]
RunRecords = tuple[int, list[int] | None]
"""Of one run: its site (0 where the rule is not split) and its records (None: without records)."""


class RunsAtOnce(Protocol):
    """Executes the first of these runs where they are to be opened; returns the others."""

    @property
    def most_runs(self) -> int:
        """As many as it executes in time."""

    def __call__(self, session: Session, openings: Openings) -> Openings: ...


@dataclass(frozen=True)
class DeliveryPlan:
    """A batch and a rule, what matched, and the runs to open. sample: a few of the records that did not match · traces:
    what was seen of these (None: it is still to be seen)."""

    batch: EventBatch
    rule: AutomationRule
    runs: Sequence[RunRecords]
    opened_at: datetime
    matched: int
    unmatched: int
    sample: list[int]
    traces: list[ConditionSample] | None = None

    @property
    def counts(self) -> dict[str, int]:
        """The counts stored in the delivery."""
        return {"matched": self.matched, "unmatched": self.unmatched, "runs": len(self.runs)}

    def openings(self, start: int = 0) -> list[Opening]:
        """Of so many runs as one transaction opens. Parts are numbered from 1."""
        some = self.runs[start : start + MOST_RUNS]
        return [
            _opening(self.batch, self.opened_at, records, number, site_id)
            for number, (site_id, records) in enumerate(some, start + 1)
        ]

    def stored(self) -> JsonObject:
        """The form in which a delivery keeps its plan until all its runs are open."""
        kept = StoredPlan(
            version=self.rule.version,
            runs=list(self.runs),
            matched=self.matched,
            unmatched=self.unmatched,
            sample=self.sample,
            traces=None if self.traces is None else [(one["id"], one["trace"]) for one in self.traces],
        )
        return kept.model_dump(mode="json")


class StoredPlan(BaseModel):
    """The plan that a delivery keeps. version: of the rule that it was made for · traces: by record."""

    version: int
    runs: list[RunRecords]
    matched: int
    unmatched: int
    sample: list[int]
    traces: list[tuple[int | None, dict[str, JsonValue]]] | None = None

    @classmethod
    def of(cls, delivery: BatchDelivery) -> Self | None:
        """None where the delivery keeps none."""
        return None if delivery.planned is None else cls.model_validate(delivery.planned)


def plan_delivery(batch: EventBatch, rule: AutomationRule, match: Match, now: datetime) -> DeliveryPlan:
    """Runs by site where the rule is split, in parts of the usual size, or one for each record."""
    runs = [(site_id, part) for site_id, records in match.groups for part in _parts(rule, records)]
    unmatched = match.unmatched
    return DeliveryPlan(batch, rule, runs, now, match.count, len(unmatched), unmatched[:SAMPLE])


def planned_before(delivery: BatchDelivery, batch: EventBatch, rule: AutomationRule) -> DeliveryPlan | None:
    """The plan that the delivery has kept, if it was made for the rule as it is now."""
    kept = StoredPlan.of(delivery)
    if kept is None or kept.version != rule.version:
        return None
    pair = DeliveryPlan(
        batch, rule, kept.runs, delivery.created_at, kept.matched, kept.unmatched, kept.sample
    )
    if kept.traces is None:
        return pair
    return replace(pair, traces=[{"id": key, "trace": trace} for key, trace in kept.traces])


def plan_rest(
    delivery: BatchDelivery, batch: EventBatch, rule: AutomationRule, match: Match | None, now: datetime
) -> DeliveryPlan:
    """Of a rule that was saved when some runs were open: what of the others' records it takes now."""
    kept = StoredPlan.model_validate(delivery.planned)
    opened, left = kept.runs[: delivery.runs], kept.runs[delivery.runs :]
    places = {site_id for site_id, records in left if records is None}
    wanted = {record_id for _, records in left for record_id in records or ()}
    series: list[RunRecords] = []
    for site_id, records in match.groups if match else ():
        if records is None:
            series += [(site_id, None)] if site_id in places else []
        else:
            some = [record_id for record_id in records if record_id in wanted]
            series += [(site_id, part) for part in _parts(rule, some)]
    dropped = len(wanted) - sum(len(records or ()) for _, records in series)
    return DeliveryPlan(
        batch, rule, [*opened, *series], now, kept.matched - dropped, kept.unmatched + dropped, kept.sample
    )


def deliver_all(
    session: Session,
    pairs: Sequence[DeliveryPlan],
    now: datetime,
    opener: Opener | None = None,
) -> None:
    """Open the runs of these pairs of batch and rule. The unique delivery row prevents a second delivery.

    Pairs with too many runs for this transaction keep their plan, and are due at once.
    """
    if not pairs:
        return
    whole = _fitting(pairs)
    new = _add_deliveries(session, pairs, whole, now)
    fresh = [pair for pair in whole if (pair.batch.id, pair.rule.id) in new]
    openings = [(pair.rule, opening) for pair in fresh for opening in pair.openings()]
    # Said of the records before runs that are executed at once change them.
    skips = [_skipped(session, pair, now) for pair in fresh if pair.unmatched]
    (opener or open_runs)(session, openings)
    record_skips(session, skips, now)


def deliver_again(
    session: Session,
    delivery: BatchDelivery,
    pair: DeliveryPlan,
    now: datetime,
    at_once: RunsAtOnce | None = None,
) -> None:
    """Open the next runs of a delivery that has failed, or that has kept its plan.

    The row that represents a failure becomes the first of them. Where `at_once` executes some, the others are not
    opened yet: it may execute more in the next transaction.
    """
    run = run_of(session, delivery)
    openings = [(pair.rule, opening) for opening in pair.openings(delivery.runs)]
    pair = _traced(session, pair, now)
    left = at_once(session, openings) if at_once and openings and run is None else openings
    executed = len(openings) - len(left)
    delivery.runs += executed or len(openings)
    if not executed:
        if run is not None and openings:
            reopen(session, run, *openings[0])
            openings = openings[1:]
        open_runs(session, openings)
    delivery.error, delivery.run_id = None, None
    if delivery.runs < len(pair.runs):
        delivery.state, delivery.not_before = Delivery.PENDING, now
        kept = StoredPlan.of(delivery)
        if kept is None or kept.version != pair.rule.version:
            delivery.planned = pair.stored()
    else:
        _end_delivery(session, delivery, pair, run, now)
    session.flush()


def _end_delivery(
    session: Session, delivery: BatchDelivery, pair: DeliveryPlan, run: ScheduledTask | None, now: datetime
) -> None:
    if pair.unmatched:
        skipped = _skipped(session, pair, now)
        if run is not None and not pair.runs:
            skip_instead(session, run, skipped[-1], now)
        else:
            record_skips(session, [skipped], now)
    delivery.state, delivery.not_before, delivery.planned = Delivery.DONE, None, None
    for name, value in pair.counts.items():
        setattr(delivery, name, value)


def _fitting(pairs: Sequence[DeliveryPlan]) -> list[DeliveryPlan]:
    """Those whose runs are opened in one transaction, the first ones first."""
    room, found = MOST_RUNS, []
    for pair in pairs:
        if len(pair.runs) <= room:
            room -= len(pair.runs)
            found.append(pair)
    return found


def _parts(rule: AutomationRule, records: list[int] | None) -> Iterable[list[int] | None]:
    if records is None:
        return [None]
    return parts(stored_actions(rule.actions), rule.batching, records)


def _add_deliveries(
    session: Session, pairs: Sequence[DeliveryPlan], whole: Sequence[DeliveryPlan], now: datetime
) -> set[tuple[int, int]]:
    """The pairs that were not delivered before. whole: those whose runs are opened in this transaction."""
    at_once = {pair.rule.id for pair in whole}
    done: RowValues = {"state": Delivery.DONE, "not_before": None, "planned": None}
    rows: list[RowValues] = [
        {
            "account_id": pair.batch.account_id,
            "batch_id": pair.batch.id,
            "rule_id": pair.rule.id,
            "attempts": 0,
            "created_at": now,
            **pair.counts,
            **(done if pair.rule.id in at_once else _kept(session, pair, now)),
        }
        for pair in pairs
    ]
    added = insert_many_new(session, BatchDelivery, rows, BatchDelivery.batch_id, BatchDelivery.rule_id)
    return {(batch_id, rule_id) for batch_id, rule_id in added}


def _kept(session: Session, pair: DeliveryPlan, now: datetime) -> RowValues:
    plan = _traced(session, pair, now).stored()
    return {"state": Delivery.PENDING, "not_before": now, "planned": plan, "runs": 0}


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
        chain=batch.chain,
        root_id=batch.root_run_id,
        depth=batch.depth,
        user_id=batch.user_id,
    )


def _skipped(session: Session, pair: DeliveryPlan, now: datetime) -> tuple[AutomationRule, Opening, Skip]:
    """The one row for all records that do not match."""
    count = pair.unmatched
    verb = "does" if count == 1 else "do"
    skip = Skip(
        Reason.CONDITIONS,
        f"{plural(count, pair.rule.record_type)} {verb} not match the conditions.",
        count,
        {"records": _traces(session, pair, now)},
    )
    return pair.rule, _opening(pair.batch, now, None, 0), skip


def _traced(session: Session, pair: DeliveryPlan, now: datetime) -> DeliveryPlan:
    """With what is seen of its sample now: its runs, and others before it is done, may change these records."""
    return replace(pair, traces=_traces(session, pair, now))


def _traces(session: Session, pair: DeliveryPlan, now: datetime) -> list[ConditionSample]:
    rule, sample = pair.rule, pair.sample
    if pair.traces is not None or not sample:
        return pair.traces or []
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
