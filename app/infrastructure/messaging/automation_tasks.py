"""The four functions that jobs may name. The work itself is done by business services; each call here is short."""

import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from time import monotonic
from typing import TypeVar

import structlog
from sqlalchemy.orm import Session

from app.business.accounts.services import second_factor, uploads
from app.business.automation.services import attention, rule_engine
from app.business.automation.services.auditing import invariants
from app.business.automation.services.backtest import back_test
from app.business.automation.services.draining.drain import drain as drain_runs
from app.business.automation.services.draining.pace import Pace
from app.business.automation.services.forecast import chain_spending, credit_watch
from app.business.automation.services.history import credit_days, run_days
from app.business.automation.services.operation_registry import KINDS
from app.business.automation.services.operations import keyword_import, lifecycle
from app.business.automation.services.reports import daily
from app.business.automation.services.runs import outages, recovery, waiting
from app.business.automation.services.runs.opening import DUE_QUEUE, LONG_QUEUE, MANUAL_QUEUE
from app.business.automation.services.runs.reservations import Turns
from app.business.automation.services.triggering import (
    dispatch,
    failing_rules,
    planning,
    silent_rules,
    watch,
)
from app.business.automation.services.triggering.planning import WINDOW
from app.business.billing.services import replenishment
from app.business.database_faults import in_one_line, stops_all
from app.business.events import EVENTS_QUEUE
from app.business.outlets.services import (
    ai_connections,
    incoming,
    mails,
    outlet_watch,
    webhooks,
    wordpress_connections,
)
from app.business.outlets.services.deliveries import prune
from app.business.outlets.services.outgoing import DELIVERIES_QUEUE, any_due, coming
from app.infrastructure import ai, query_statistics
from app.infrastructure.database import db, only_reading, reading_transaction, transaction
from app.infrastructure.messaging import deliveries, heartbeats, queues, relay, scheduler, worker
from app.infrastructure.messaging.engine import make_engine, utc_now
from app.infrastructure.secret_box import SecretBox, Unreadable
from app.infrastructure.wordpress.publisher import WordPressPublisher
from app.settings import load_settings

MOST_RUNS = 100
MOST_SECONDS = 1.0
DISPATCH_SECONDS = 0.5
"""Events of one account may become thousands of runs: others' events come in between."""
LONG_SECONDS = 5.0
"""A step worker forks for each look, and has nobody else to let in meanwhile."""
OTHERS_RUNS, OTHERS_SECONDS = 20, 0.3
CLOCK_RUN_QUEUES = (DUE_QUEUE, MANUAL_QUEUE, EVENTS_QUEUE)
"""In the order in which workers look at them."""
SENDING_SECONDS = 20.0
AUDITED_KEY = "igny8:audited"
LAST_FORECAST_KEY = "igny8:looked-ahead"
STATISTICS_KEY = "igny8:statistics"
PRUNED_KEY = "igny8:pruned"
SILENCE_KEY, CHAINS_KEY = "igny8:silence", "igny8:chains"
CAUGHT_UP = timedelta(minutes=2)
"""When sweeps have run without a gap for so long, they have executed what was due before them."""

Step = Callable[[datetime], None]
Place = TypeVar("Place")
"""What names a stored secret within its table."""

log = structlog.get_logger(__name__)


def execute_scheduled_automation_rules() -> None:
    """Every 15 minutes: write the rows of all planned times of the next 17 minutes, schedule their wake-ups."""
    _plan(utc_now())


def replenish_monthly_credits() -> None:
    """On the first of the month: grant every active account the credits of its plan."""
    _replenish(utc_now())


def sweep() -> None:
    """Every 15 seconds: everything that a lost wake-up, a dead worker or a flushed queue may have left undone.

    What was due while no sweep ran is only being caught up with at first, so nobody is notified that it is late.
    """
    if not _take(RECOVERY_STEPS):
        return
    if _unbroken_for(utc_now()) >= CAUGHT_UP:
        _take(MONITORING_STEPS)


def _take(steps: Iterable[Step]) -> bool:
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


def _execute(queue: str, most_runs: int, most_seconds: float, behind: Sequence[str] = ()) -> bool:
    """Execute due runs of the queue; returns whether some are left."""
    if queue == EVENTS_QUEUE:
        _dispatch(utc_now())
    drained = drain_runs(
        _engine(),
        queue,
        most_runs=most_runs,
        most_seconds=most_seconds,
        pace=_pace(),
        turns=_turns(),
        behind=behind,
    )
    if drained.singly:
        log.warning("runs_executed_singly", queue=queue, runs=drained.singly, exc_info=drained.cause)
    return drained.has_more


