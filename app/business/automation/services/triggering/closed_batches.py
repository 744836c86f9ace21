"""Reads what waits for being dispatched: closed batches, each of which one worker takes, and deliveries that are due
again.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Integer, Select, bindparam, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.business.automation.delivery_models import BatchDelivery, Delivery
from app.business.automation.models import AutomationRule
from app.business.automation.services.transactions import Transaction
from app.business.base import RowValues
from app.business.events import Event, EventBatch

MOST_EVENTS = 100
"""A batch of more is matched while others can write."""
MOST_RULES, MOST_PAIRS = 8, 200
"""Matched while others wait to write: rules, and pairs of a rule and an event."""


class Closed(NamedTuple):
    """events, rules: how many it has, and how many may listen, as far as it matters whether they are too many."""

    id: int
    closed_at: datetime | None
    account_id: int
    events: int
    rules: int

    @property
    def is_large(self) -> bool:
        """Whether others must be able to write while it is matched."""
        return self.events > MOST_EVENTS

    @property
    def pairs(self) -> int:
        """Pairs of a rule and an event."""
        return self.events * self.rules


def _number(some: Select[int], most: int) -> ColumnElement[int]:
    """Of these rows, counted up to one more than `most`."""
    return select(func.count()).select_from(some.limit(most + 1).subquery()).scalar_subquery()


_listens = (
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
        _number(select(Event.id).where(Event.batch_id == EventBatch.id).correlate(EventBatch), MOST_EVENTS),
        _number(select(AutomationRule.id).where(*_listens).correlate(EventBatch), MOST_RULES),
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
    return {"now": now, "most": most}


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


def first_group(batches: Sequence[Closed], most_pairs: int) -> list[Closed]:
    """The first small batches that one transaction may dispatch; only the first may have more pairs than `most_pairs`.

    Of an account only one: what is executed of it may change what the next one matches.
    """
    found: list[Closed] = []
    rules, pairs, accounts = 0, 0, set[int]()
    for closed in batches:
        rules, pairs = rules + closed.rules, pairs + closed.pairs
        is_too_much = rules > MOST_RULES or pairs > min(most_pairs, MOST_PAIRS)
        if closed.is_large or closed.account_id in accounts or (found and is_too_much):
            break
        found.append(closed)
        accounts.add(closed.account_id)
    return found


def take(
    session: Session, batches: Sequence[Closed] | Sequence[EventBatch], now: datetime
) -> list[EventBatch]:
    """Take those of these that nobody has taken, or takes in this moment, in their order."""
    values = {
        "now": now,
        "batches": [closed.id for closed in batches],
        "account_id_1": list({closed.account_id for closed in batches}),
    }
    taken = {batch.id: batch for batch in session.scalars(_TAKE, values, execution_options=_FRESH)}
    return [taken[closed.id] for closed in batches if closed.id in taken]


_FRESH = {"populate_existing": True, "synchronize_session": False}
_free = aliased(EventBatch)
_TAKE = (
    update(EventBatch)
    .where(
        EventBatch.id.in_(
            select(_free.id)
            .where(
                _free.id.in_(bindparam("batches", expanding=True)),
                _free.account_id.in_(bindparam("account_id_1", expanding=True)),
                _free.dispatched_at.is_(None),
            )
            .order_by(_free.id)
            .with_for_update(skip_locked=True, key_share=True)
        )
    )
    .values(dispatched_at=bindparam("now"))
    .returning(EventBatch)
)


def pass_unheard(session: Session, page: Sequence[Closed], now: datetime) -> set[int]:
    """Mark batches to which no rule listens as dispatched, all by one statement; returns their ids."""
    unheard = [closed for closed in page if not closed.rules]
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
        ~exists().where(*_listens),
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
