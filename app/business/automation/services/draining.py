"""Executes a queue's due runs: small local ones many in a transaction, the others one after the other."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Status
from app.business.automation.services.rule_engine import Admitted, RuleEngine
from app.business.automation.services.runs.opening import LONG_QUEUE
from app.business.automation.services.runs.reservations import Reservation, ready, release, reserve
from app.business.events import wake

MOST_RESERVED = 100
MOST_SELECTED = 20
"""Runs with calls outside take long: select again soon, because a more urgent run may have arrived."""
LOCKED_SECONDS = 0.05
"""A common transaction begins no further run after this time: others wait for it."""

IsOver = Callable[[], bool]


@dataclass
class Drained:
    """executed: number of runs · singly: those of them executed one by one because a common transaction failed."""

    executed: int = 0
    singly: int = 0


def drain(
    engine: RuleEngine, queue: str, *, most_runs: int, most_seconds: float, together: bool | None = None
) -> Drained:
    """Execute the queue's due runs until none is left or a limit is reached.

    together: whether small runs share transactions; by default except in the queue of runs with calls outside.
    """
    drained, until = Drained(), engine.clock().timestamp() + most_seconds

    def is_over() -> bool:
        return engine.executor.draining() or engine.clock().timestamp() >= until

    is_common = queue != LONG_QUEUE if together is None else together
    execute_some = _execute_reserved if is_common else _execute_selected
    while drained.executed < most_runs and not is_over():
        if not execute_some(engine, queue, most_runs - drained.executed, drained, is_over):
            return drained
    with engine.transaction() as session:
        if session.scalar(select(ready(queue, engine.clock()).exists())):
            wake(session, [queue])
    return drained


def _execute_selected(engine: RuleEngine, queue: str, most: int, drained: Drained, is_over: IsOver) -> bool:
    """Execute the next runs one by one; False when none is due."""
    with engine.transaction() as session:
        run_ids = session.scalars(ready(queue, engine.clock()).limit(min(most, MOST_SELECTED))).all()
        if len(run_ids) > 1:
            # While this worker executes the first run, another one may take the next.
            wake(session, [queue])
    for run_id in run_ids:
        if is_over():
            break
        drained.executed += engine.execute(run_id)
    return bool(run_ids)


def _execute_reserved(engine: RuleEngine, queue: str, most: int, drained: Drained, is_over: IsOver) -> bool:
    """Execute the next runs together; False when none is due."""
    most = min(most, MOST_RESERVED)
    with engine.transaction() as session:
        # Read the clock after getting the write lock, from which on nobody else reserves.
        session.connection()
        reservation = reserve(session, queue, most, engine.clock())
        if len(reservation.rules) == most:
            wake(session, [queue])
    _Batch(engine, reservation, drained).execute(is_over)
    return bool(reservation.rules)


class _Batch:
    """The reserved runs, executed in their order."""

    def __init__(self, engine: RuleEngine, reservation: Reservation, drained: Drained) -> None:
        self.engine, self.reservation, self.drained = engine, reservation, drained
        self.left = list(reservation.rules)
        self.unclaimed: list[int] = []

    def execute(self, is_over: IsOver) -> None:
        while self.left and not is_over():
            if self.left[0] in self.reservation.left_behind:
                self._execute_singly(self.left.pop(0))
            elif admitted := self._execute_together():
                # It may take long: others may take the rest.
                self._release()
                self.engine.work(admitted)
        self._release()

    def _execute_together(self) -> Admitted | None:
        """Execute the next runs in one transaction; a run that needs transactions of its own comes back, and ends
        it."""
        tried: list[int] = []
        unclaimed: list[int] = []
        admitted: Admitted | None = None
        try:
            with self.engine.transaction() as session:
                began = self._lock_rules(session)
                while self._may_go_on(began, admitted):
                    tried.append(self.left.pop(0))
                    admitted = self.engine.execute_within(session, tried[-1], self.reservation.token)
                    if admitted is None:
                        unclaimed.append(tried[-1])
        except Exception:
            # One of them cannot be executed together with others: nothing has been done yet.
            self.drained.singly += len(tried)
            for run_id in tried:
                self._execute_singly(run_id)
            return None
        self.unclaimed += unclaimed
        self.drained.executed += len(tried) - len(unclaimed)
        return admitted if admitted and admitted.context.run.status == Status.RUNNING else None

    def _may_go_on(self, began: float, last: Admitted | None) -> bool:
        if not self.left or self.left[0] in self.reservation.left_behind:
            return False
        needs_more = last is not None and last.context.run.status == Status.RUNNING
        return not needs_more and time.monotonic() - began < LOCKED_SECONDS

    def _lock_rules(self, session: Session) -> float:
        """Lock the rules in the order of their ids, as whoever saves a rule does before its runs: no deadlocks.

        Returns when that was.
        """
        ids = {self.reservation.rules[run_id] for run_id in self.left}
        rules = select(AutomationRule.id).where(AutomationRule.id.in_(ids)).order_by(AutomationRule.id)
        session.execute(rules.with_for_update(key_share=True))
        return time.monotonic()

    def _execute_singly(self, run_id: int) -> None:
        if self.engine.execute(run_id, self.reservation.token):
            self.drained.executed += 1
        else:
            self.unclaimed.append(run_id)

    def _release(self) -> None:
        if kept := self.left + self.unclaimed:
            with self.engine.transaction() as session:
                release(session, self.reservation, kept)
        self.left, self.unclaimed = [], []
