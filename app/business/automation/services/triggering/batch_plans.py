"""Matches a batch with its rules while others can write, then delivers it to them in one transaction.

The pairs of a batch share it with savepoints; after a failure they are processed one by one. A failure for one rule is
retried separately and affects no other rule.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.services.triggering import failed_deliveries
from app.business.automation.services.triggering.closed_batches import take
from app.business.automation.services.triggering.deliveries import (
    DeliveryPlan,
    Opener,
    deliver_all,
    plan_delivery,
)
from app.business.automation.services.triggering.event_matching import (
    LISTENERS,
    BatchEvents,
    listened_to,
    match,
    read_events,
)
from app.business.database_faults import in_one_line, is_passing
from app.business.events import EventBatch

LONGEST_BACK_OFF = timedelta(hours=1)

Failures = list[tuple[int, Exception]]
"""By rule."""

Listeners = dict[int, int]
"""Version by rule, the most urgent first."""


@dataclass
class BatchPlan:
    """A batch matched with its rules in their versions of that moment, and the deliveries to write."""

    batch: EventBatch
    events: BatchEvents
    listeners: Listeners = field(default_factory=dict)
    pairs: list[DeliveryPlan] = field(default_factory=list)
    failures: Failures = field(default_factory=list)


def plan_batch(session: Session, batch_id: int, now: datetime) -> BatchPlan:
    """Match the batch with all rules that have its trigger. Writes nothing."""
    batch = session.get_one(EventBatch, batch_id, populate_existing=True)
    plan = BatchPlan(batch, read_events(session, batch))
    _add_listeners(session, plan, _listeners(session, batch), now)
    return plan


def dispatch_batch(
    session: Session, plan: BatchPlan, now: datetime, opener: Opener | None = None
) -> Failures:
    """Dispatch the batch to its rules, once. Failures are stored for a retry, and returned."""
    if not take(session, [plan.batch], now):
        return []
    _plan_changed(session, plan, now)
    failures = plan.failures
    if within(session, partial(deliver_all, session, plan.pairs, now, opener)):
        for pair in plan.pairs:
            if error := within(session, partial(deliver_all, session, [pair], now)):
                failures.append((pair.rule.id, error))
    for rule_id, error in failures:
        failed_deliveries.put_off(session, plan.batch, rule_id, text_of(error), back_off(now, 1), now)
    return failures


def _plan_changed(session: Session, plan: BatchPlan, now: datetime) -> None:
    """Match the batch again with rules that were saved since the match."""
    listeners = _listeners(session, plan.batch)
    same = {rule_id for rule_id, version in listeners.items() if plan.listeners.get(rule_id) == version}
    plan.pairs = [pair for pair in plan.pairs if pair.rule.id in same]
    plan.failures = [failure for failure in plan.failures if failure[0] in same]
    changed = {rule_id: version for rule_id, version in listeners.items() if rule_id not in same}
    _add_listeners(session, plan, changed, now)


def _add_listeners(session: Session, plan: BatchPlan, listeners: Listeners, now: datetime) -> None:
    for rule_id in listeners:
        if error := within(session, partial(_match, session, plan.events, rule_id, plan.pairs, now)):
            plan.failures.append((rule_id, error))
    plan.listeners |= listeners


def within(session: Session, work: Callable[[], None]) -> Exception | None:
    """Execute in a savepoint, so that only a failure itself is rolled back.

    A transient fault ends the whole transaction.
    """
    try:
        with session.begin_nested():
            work()
    except Exception as error:
        if is_passing(error):
            raise
        return error
    return None


def _listeners(session: Session, batch: EventBatch) -> Listeners:
    return dict(session.execute(LISTENERS, listened_to(batch)).all())


def _match(
    session: Session, events: BatchEvents, rule_id: int, pairs: list[DeliveryPlan], now: datetime
) -> None:
    rule = session.get_one(AutomationRule, rule_id, populate_existing=True)
    found = match(session, events, rule, now)
    if found is not None:
        pairs.append(plan_delivery(events.batch, rule, found, now))


def back_off(now: datetime, attempts: int) -> datetime:
    """When it is tried again after so many attempts."""
    return now + min(timedelta(seconds=10 * 2 ** min(attempts, 10)), LONGEST_BACK_OFF)


def text_of(error: Exception) -> str:
    """What the row of a delivery, or of a batch, says of it."""
    return in_one_line(error) if isinstance(error, DBAPIError) else f"{type(error).__name__}: {error}"[:2000]
