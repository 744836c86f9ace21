"""Dispatches closed event batches to rules: once for each batch and rule, with runs over all matching records.

A batch is read and matched first, in a transaction that blocks no writers; the next transaction writes. One of few
events is matched in the transaction that writes (`small_batches`). The pairs of a batch share it with savepoints; after
a failure they are processed one by one. A failure for one rule is retried separately and affects no other rule.
Transient database faults do not count as attempts. A pair with many runs stores its plan in its delivery, and its runs
are opened in several transactions.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Select, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.business.automation.delivery_models import BatchDelivery, Delivery
from app.business.automation.models import AutomationRule
from app.business.automation.services.transactions import Transaction
from app.business.automation.services.triggering import failed_deliveries
from app.business.automation.services.triggering.closed_batches import (
    Closed,
    first_page,
    pages_of,
    pass_unheard,
)
from app.business.automation.services.triggering.deliveries import (
    DeliveryPlan,
    Opener,
    deliver_again,
    deliver_all,
    plan_delivery,
    plan_rest,
    planned_before,
)
from app.business.automation.services.triggering.event_matching import (
    LISTENERS,
    BatchEvents,
    listened_to,
    match,
    read_events,
)
from app.business.automation.services.triggering.small_batches import Taken, dispatch_small
from app.business.database_faults import in_one_line, is_passing, stops_all
from app.business.events import EventBatch

MOST_TRIES = 5
LONGEST_BACK_OFF = timedelta(hours=1)

Failures = list[tuple[int, Exception]]
"""By rule."""

Listeners = dict[int, int]
"""Version by rule, the most urgent first."""


@dataclass
class Dispatched:
    """The result of one dispatch. failures: log entries with the ids concerned · has_more: whether its time was over
    before everything was dispatched."""

    batches: int = 0
    has_more: bool = False
    failures: list[dict[str, int | str]] = field(default_factory=list)

    def note(self, error: Exception, **names: int) -> None:
        """Keep a failure for the log."""
        self.failures.append({**names, "error": _text(error), "passing": is_passing(error)})


@dataclass
class BatchPlan:
    """A batch matched with its rules in their versions of that moment, and the deliveries to write."""

    batch: EventBatch
    events: BatchEvents
    listeners: Listeners = field(default_factory=dict)
    pairs: list[DeliveryPlan] = field(default_factory=list)
    failures: Failures = field(default_factory=list)


def dispatch_batches(
    transaction: Transaction,
    now: datetime,
    *,
    most: int = 50,
    reading: Transaction | None = None,
    is_over: Callable[[], bool] = lambda: False,
    taken: Taken | None = None,
) -> Dispatched:
    """Dispatch every closed batch to every rule with its trigger, then retry or continue deliveries that are due.

    reading: begins a transaction that only reads. is_over: begins nothing further once it is true: new batches come
    first, then the rest of large ones. taken: gets runs that the caller executes next.
    """
    done, reading = Dispatched(), reading or transaction
    opener = taken.open_large if taken else None
    with reading() as session:
        page = first_page(session, now, most)
        is_any_due = bool(session.scalar(select(_due_again(now).exists())))
    for closed in _heard(transaction, pages_of(reading, page, now, most), now, done, is_over):
        if is_over():
            done.has_more = True
            return done
        if closed.is_large or not _dispatch_small(transaction, closed, now, taken, done):
            is_any_due = True
            _dispatch_by_rule(transaction, reading, closed.id, now, done, opener)
    if not is_any_due:
        return done
    for delivery_id in _pages(reading, _due_again(now), BatchDelivery.id, most):
        if is_over():
            done.has_more = True
            return done
        _try_again(transaction, delivery_id, now, done, is_over)
    return done


def _heard(
    transaction: Transaction,
    pages: Iterable[Sequence[Closed]],
    now: datetime,
    done: Dispatched,
    is_over: Callable[[], bool],
) -> Iterator[Closed]:
    """The batches to dispatch by themselves. Several to which no rule listens are passed at once: runs that make
    records close some each."""
    for page in pages:
        passed = set[int]()
        if sum(not closed.is_heard for closed in page) > 1:
            if is_over():
                done.has_more = True
                return
            try:
                with transaction() as session:
                    passed = pass_unheard(session, page, now)
            except Exception as error:
                if stops_all(error):
                    raise
                # Each of them is tried by itself.
                done.note(error)
            done.batches += len(passed)
        yield from (closed for closed in page if closed.id not in passed)


def _dispatch_small(
    transaction: Transaction, closed: Closed, now: datetime, taken: Taken | None, done: Dispatched
) -> bool:
    """False where it has to be dispatched rule by rule, and nothing was done."""
    try:
        with transaction() as session:
            part = dispatch_small(session, closed.id, closed.account_id, now, taken)
    except Exception as error:
        if stops_all(error):
            raise
        if not is_passing(error):
            return False
        done.note(error, batch=closed.id)
        return True
    if taken and part:
        taken.add(part)
    done.batches += 1
    return True


def _dispatch_by_rule(
    transaction: Transaction,
    reading: Transaction,
    batch_id: int,
    now: datetime,
    done: Dispatched,
    opener: Opener | None,
) -> None:
    try:
        with reading() as session:
            plan = plan_batch(session, batch_id, now)
        with transaction() as session:
            failures = dispatch_batch(session, plan, now, opener)
    except Exception as error:
        if stops_all(error):
            raise
        done.note(error, batch=batch_id)
        if not is_passing(error):
            with transaction() as session:
                _set_back(session, batch_id, error, now)
        return
    done.batches += 1
    for rule_id, failure in failures:
        done.note(failure, batch=batch_id, rule=rule_id)


def _pages(
    transaction: Transaction, query: Select[int], key: InstrumentedAttribute[int], most: int
) -> Iterator[int]:
    """Every id of the query once, so that rows which stay due cannot block later ones."""
    last = 0
    while True:
        with transaction() as session:
            ids = session.scalars(query.where(key > last).order_by(key).limit(most)).all()
        yield from ids
        if len(ids) < most:
            return
        last = ids[-1]


def _due_again(now: datetime) -> Select[int]:
    return select(BatchDelivery.id).where(
        BatchDelivery.state == Delivery.PENDING, BatchDelivery.not_before <= now
    )


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
    if not _take_batch(session, plan.batch.id, now):
        return []
    _plan_changed(session, plan, now)
    failures = plan.failures
    if _within(session, partial(deliver_all, session, plan.pairs, now, opener)):
        for pair in plan.pairs:
            if error := _within(session, partial(deliver_all, session, [pair], now)):
                failures.append((pair.rule.id, error))
    for rule_id, error in failures:
        failed_deliveries.put_off(session, plan.batch, rule_id, _text(error), _back_off(now, 1), now)
    return failures


def _take_batch(session: Session, batch_id: int, now: datetime) -> bool:
    taken = session.scalar(
        update(EventBatch)
        .where(EventBatch.id == batch_id, EventBatch.dispatched_at.is_(None))
        .values(dispatched_at=now)
        .returning(EventBatch.id)
    )
    return taken is not None


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
        if error := _within(session, partial(_match, session, plan.events, rule_id, plan.pairs, now)):
            plan.failures.append((rule_id, error))
    plan.listeners |= listeners


def _within(session: Session, work: Callable[[], None]) -> Exception | None:
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


def _try_again(
    transaction: Transaction, delivery_id: int, now: datetime, done: Dispatched, is_over: Callable[[], bool]
) -> None:
    """Repeat until it is done or fails: a delivery with many runs takes several transactions."""
    try:
        while _deliver_some(transaction, delivery_id, now, done):
            if is_over():
                done.has_more = True
                return
    except Exception as error:
        if stops_all(error):
            raise
        # A transient fault: retried in the next dispatch.
        done.note(error, delivery=delivery_id)


def _deliver_some(transaction: Transaction, delivery_id: int, now: datetime, done: Dispatched) -> bool:
    """Whether there is more to deliver."""
    with transaction() as session:
        delivery = _take(session, delivery_id)
        if delivery is None:
            return False
        error = _within(session, partial(redeliver, session, delivery, now))
        if error:
            done.note(error, batch=delivery.batch_id, rule=delivery.rule_id)
            _fail_again(session, delivery, error, now)
        return error is None


def _take(session: Session, delivery_id: int) -> BatchDelivery | None:
    query = select(BatchDelivery).where(
        BatchDelivery.id == delivery_id, BatchDelivery.state == Delivery.PENDING
    )
    locked = query.with_for_update(skip_locked=True, key_share=True)
    return session.scalar(locked.execution_options(populate_existing=True))


def redeliver(session: Session, delivery: BatchDelivery, now: datetime) -> None:
    """Deliver a failed pair again, or the next part of a pair with many runs. Raises the error if it fails."""
    batch = session.get_one(EventBatch, delivery.batch_id)
    rule = session.get_one(AutomationRule, delivery.rule_id, populate_existing=True)
    pair = planned_before(delivery, batch, rule)
    if pair is None:
        found = match(session, read_events(session, batch), rule, now)
        if delivery.planned is not None:
            pair = plan_rest(delivery, batch, rule, found, now)
        elif found is not None:
            pair = plan_delivery(batch, rule, found, now)
    if pair is None:
        failed_deliveries.drop(session, delivery, now)
    else:
        deliver_again(session, delivery, pair, now)


def _fail_again(session: Session, delivery: BatchDelivery, error: Exception, now: datetime) -> None:
    delivery.attempts, delivery.error = delivery.attempts + 1, _text(error)
    delivery.not_before = _back_off(now, delivery.attempts)
    if delivery.attempts >= MOST_TRIES:
        failed_deliveries.give_up(session, delivery, now)
    session.flush()


def _set_back(session: Session, batch_id: int, error: Exception, now: datetime) -> None:
    """The batch itself cannot be read: it is retried indefinitely, and the audit reports it."""
    batch = session.get_one(EventBatch, batch_id, populate_existing=True)
    batch.attempts, batch.error = batch.attempts + 1, _text(error)
    batch.not_before = _back_off(now, batch.attempts)


def _back_off(now: datetime, attempts: int) -> datetime:
    return now + min(timedelta(seconds=10 * 2 ** min(attempts, 10)), LONGEST_BACK_OFF)


def _text(error: Exception) -> str:
    return in_one_line(error) if isinstance(error, DBAPIError) else f"{type(error).__name__}: {error}"[:2000]
