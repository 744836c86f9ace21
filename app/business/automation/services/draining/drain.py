"""Executes a queue's due runs: small local ones many in a transaction, the others one after the other.

A transaction of many begins with the runs that a set of statements can execute; the others follow in their order.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import takewhile

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.run_models import Status
from app.business.automation.services.draining.pace import Began, Overdue, Pace
from app.business.automation.services.draining.paid_runs import local_ideas
from app.business.automation.services.draining.paid_sets import PaidSets, Tried
from app.business.automation.services.draining.plain_run import PlainRuns
from app.business.automation.services.draining.plain_runs import first_plain_runs
from app.business.automation.services.draining.rule_locks import lock_rules
from app.business.automation.services.draining.set_execution import SetExecution
from app.business.automation.services.rule_engine import Admitted, RuleEngine
from app.business.automation.services.runs.opening import LONG_QUEUE
from app.business.automation.services.runs.reservations import (
    Reservation,
    Turns,
    due_accounts,
    in_turn,
    ready,
    release,
    reserve,
)
from app.business.events import wake

MOST_RESERVED = 100
MOST_SELECTED = 20
"""Runs that are executed one by one may take long: select again soon, because a more urgent run may have arrived."""
IsOver = Callable[[], bool]


@dataclass
class Drained:
    """executed: number of runs · as_set: those of them executed by common statements · singly: those executed one by
    one because a common transaction failed · cause: why it did, the last time."""

    executed: int = 0
    as_set: int = 0
    singly: int = 0
    cause: Exception | None = None
    has_more: bool = False
    """Whether due runs are left."""

    def note(self, tried: Tried) -> None:
        """What became of a set of paid runs."""
        self.executed += len(tried.done)
        self.as_set += len(tried.done)
        self.singly += tried.failed
        self.cause = tried.cause or self.cause


def drain(
    engine: RuleEngine,
    queue: str,
    *,
    most_runs: int,
    most_seconds: float,
    together: bool | None = None,
    pace: Pace | None = None,
    turns: Turns | None = None,
    behind: Collection[str] = (),
    first: Reservation | None = None,
) -> Drained:
    """Execute the queue's due runs until none is left or a limit is reached; accounts take turns.

    behind: leaves out accounts with due runs in these queues.

    together: whether small runs share transactions; by default except in the queue of runs with calls outside. pace:
    what this worker has learnt of how long they take. turns: to which accounts it came last. first: runs that the
    worker has reserved before.
    """
    drained, until = Drained(), engine.clock().timestamp() + most_seconds

    def is_over() -> bool:
        return engine.executor.draining() or engine.clock().timestamp() >= until

    is_common = queue != LONG_QUEUE if together is None else together
    execute_some = _execute_reserved if is_common else _execute_selected
    source = _Source(engine, queue, behind, pace or Pace(), turns or Turns(), together is not False)
    if first and first.rules:
        _Batch(engine, first, drained, source.pace).execute(is_over)
    while drained.executed < most_runs and not is_over():
        if not execute_some(source, most_runs - drained.executed, drained, is_over):
            return drained
    with engine.transaction() as session:
        if session.scalar(select(ready(queue, engine.clock()).exists())):
            drained.has_more = True
            wake(session, [queue])
    return drained


@dataclass
class _Source:
    """Where runs are taken from. most_reserved: as many as it is likely to execute before one of them needs
    transactions of its own, for which the others are given back."""

    engine: RuleEngine
    queue: str
    behind: Collection[str]
    pace: Pace
    turns: Turns
    has_sets: bool
    """Whether runs that need no service may be executed together."""
    most_reserved: int = MOST_RESERVED

    def left_out(self, session: Session, now: datetime) -> set[int]:
        return {account_id for queue in self.behind for account_id in due_accounts(session, queue, now)}


def _execute_selected(source: _Source, most: int, drained: Drained, is_over: IsOver) -> bool:
    """Execute the next runs one by one; False when none is due."""
    engine, queue = source.engine, source.queue
    service = local_ideas(engine.executor.works) if source.has_sets else None
    sets = PaidSets(engine, queue, service, source.pace) if service else None
    most_alone = MOST_SELECTED if queue == LONG_QUEUE else MOST_RESERVED
    with engine.transaction() as session:
        now = engine.clock()
        most = min(most, MOST_RESERVED if sets else most_alone)
        run_ids = in_turn(session, queue, most, now, source.left_out(session, now), source.turns)
        if len(run_ids) > 1:
            # While this worker executes the first run, another one may take the next.
            wake(session, [queue])
    has_any, alone = bool(run_ids), 0
    while run_ids and not is_over() and alone < most_alone:
        tried = sets.execute(run_ids) if sets else Tried([], run_ids[:1])
        drained.note(tried)
        left = list(tried.alone)
        while left and not is_over():
            drained.executed += engine.execute(left.pop(0), tried.reserved.token)
            alone += 1
        if sets:
            sets.release(tried.reserved, left)
        known = {*tried.done, *tried.alone}
        run_ids = [run_id for run_id in run_ids if run_id not in known]
    return has_any


def _execute_reserved(source: _Source, most: int, drained: Drained, is_over: IsOver) -> bool:
    """Execute the next runs together; False when none is due."""
    engine, queue = source.engine, source.queue
    most = min(most, source.most_reserved)
    with engine.transaction() as session:
        # Read the clock after getting the write lock, from which on nobody else reserves.
        session.connection()
        now = engine.clock()
        reservation = reserve(session, queue, most, now, source.left_out(session, now), source.turns)
        if len(reservation.rules) == most:
            wake(session, [queue])
    before, reserved = drained.executed, len(reservation.rules)
    _Batch(engine, reservation, drained, source.pace).execute(is_over)
    executed = drained.executed - before
    source.most_reserved = min(MOST_RESERVED, 2 * max(executed, 1) if executed < reserved else 2 * most)
    return bool(reserved)


class _Batch:
    """The reserved runs, executed in their order."""

    def __init__(self, engine: RuleEngine, reservation: Reservation, drained: Drained, pace: Pace) -> None:
        self.engine, self.reservation, self.drained, self.pace = engine, reservation, drained, pace
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
        before, rules, common = self.left, self.reservation.rules, _Common()
        try:
            with self.engine.transaction() as session:
                began = lock_rules(session, {rules[run_id] for run_id in before}, self.pace)
                while self._may_go_on(common, began):
                    alone = self._execute_set(session, common, began)
                    while alone and self._has_time(common, began):
                        run_id, *alone = alone
                        common.tried.append(run_id)
                        common.last = self.engine.execute_within(session, run_id, self.reservation.token)
                        common.unclaimed += [] if common.last else [run_id]
                    self.left = [*alone, *self.left]
        except Overdue:
            # Nothing has been done yet, and a smaller set may be in time.
            self.left = before
            if len(common.tried) > 1:
                self.pace.slow_down(len(common.tried))
                return None
            self._execute_all_singly(common.tried)
            return None
        except Exception as error:
            # One of them cannot be executed together with others: nothing has been done yet.
            self.drained.cause = error
            self.left = before
            self._execute_all_singly(common.tried or before[:1])
            return None
        self.unclaimed += common.unclaimed
        self.drained.executed += len(common.tried) - len(common.unclaimed)
        self.drained.as_set += common.as_set
        return common.last if common.needs_more else None

    def _may_go_on(self, common: "_Common", began: Began) -> bool:
        is_common = bool(self.left) and self.left[0] not in self.reservation.left_behind
        return is_common and self._has_time(common, began)

    def _has_time(self, common: "_Common", began: Began) -> bool:
        return not common.needs_more and (self.pace.is_in_time(began) or not common.tried)

    def _execute_set(self, session: Session, common: "_Common", locked: Began) -> list[int]:
        """Execute the next runs as a set, as far as they can be; returns those to be executed after it."""
        began, now = self.pace.begin(), self.engine.clock()
        behind = self.reservation.left_behind
        some = list(takewhile(lambda run_id: run_id not in behind, self.left[: self.pace.runs]))
        token, works = self.reservation.token, self.engine.executor.works
        plain = first_plain_runs(session, some, token, works, now) if some else PlainRuns()
        tried_before = len(common.tried)
        common.tried += plain.runs
        done = []
        if plain.runs:
            is_in_time = partial(self.pace.require_time, locked)
            done = SetExecution(session, plain, self.engine.worker, now, is_in_time).execute()
        common.tried[tried_before:] = done
        common.as_set += len(done)
        self.pace.note(len(done), began)
        looked_at = len(plain.runs) + plain.others
        taken = self.left[: looked_at if looked_at or done else 1]
        self.left = self.left[len(taken) :]
        known = set(done)
        return [run_id for run_id in taken if run_id not in known]

    def _execute_all_singly(self, run_ids: Collection[int]) -> None:
        known = set(run_ids)
        self.left = [run_id for run_id in self.left if run_id not in known]
        self.drained.singly += len(run_ids)
        for run_id in run_ids:
            self._execute_singly(run_id)

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


@dataclass
class _Common:
    """What one transaction of many runs has done. last: the run that was executed last, if it was not one of a set."""

    tried: list[int] = field(default_factory=list)
    unclaimed: list[int] = field(default_factory=list)
    as_set: int = 0
    last: Admitted | None = None

    @property
    def needs_more(self) -> bool:
        """Whether the last run needs transactions of its own."""
        return self.last is not None and self.last.context.run.status == Status.RUNNING
