"""Reads the closed batches that wait for being dispatched."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Integer, bindparam, exists, or_, select, update
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.services.transactions import Transaction
from app.business.automation.services.triggering.small_batches import MOST_EVENTS
from app.business.events import Event, EventBatch


class Closed(NamedTuple):
    """is_large: whether others must be able to write while it is matched · is_heard: whether a rule may listen."""

    id: int
    closed_at: datetime | None
    account_id: int
    is_large: bool
    is_heard: bool


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
        select(Event.id).where(Event.batch_id == EventBatch.id).limit(1).offset(MOST_EVENTS).exists(),
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
    return [Closed(*row) for row in session.execute(_UNDISPATCHED, {"now": now, "most": most})]


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
            page = [Closed(*row) for row in session.execute(_BEHIND, {"now": now, "most": most} | last)]


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