def _let_others_in(queue: str) -> None:
    """Workers look at this queue first while it holds anything: let accounts that have nothing due in it have some of
    their runs of the queues behind it."""
    place = CLOCK_RUN_QUEUES.index(queue)
    for later, other in enumerate(CLOCK_RUN_QUEUES[place + 1 :], place + 1):
        _execute(other, OTHERS_RUNS, OTHERS_SECONDS, behind=CLOCK_RUN_QUEUES[:later])


def _plan(now: datetime) -> None:
    planned = planning.plan(transaction, now)
    for rule_id, error in planned.failed:
        log.error("rule_not_planned", rule=rule_id, error=error)


def _replenish(now: datetime) -> None:
    report = replenishment.replenish_monthly_credits(transaction, now)
    for account_id, error in report.failed.items():
        log.error("credits_not_granted", account=account_id, error=in_one_line(error))


def _dispatch(now: datetime) -> None:
    until = monotonic() + DISPATCH_SECONDS
    done = dispatch.dispatch_batches(
        transaction, now, reading=reading_transaction, is_over=lambda: monotonic() >= until
    )
    for failure in done.failures:
        log.error("events_not_delivered", **failure)
    if done.has_more:
        relay.send(relay.server(), {EVENTS_QUEUE}, set(), now)


def _rescue(now: datetime) -> None:
    rescued = recovery.rescue(transaction, utc_now)
    if rescued.resumed or rescued.given_up:
        log.warning("runs_rescued", resumed=rescued.resumed, given_up=rescued.given_up)
    with transaction() as session:
        lifecycle.rescue_operations(session, now)


def _settle_imports(now: datetime) -> None:
    with only_reading(), transaction() as session:
        imports, files = keyword_import.any_to_settle(session), uploads.any_expired(session, now)
    if imports or files:
        with transaction() as session:
            keyword_import.settle_imports(session, now)
            uploads.delete_expired(session, now)


def _reseal_secrets(_now: datetime) -> None:
    """While SECRET_KEY is being replaced: what was sealed with the old one, under the new one."""
    settings = load_settings()
    if not settings.secret_key_old.get_secret_value():
        return
    box = SecretBox.of(settings)
    _reseal(box, "ai_connection", ai_connections.sealed_keys, ai_connections.replace_sealed)
    _reseal(box, "webhook", webhooks.sealed_secrets, webhooks.replace_sealed)
    _reseal(
        box,
        "wordpress_connection",
        wordpress_connections.sealed_passwords,
        wordpress_connections.replace_sealed,
    )
    _reseal(box, "incoming_address", incoming.sealed_secrets, incoming.replace_sealed)
    _reseal(box, "mail", mails.sealed_links, mails.replace_sealed)
    _reseal(box, "second_factor", second_factor.sealed_secrets, second_factor.replace_sealed)


def _reseal(
    box: SecretBox,
    what: str,
    sealed: Callable[[Session], Mapping[Place, str]],
    replace: Callable[[Session, Place, str, str], None],
) -> None:
    with only_reading(), transaction() as session:
        known = sealed(session)
    for place, old in known.items():
        try:
            new = box.reseal(old)
        except Unreadable:
            log.error("secret_unreadable", **{what: place})
            continue
        if new:
            with transaction() as session:
                replace(session, place, old, new)
            log.info("secret_resealed", **{what: place})


def _probe_services(now: datetime) -> None:
    with transaction() as session:
        outages.probe(session, now)


def _stop_failing(now: datetime) -> None:
    with transaction() as session:
        stopped = failing_rules.stop_failing_rules(session, now)
    if stopped:
        log.warning("failing_rules_switched_off", rules=stopped)


def _wake_waiting(now: datetime) -> None:
    with transaction() as session:
        waiting.wake_what_is_due(session, now)


def _wake_overdue(now: datetime) -> None:
    with only_reading(), transaction() as session:
        overdue = {*attention.overdue_queues(session, now)}
        if any_due(session, deliveries.MODELS, now - attention.PATIENCE):
            overdue.add(DELIVERIES_QUEUE)
    queues.wake(relay.server(), overdue)


def _arm_missing(now: datetime) -> None:
    with only_reading(), transaction() as session:
        alarms = [*attention.coming_instants(session, now)]
        sending = coming(session, deliveries.MODELS, now, now + WINDOW)
        alarms += [(instant, DELIVERIES_QUEUE) for instant in sending]
    scheduler.arm(relay.server(), scheduler.missing_alarms(relay.server(), alarms))


