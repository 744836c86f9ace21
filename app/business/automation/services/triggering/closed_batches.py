"""Reads what waits for being dispatched: closed batches, each of which one worker takes, and deliveries that are due
again.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Integer, bindparam, exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.business.automation.delivery_models import BatchDelivery, Delivery
from app.business.automation.models import AutomationRule
from app.business.automation.services.transactions import Transaction
from app.business.base import RowValues
from app.business.events import Event, EventBatch

MOST_EVENTS = 100
"""A batch of more is matched while others can write."""


class Closed(NamedTuple):
    """is_large: whether others must be able to write while it is matched · is_heard: whether a rule may listen."""

    id: int
    closed_at: datetime | None
    account_id: int
    is_large: bool
    is_heard: bool


_MOST_EVENTS = bindparam("most_events", type_=Integer)
_IS_HEARD = exists().where(
    AutomationRule.account_id == EventBatch.account_id,
    AutomationRule.trigger == EventBatch.type,
    AutomationRule.is_active,
    AutomationRule.archived_at.is_(None),
)
_UNDISPATCHED = (
    select(
        EventBatch.id,
        EventBatch.closed_at,
        EventBatch.account_id,
        select(Event.id).where(Event.batch_id == EventBatch.id).limit(1).offset(_MOST_EVENTS).exists(),
        _IS_HEARD,
    )
    .where(
        EventBatch.closed_at.is_not(None),
        EventBatch.dispatched_at.is_(None),
        or_(EventBatch.not_before.is_(None), EventBatch.not_before <= bindparam("now")),
    )
    .order_by(EventBatch.closed_at, EventBatch.id)
    .limit(bindparam("most", type_=Integer))
)
# Two conditions, so that both databases seek to the first row in the index.
_BEHIND = _UNDISPATCHED.where(
    EventBatch.closed_at >= bindparam("closed_at"),
    or_(EventBatch.closed_at > bindparam("closed_at"), EventBatch.id > bindparam("last")),
)


def first_page(session: Session, now: datetime, most: int) -> list[Closed]:
    """So many of them, the oldest first."""
    return [Closed(*row) for row in session.execute(_UNDISPATCHED, _asked(now, most))]


def _asked(now: datetime, most: int) -> RowValues:
    return {"now": now, "most": most, "most_events": MOST_EVENTS}


def pages_of(
    transaction: Transaction, page: Sequence[Closed], now: datetime, most: int
) -> Iterator[Sequence[Closed]]:
    """Every closed batch once, in the order of the index on undispatched batches. page: the first ones."""
    while True:
        yield page
        if len(page) < most:
            return
        last = {"closed_at": page[-1].closed_at, "last": page[-1].id}
        with transaction() as session:
            page = [Closed(*row) for row in session.execute(_BEHIND, _asked(now, most) | last)]


def take_first(
    session: Session, batches: Sequence[Closed] | Sequence[EventBatch], now: datetime
) -> EventBatch | None:
    """Take the first of these that nobody has taken, or takes in this moment; None where there is none.

    Which one is decided once nobody else writes, so that workers that look at the same batches take one each.
    """
    values = {
        "now": now,
        "batches": [closed.id for closed in batches],
        "account_id_1": list({closed.account_id for closed in batches}),
    }
    return session.scalar(_TAKE_FIRST, values, execution_options=_FRESH)


_FRESH = {"populate_existing": True, "synchronize_session": False}
_free = aliased(EventBatch)
_TAKE_FIRST = (
    update(EventBatch)
    .where(
        EventBatch.id
        == select(_free.id)
        .where(
            _free.id.in_(bindparam("batches", expanding=True)),
            _free.account_id.in_(bindparam("account_id_1", expanding=True)),
            _free.dispatched_at.is_(None),
        )
        .order_by(_free.closed_at, _free.id)
        .limit(1)
        .with_for_update(skip_locked=True, key_share=True)
        .scalar_subquery()
    )
    .values(dispatched_at=bindparam("now"))
    .returning(EventBatch)
)


def pass_unheard(session: Session, page: Sequence[Closed], now: datetime) -> set[int]:
    """Mark batches to which no rule listens as dispatched, all by one statement; returns their ids."""
    unheard = [closed for closed in page if not closed.is_heard]
    values = {
        "now": now,
        "unheard": [closed.id for closed in unheard],
        "account_id_1": list({closed.account_id for closed in unheard}),
    }
    return set(session.scalars(_PASS, values, execution_options={"synchronize_session": False}))


_PASS = (
    update(EventBatch)
    .where(
        EventBatch.id.in_(bindparam("unheard", expanding=True)),
        EventBatch.account_id.in_(bindparam("account_id_1", expanding=True)),
        EventBatch.dispatched_at.is_(None),
        # Somebody may have made one meanwhile.
        ~_IS_HEARD,
    )
    .values(dispatched_at=bindparam("now"))
    .returning(EventBatch.id)
)


_DUE_AGAIN = select(BatchDelivery.id).where(
    BatchDelivery.state == Delivery.PENDING, BatchDelivery.not_before <= bindparam("now")
)
_IS_ANY_DUE_AGAIN = select(_DUE_AGAIN.exists())
_NEXT_DUE_AGAIN = (
    _DUE_AGAIN.where(BatchDelivery.id > bindparam("last"))
    .order_by(BatchDelivery.id)
    .limit(bindparam("most", type_=Integer))
)


def is_any_due_again(session: Session, now: datetime) -> bool:
    """Whether a delivery has to be retried or continued."""
    return bool(session.scalar(_IS_ANY_DUE_AGAIN, {"now": now}))


def due_again(transaction: Transaction, now: datetime, most: int) -> Iterator[int]:
    """Every delivery that is due once, so that those which stay due cannot block later ones."""
    last = 0
    while True:
        with transaction() as session:
            ids = session.scalars(_NEXT_DUE_AGAIN, {"now": now, "last": last, "most": most}).all()
        yield from ids
        if len(ids) < most:
            return
        last = ids[-1]
