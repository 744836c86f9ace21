"""Dispatches closed event batches to rules: once for each batch and rule, with runs over all matching records.

A batch is read and matched first, in a transaction that blocks no writers; the next transaction writes (`batch_plans`).
Those of few events are matched in the transaction that writes, several at once (`small_batches`). Transient database
faults do not count as attempts. A pair with many runs stores its plan in its delivery, and its runs are opened in
several transactions.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.delivery_models import BatchDelivery, Delivery
from app.business.automation.models import AutomationRule
from app.business.automation.services.transactions import Transaction
from app.business.automation.services.triggering import failed_deliveries
from app.business.automation.services.triggering.batch_plans import (
    back_off,
    dispatch_batch,
    plan_batch,
    text_of,
    within,
)
from app.business.automation.services.triggering.closed_batches import (
    MOST_PAIRS,
    Closed,
    due_again,
    first_group,
    first_page,
    is_any_due_again,
    pages_of,
    pass_unheard,
    take,
)
from app.business.automation.services.triggering.deliveries import (
    Opener,
    RunsAtOnce,
    deliver_again,
    plan_delivery,
    plan_rest,
    planned_before,
)
from app.business.automation.services.triggering.event_matching import match, read_events
from app.business.automation.services.triggering.small_batches import Taken, dispatch_small
from app.business.database_faults import is_passing, stops_all
from app.business.events import EVENTS_QUEUE, EventBatch, wake
from app.business.row_sets import is_on_postgresql

MOST_TRIES = 5


@dataclass
class Dispatched:
    """The result of one dispatch. failures: log entries with the ids concerned · has_more: whether its time was over
    before everything was dispatched."""

    batches: int = 0
    has_more: bool = False
    failures: list[dict[str, int | str]] = field(default_factory=list)

    def note(self, error: Exception, **names: int) -> None:
        """Keep a failure for the log."""
        self.failures.append({**names, "error": text_of(error), "passing": is_passing(error)})


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
        is_any_due = is_any_due_again(session, now)
    for left in _heard(transaction, pages_of(reading, page, now, most), now, done, is_over):
        while left:
            if is_over():
                done.has_more = True
                return done
            by_rule = (
                [left.pop(0)] if left[0].is_large else _dispatch_small(transaction, left, now, taken, done)
            )
            for closed in by_rule:
                is_any_due = True
                _dispatch_by_rule(transaction, reading, closed.id, now, done, opener)
    if not is_any_due:
        return done
    for delivery_id in due_again(reading, now, most):
        if is_over():
            done.has_more = True
            return done
        _try_again(transaction, delivery_id, now, done, is_over, taken.at_once if taken else None)
    return done


def _heard(
    transaction: Transaction,
    pages: Iterable[Sequence[Closed]],
    now: datetime,
    done: Dispatched,
    is_over: Callable[[], bool],
) -> Iterator[list[Closed]]:
    """The batches to dispatch by themselves. Several to which no rule listens are passed at once: runs that make
    records close some each."""
    for page in pages:
        passed = set[int]()
        if sum(not closed.rules for closed in page) > 1:
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
        yield [closed for closed in page if closed.id not in passed]


def _dispatch_small(
    transaction: Transaction, left: list[Closed], now: datetime, taken: Taken | None, done: Dispatched
) -> list[Closed]:
    """Dispatch the first small batches, except those that other workers take; they are no longer `left`.

    Returns those that have to be dispatched rule by rule; nothing was done about them.
    """
    group = first_group(left, taken.most_pairs if taken else MOST_PAIRS)
    left[:] = [closed for closed in left if closed not in group]
    tries, by_rule = [group], list[Closed]()
    while tries:
        some, part = tries.pop(0), None
        try:
            with transaction() as session:
                if batches := take(session, some, now):
                    part = dispatch_small(session, batches, now, taken)
                    _call_others(session, left, done)
        except Exception as error:
            if stops_all(error):
                raise
            if len(some) > 1:
                tries = [[closed] for closed in some]
            elif is_passing(error):
                done.note(error, batch=some[0].id)
            else:
                by_rule += some
            continue
        if taken and part:
            taken.add(part)
        done.batches += len(batches)
    return by_rule


def _call_others(session: Session, left: Sequence[Closed], done: Dispatched) -> None:
    """Once one batch is dispatched, another worker may take the next. On SQLite it would only wait for this one to
    have written."""
    if left and not done.batches and is_on_postgresql(session):
        wake(session, [EVENTS_QUEUE])


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


def _try_again(
    transaction: Transaction,
    delivery_id: int,
    now: datetime,
    done: Dispatched,
    is_over: Callable[[], bool],
    at_once: RunsAtOnce | None,
) -> None:
    """Repeat until it is done or fails: a delivery with many runs takes several transactions."""
    try:
        while _deliver_some(transaction, delivery_id, now, done, at_once):
            if is_over():
                done.has_more = True
                return
    except Exception as error:
        if stops_all(error):
            raise
        # A transient fault: retried in the next dispatch.
        done.note(error, delivery=delivery_id)


def _deliver_some(
    transaction: Transaction, delivery_id: int, now: datetime, done: Dispatched, at_once: RunsAtOnce | None
) -> bool:
    """Whether there is more to deliver."""
    with transaction() as session:
        delivery = _take(session, delivery_id)
        if delivery is None:
            return False
        error = within(session, partial(redeliver, session, delivery, now, at_once))
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


def redeliver(
    session: Session, delivery: BatchDelivery, now: datetime, at_once: RunsAtOnce | None = None
) -> None:
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
        deliver_again(session, delivery, pair, now, at_once)


def _fail_again(session: Session, delivery: BatchDelivery, error: Exception, now: datetime) -> None:
    delivery.attempts, delivery.error = delivery.attempts + 1, text_of(error)
    delivery.not_before = back_off(now, delivery.attempts)
    if delivery.attempts >= MOST_TRIES:
        failed_deliveries.give_up(session, delivery, now)
    session.flush()


def _set_back(session: Session, batch_id: int, error: Exception, now: datetime) -> None:
    """The batch itself cannot be read: it is retried indefinitely, and the audit reports it."""
    batch = session.get_one(EventBatch, batch_id, populate_existing=True)
    batch.attempts, batch.error = batch.attempts + 1, text_of(error)
    batch.not_before = back_off(now, batch.attempts)