def _watch(now: datetime) -> None:
    with transaction() as session:
        late = watch.watch(session, now)
    if late:
        log.error("planned_runs_did_not_start", accounts=late)


def _watch_silence(now: datetime) -> None:
    """Every two minutes, by the first worker that gets the lock."""
    if relay.server().set(SILENCE_KEY, now.isoformat(), nx=True, ex=120):
        silent_rules.watch_silence(transaction, reading_transaction, now)


def _watch_chains(now: datetime) -> None:
    """Every minute, by the first worker that gets the lock."""
    if relay.server().set(CHAINS_KEY, now.isoformat(), nx=True, ex=60):
        with transaction() as session:
            chain_spending.watch_chains(session, now)


def _watch_outlets(now: datetime) -> None:
    with transaction() as session:
        stuck = outlet_watch.watch_outlets(session, now)
    if stuck:
        log.error("outgoing_messages_stuck", accounts=stuck)


def _audit(now: datetime) -> None:
    """Once an hour, by the first worker that gets the lock."""
    if not _first_this_hour(AUDITED_KEY, now):
        return
    with only_reading(), transaction() as session:
        breaches = invariants.audit(session, now)
    for breach in breaches:
        log.error("invariant_broken", name=breach.name, rows=breach.rows)
    with transaction() as session:
        invariants.notify_owners(session, breaches, now)
    heartbeats.note_audit(relay.server(), [breach.sentence for breach in breaches], now)


def _watch_credits(now: datetime) -> None:
    """Once an hour, by the first worker that gets the lock."""
    if not _first_this_hour(LAST_FORECAST_KEY, now):
        return
    watched = credit_watch.watch_credits(transaction, now)
    for account_id, error in watched.failed.items():
        log.error("credits_not_looked_at", account=account_id, error=in_one_line(error))


def _write_daily_reports(now: datetime) -> None:
    done = daily.write_reports(transaction, reading_transaction, now)
    for account_id, error in done.failed.items():
        log.error("daily_report_not_written", account=account_id, error=in_one_line(error))


def _keep_credit_days(_now: datetime) -> None:
    credit_days.keep_sums(transaction)


def _keep_run_days(_now: datetime) -> None:
    run_days.keep_sums(transaction)


def _keep_statistics(now: datetime) -> None:
    """Once an hour, by the first worker that gets the lock."""
    if _first_this_hour(STATISTICS_KEY, now):
        query_statistics.keep(db.engine)


def _prune(now: datetime) -> None:
    """Once an hour, by the first worker that gets the lock: a part of what is too old."""
    if _first_this_hour(PRUNED_KEY, now):
        with transaction() as session:
            prune(session, now)
            mails.prune(session, now)


def _first_this_hour(key: str, now: datetime) -> bool:
    return bool(relay.server().set(key, now.isoformat(), nx=True, ex=3600))


def _unbroken_for(now: datetime) -> timedelta:
    return now - heartbeats.note_sweep(relay.server(), now)


RECOVERY_STEPS: tuple[Step, ...] = (
    _rescue,
    _settle_imports,
    _reseal_secrets,
    _dispatch,
    _plan,
    _replenish,
    _probe_services,
    _stop_failing,
    _wake_waiting,
    _wake_overdue,
    _arm_missing,
)
MONITORING_STEPS: tuple[Step, ...] = (
    _watch,
    _watch_outlets,
    _watch_silence,
    _watch_chains,
    _keep_credit_days,
    _keep_run_days,
    _audit,
    _watch_credits,
    _write_daily_reports,
    _keep_statistics,
    _prune,
)


def _only_reading(handler: lifecycle.Handler) -> lifecycle.Handler:
    """`handler` writes nothing but its progress: its transactions do not block writers."""
    return lambda _transaction, asked, progress, clock: handler(reading_transaction, asked, progress, clock)


OPERATIONS = {**KINDS, back_test.KIND: _only_reading(KINDS[back_test.KIND])}


@cache
def _pace() -> Pace:
    """What this process has learnt of the machine's speed."""
    return Pace()


@cache
def _turns() -> Turns:
    return Turns()


@cache
def _engine() -> rule_engine.RuleEngine:
    name = f"{socket.gethostname()}-{os.getpid()}"
    settings = load_settings()
    model, publisher = ai.make_language_model(settings), WordPressPublisher(settings)
    return make_engine(model, publisher, name, worker.draining.is_set)
