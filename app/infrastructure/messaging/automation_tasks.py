"""The four functions that jobs may name. The work itself is done by business services; each call here is short."""

import os
import socket
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from time import thread_time

import structlog

from app.business.automation.services import rule_engine
from app.business.automation.services.backtest import back_test
from app.business.automation.services.draining.at_once import AtOnce
from app.business.automation.services.draining.drain import drain as drain_runs
from app.business.automation.services.draining.pace import Pace
from app.business.automation.services.operation_registry import KINDS
from app.business.automation.services.operations import lifecycle
from app.business.automation.services.runs.opening import DUE_QUEUE, LONG_QUEUE, MANUAL_QUEUE
from app.business.automation.services.runs.reservations import Turns
from app.business.automation.services.triggering.small_batches import Taken
from app.business.database_faults import stops_all
from app.business.events import EVENTS_QUEUE
from app.business.outlets.services.outgoing import DELIVERIES_QUEUE
from app.infrastructure import ai
from app.infrastructure.database import reading_transaction, transaction
from app.infrastructure.messaging import audits, deliveries, heartbeats, relay, sweep_steps, worker
from app.infrastructure.messaging.engine import make_engine, utc_now
from app.infrastructure.wordpress.publisher import WordPressPublisher
from app.settings import load_settings

MOST_RUNS = 100
MOST_SECONDS = 1.0
LONG_SECONDS = 5.0
"""A step worker forks for each look, and has nobody else to let in meanwhile."""
OTHERS_RUNS, OTHERS_SECONDS = 20, 0.3
CLOCK_RUN_QUEUES = (DUE_QUEUE, MANUAL_QUEUE, EVENTS_QUEUE)
"""In the order in which workers look at them."""
SENDING_SECONDS = 20.0
CAUGHT_UP = timedelta(minutes=2)
"""When sweeps have run without a gap for so long, they have executed what was due before them."""


log = structlog.get_logger(__name__)


def execute_scheduled_automation_rules() -> None:
    """Every 15 minutes: write the rows of all planned times of the next 17 minutes, schedule their wake-ups."""
    sweep_steps.plan(utc_now())


def replenish_monthly_credits() -> None:
    """On the first of the month: grant every active account the credits of its plan."""
    sweep_steps.replenish(utc_now())


def sweep() -> None:
    """Every 15 seconds: everything that a lost wake-up, a dead worker or a flushed queue may have left undone.

    What was due while no sweep ran is only being caught up with at first, so nobody is notified that it is late.
    """
    if not _take(sweep_steps.RECOVERY_STEPS):
        return
    if _unbroken_for(utc_now()) >= CAUGHT_UP:
        _take(sweep_steps.MONITORING_STEPS)


def _take(steps: Iterable[sweep_steps.Step]) -> bool:
    """Whether the sweep may go on: a fault of the database that one step meets would stop the others as well."""
    for step in steps:
        try:
            step(utc_now())
        except Exception as error:
            # The other steps recover other things.
            log.exception("sweep_step_failed", step=step.__name__)
            if stops_all(error):
                return False
    return True


def drain(queue: str) -> None:
    """Work on `queue`: send what leaves, or dispatch events where it holds them and then execute its due runs.

    Operations are executed one per call, after the runs that are due.
    """
    if queue == DELIVERIES_QUEUE:
        stopping = worker.draining.is_set
        deliveries.drain(load_settings(), most_seconds=SENDING_SECONDS, stopping=stopping)
        return
    has_more = _execute(queue, MOST_RUNS, LONG_SECONDS if queue == LONG_QUEUE else MOST_SECONDS)
    if has_more and queue in CLOCK_RUN_QUEUES:
        _let_others_in(queue)
    if queue == LONG_QUEUE and not worker.draining.is_set():
        lifecycle.execute_next(transaction, OPERATIONS, utc_now, worker.draining.is_set)
        audits.go_on(relay.server(), utc_now(), worker.draining.is_set)


def _execute(queue: str, most_runs: int, most_seconds: float, behind: Sequence[str] = ()) -> bool:
    """Execute due runs of the queue; returns whether some are left."""
    engine = _engine()
    at_once = AtOnce(engine.executor.works, engine.worker, engine.clock, _pace())
    taken = Taken(at_once)
    if queue == EVENTS_QUEUE:
        sweep_steps.dispatch_events(utc_now(), taken)
    if at_once.failed:
        log.warning("runs_opened_after_all", runs=at_once.failed, exc_info=at_once.cause)
    drained = drain_runs(
        engine,
        queue,
        most_runs=most_runs,
        most_seconds=most_seconds,
        pace=_pace(),
        turns=_turns(),
        behind=behind,
        first=taken.reservation,
    )
    if drained.singly or drained.cause:
        log.warning("runs_executed_singly", queue=queue, runs=drained.singly, exc_info=drained.cause)
    return drained.has_more


def _let_others_in(queue: str) -> None:
    """Workers look at this queue first while it holds anything: let accounts that have nothing due in it have some of
    their runs of the queues behind it."""
    place = CLOCK_RUN_QUEUES.index(queue)
    for later, other in enumerate(CLOCK_RUN_QUEUES[place + 1 :], place + 1):
        _execute(other, OTHERS_RUNS, OTHERS_SECONDS, behind=CLOCK_RUN_QUEUES[:later])


def _unbroken_for(now: datetime) -> timedelta:
    return now - heartbeats.note_sweep(relay.server(), now)


def _only_reading(handler: lifecycle.Handler) -> lifecycle.Handler:
    """`handler` writes nothing but its progress: its transactions do not block writers."""
    return lambda _transaction, asked, progress, clock: handler(reading_transaction, asked, progress, clock)


OPERATIONS = {**KINDS, back_test.KIND: _only_reading(KINDS[back_test.KIND])}


@cache
def _pace() -> Pace:
    """What this process has learnt of the machine's speed."""
    return Pace(work_timer=thread_time)


@cache
def _turns() -> Turns:
    return Turns()


@cache
def _engine() -> rule_engine.RuleEngine:
    name = f"{socket.gethostname()}-{os.getpid()}"
    settings = load_settings()
    model, publisher = ai.make_language_model(settings), WordPressPublisher(settings)
    return make_engine(model, publisher, name, worker.draining.is_set)
