"""Dispatches batches of few events in one transaction, which takes them, matches them and opens their runs.

What is read for a large batch keeps no writer waiting. For a small one that would cost more than it spares: its runs
would wait for the transactions. Where anything fails, nothing was done: each of several batches is dispatched by
itself, and one batch rule by rule.
"""

import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.runs.opening import Openings, open_runs
from app.business.automation.services.runs.reservations import Reservation, is_any_due
from app.business.automation.services.triggering import deliveries
from app.business.automation.services.triggering.closed_batches import MOST_PAIRS, MOST_RULES
from app.business.automation.services.triggering.deliveries import RunsAtOnce, deliver_all, plan_delivery
from app.business.automation.services.triggering.event_matching import (
    latest_listener,
    match,
    read_all_events,
)
from app.business.events import EVENTS_QUEUE, EventBatch

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

    at_once: RunsAtOnce | None = None
    reservation: Reservation = field(default_factory=lambda: Reservation(secrets.token_hex(8)))

    @property
    def most_pairs(self) -> int:
        """Of a rule and an event, in a transaction of several batches: not more than can be executed in time."""
        return self.at_once.most_runs if self.at_once else MOST_PAIRS

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


_rule = AutomationRule
_RULES = (
    select(_rule, Account)
    .join(Account, Account.id == _rule.account_id)
    .where(
        _rule.account_id.in_(bindparam("accounts", expanding=True)),
        _rule.trigger.in_(bindparam("types", expanding=True)),
        _rule.is_active,
        _rule.archived_at.is_(None),
    )
    .order_by(_rule.priority, _rule.id)
    .limit(MOST_RULES + 1)
)
_FRESH = {"populate_existing": True, "synchronize_session": False}
Listeners = dict[int, list[tuple[AutomationRule, Account]]]
"""By batch, the most urgent first. With their accounts: what asks the session for those finds them there, as long as
they are kept here."""


def dispatch_small(
    session: Session, batches: Sequence[EventBatch], now: datetime, taken: Taken | None
) -> Reservation | None:
    """Dispatch batches that this transaction has taken, one of each account; returns the runs that were opened for the
    worker itself.

    Raises what their rules cannot be matched for, and NotSmall.
    """
    listeners, pairs = _listeners(session, batches), []
    all_events = read_all_events(session, batches)
    if sum(len(events.rows) * len(listeners[events.batch.id]) for events in all_events) > MOST_PAIRS:
        raise NotSmall
    for events in all_events:
        for rule, _account in listeners[events.batch.id]:
            if (found := match(session, events, rule, now)) is not None:
                pairs.append(plan_delivery(events.batch, rule, found, now))
    if sum(len(pair.runs) for pair in pairs) > deliveries.MOST_RUNS:
        raise NotSmall
    if taken is None:
        deliver_all(session, pairs, now)
        return None
    part = Reservation(taken.reservation.token)
    deliver_all(session, pairs, now, partial(taken.open_small, part=part, now=now))
    return part


def _listeners(session: Session, batches: Sequence[EventBatch]) -> Listeners:
    of_account = {batch.account_id: batch for batch in batches}
    asked = {"accounts": list(of_account), "types": list({batch.type for batch in batches})}
    rows = session.execute(_RULES, asked, execution_options=_FRESH).all()
    if len(rows) > MOST_RULES:
        raise NotSmall
    found: Listeners = defaultdict(list)
    for rule, account in rows:
        batch = of_account[account.id]
        if rule.trigger == batch.type and rule.created_at <= latest_listener(batch):
            found[batch.id].append((rule, account))
    return found
