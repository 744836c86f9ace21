"""Dispatches a batch of few events in one transaction, which takes it, matches it and opens its runs.

What is read for a large batch keeps no writer waiting. For a small one that would cost more than it spares: its runs
would wait for the transactions. Where anything fails, nothing was done, and the batch is dispatched rule by rule.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.runs.opening import Openings, open_runs
from app.business.automation.services.runs.reservations import Reservation, is_any_due
from app.business.automation.services.triggering import deliveries
from app.business.automation.services.triggering.deliveries import AtOnce, deliver_all, plan_delivery
from app.business.automation.services.triggering.event_matching import (
    LISTENERS,
    listened_to,
    match,
    read_events,
)
from app.business.events import EVENTS_QUEUE, EventBatch

MOST_RULES, MOST_PAIRS = 8, 200
"""Matched while others wait to write: rules, and pairs of a rule and an event."""
MOST_TAKEN = 20
"""Runs that a worker takes for itself: others may be due before it has executed more."""


class NotSmall(Exception):
    """It starts more than one transaction should, while others wait."""


@dataclass
class Taken:
    """The runs of small batches that the worker which dispatches them executes next. It is not woken for them, and no
    other worker takes them; they are opened like that only while nothing else is due in their queue.

    at_once: executes runs, of batches of any size, before they are opened.
    """

    at_once: AtOnce | None = None
    reservation: Reservation = field(default_factory=lambda: Reservation(secrets.token_hex(8)))

    def open_large(self, session: Session, openings: Openings) -> None:
        """Open the runs of a batch that is not small, which wait for their turn."""
        open_runs(session, self._left(session, openings))

    def open_small(self, session: Session, openings: Openings, part: Reservation, now: datetime) -> None:
        """Open the runs of a small batch. part: gets those that the worker executes next."""
        left = self._left(session, openings)
        open_runs(session, left, part if left and self._has_turn(session, len(left), now) else None)

    def _left(self, session: Session, openings: Openings) -> Openings:
        return self.at_once(session, openings) if self.at_once and openings else openings

    def _has_turn(self, session: Session, runs: int, now: datetime) -> bool:
        fits = len(self.reservation.rules) + runs <= MOST_TAKEN
        return fits and not is_any_due(session, EVENTS_QUEUE, now)

    def add(self, part: Reservation) -> None:
        """Its runs are there: what opened them is committed."""
        self.reservation.rules |= part.rules


_RULES = (
    LISTENERS.with_only_columns(AutomationRule, Account)
    .join(Account, Account.id == AutomationRule.account_id)
    .limit(MOST_RULES + 1)
)
_FRESH = {"populate_existing": True, "synchronize_session": False}


def dispatch_small(
    session: Session, batch: EventBatch, now: datetime, taken: Taken | None
) -> Reservation | None:
    """Dispatch a batch that this transaction has taken; returns the runs that were opened for the worker itself.

    Raises what its rules cannot be matched for, and NotSmall.
    """
    rows = session.execute(_RULES, listened_to(batch), execution_options=_FRESH).all()
    if len(rows) > MOST_RULES:
        raise NotSmall
    # The rows keep their accounts in the session, which are asked for in each match.
    events, pairs = read_events(session, batch), []
    if len(rows) * len(events.rows) > MOST_PAIRS:
        raise NotSmall
    for rule, _account in rows:
        if (found := match(session, events, rule, now)) is not None:
            pairs.append(plan_delivery(batch, rule, found, now))
    runs = sum(len(pair.runs) for pair in pairs)
    if runs > deliveries.MOST_RUNS:
        raise NotSmall
    if taken is None:
        deliver_all(session, pairs, now)
        return None
    part = Reservation(taken.reservation.token)
    deliver_all(session, pairs, now, partial(taken.open_small, part=part, now=now))
    return part
