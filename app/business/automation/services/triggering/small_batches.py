"""Dispatches a batch of few events in one transaction, which takes it, matches it and opens its runs.

What is read for a large batch keeps no writer waiting. For a small one that would cost more than it spares: its runs
would wait for the transactions. Where anything fails, nothing was done, and the batch is dispatched rule by rule.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import bindparam, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.runs.reservations import Reservation, is_any_due
from app.business.automation.services.triggering.deliveries import MOST_RUNS, deliver_all, plan_delivery
from app.business.automation.services.triggering.event_matching import (
    LISTENERS,
    listened_to,
    match,
    read_events,
)
from app.business.events import EVENTS_QUEUE, EventBatch

MOST_EVENTS, MOST_RULES = 20, 8
"""Matched while others wait to write."""
MOST_TAKEN = 20
"""Runs that a worker takes for itself: others may be due before it has executed more."""


class NotSmall(Exception):
    """It starts more than one transaction should, while others wait."""


@dataclass
class Taken:
    """The runs of small batches that the worker which dispatches them executes next. It is not woken for them, and no
    other worker takes them; they are opened like that only while nothing else is due in their queue."""

    reservation: Reservation = field(default_factory=lambda: Reservation(secrets.token_hex(8)))

    def next_part(self, session: Session, most: int, now: datetime) -> Reservation | None:
        """Where so many more runs are put; None where they must wait for their turn."""
        fits = len(self.reservation.rules) + most <= MOST_TAKEN
        has_turn = fits and not is_any_due(session, EVENTS_QUEUE, now)
        return Reservation(self.reservation.token) if has_turn else None

    def add(self, part: Reservation) -> None:
        """Its runs are there: what opened them is committed."""
        self.reservation.rules |= part.rules


_TAKE = (
    update(EventBatch)
    .where(
        EventBatch.id == bindparam("batch"),
        EventBatch.account_id == bindparam("account_id_1"),
        EventBatch.dispatched_at.is_(None),
    )
    .values(dispatched_at=bindparam("now"))
    .returning(EventBatch)
)
_RULES = (
    LISTENERS.with_only_columns(AutomationRule, Account)
    .join(Account, Account.id == AutomationRule.account_id)
    .limit(MOST_RULES + 1)
)
_FRESH = {"populate_existing": True, "synchronize_session": False}


def dispatch_small(
    session: Session, batch_id: int, account_id: int, now: datetime, taken: Taken | None
) -> Reservation | None:
    """Returns the runs that were opened for the worker itself. Raises what its rules cannot be matched for, and
    NotSmall."""
    values = {"batch": batch_id, "account_id_1": account_id, "now": now}
    batch = session.scalar(_TAKE, values, execution_options=_FRESH)
    if batch is None:
        return None
    rows = session.execute(_RULES, listened_to(batch), execution_options=_FRESH).all()
    if len(rows) > MOST_RULES:
        raise NotSmall
    # The rows keep their accounts in the session, which are asked for in each match.
    events, pairs = read_events(session, batch), []
    for rule, _account in rows:
        if (found := match(session, events, rule, now)) is not None:
            pairs.append(plan_delivery(batch, rule, found, now))
    runs = sum(len(pair.runs) for pair in pairs)
    if runs > MOST_RUNS:
        raise NotSmall
    part = taken.next_part(session, runs, now) if taken and runs else None
    deliver_all(session, pairs, now, part)
    return part
