"""What each sweep looks at, step by step: first what recovers lost or stopped work, then what watches and counts."""

from collections.abc import Callable, Mapping
from datetime import datetime
from time import monotonic
from typing import TypeVar

import structlog
from sqlalchemy.orm import Session

from app.business.accounts.services import second_factor, uploads
from app.business.automation.services import attention
from app.business.automation.services.forecast import chain_spending, credit_watch
from app.business.automation.services.history import credit_days, record_sums, run_days
from app.business.automation.services.operations import keyword_import, lifecycle
from app.business.automation.services.reports import daily
from app.business.automation.services.runs import outages, recovery, waiting
from app.business.automation.services.triggering import dispatch, failing_rules, planning, silent_rules, watch
from app.business.automation.services.triggering.planning import WINDOW
from app.business.automation.services.triggering.small_batches import Taken
from app.business.billing.services import replenishment
from app.business.database_faults import in_one_line
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
from app.infrastructure import query_statistics
from app.infrastructure.database import db, only_reading, reading_transaction, transaction
from app.infrastructure.messaging import audits, deliveries, queues, relay, scheduler
from app.infrastructure.messaging.engine import utc_now
from app.infrastructure.secret_box import SecretBox, Unreadable
from app.settings import load_settings

DISPATCH_SECONDS = 0.5
"""Events of one account may become thousands of runs: others' events come in between."""
AUDITED_KEY = "igny8:audited"
LAST_FORECAST_KEY = "igny8:looked-ahead"
STATISTICS_KEY = "igny8:statistics"
PRUNED_KEY = "igny8:pruned"
SILENCE_KEY, CHAINS_KEY = "igny8:silence", "igny8:chains"

Step = Callable[[datetime], None]
Place = TypeVar("Place")
"""What names a stored secret within its table."""

log = structlog.get_logger(__name__)


def plan(now: datetime) -> None:
    planned = planning.plan(transaction, now)
    for rule_id, error in planned.failed:
        log.error("rule_not_planned", rule=rule_id, error=error)


def replenish(now: datetime) -> None:
    report = replenishment.replenish_monthly_credits(transaction, now)
    for account_id, error in report.failed.items():
        log.error("credits_not_granted", account=account_id, error=in_one_line(error))


def dispatch_events(now: datetime, taken: Taken | None = None) -> None:
    """taken: gets runs that the caller executes next."""
    until = monotonic() + DISPATCH_SECONDS
    done = dispatch.dispatch_batches(
        transaction, now, reading=reading_transaction, is_over=lambda: monotonic() >= until, taken=taken
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
    """Once an hour, by the first worker that gets the lock: begun here, done by step workers."""
    if _first_this_hour(AUDITED_KEY, now):
        audits.begin(relay.server())


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


def _keep_record_sums(_now: datetime) -> None:
    record_sums.keep_sums(transaction)


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


RECOVERY_STEPS: tuple[Step, ...] = (
    _rescue,
    _settle_imports,
    _reseal_secrets,
    dispatch_events,
    plan,
    replenish,
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
    _keep_record_sums,
    _audit,
    _watch_credits,
    _write_daily_reports,
    _keep_statistics,
    _prune,
)
