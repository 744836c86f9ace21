"""Reads the closed batches that wait for being dispatched."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Integer, bindparam, or_, select
from sqlalchemy.orm import Session

from app.business.automation.services.transactions import Transaction
from app.business.automation.services.triggering.small_batches import MOST_EVENTS
from app.business.events import Event, EventBatch


class Closed(NamedTuple):
    """is_large: whether others must be able to write while it is matched."""

    id: int
    closed_at: datetime | None
    account_id: int
    is_large: bool


_UNDISPATCHED = (
    select(
        EventBatch.id,
        EventBatch.closed_at,
        EventBatch.account_id,
        select(Event.id).where(Event.batch_id == EventBatch.id).limit(1).offset(MOST_EVENTS).exists(),
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
    return [Closed(*row) for row in session.execute(_UNDISPATCHED, {"now": now, "most": most})]


def oldest_first(
    transaction: Transaction, page: Sequence[Closed], now: datetime, most: int
) -> Iterator[Closed]:
    """Every closed batch once, in the order of the index on undispatched batches. page: the first ones."""
    while True:
        yield from page
        if len(page) < most:
            return
        last = {"closed_at": page[-1].closed_at, "last": page[-1].id}
        with transaction() as session:
            page = [Closed(*row) for row in session.execute(_BEHIND, {"now": now, "most": most} | last)]
