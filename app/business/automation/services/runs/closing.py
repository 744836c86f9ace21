"""What becomes of a run that stops: it waits or is continued (`parking`), or ends here: final state, result in words,
release of credits, settlement of claims.

All functions work inside one transaction, in which the lease was just renewed or the run was claimed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import bindparam, exists, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, Reason, ScheduledTask, Status, Waiting
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.runs import consecutive_failures, outages, record_claims, run_incidents
from app.business.automation.services.runs.attempts import end_attempt, is_free, release_credits
from app.business.automation.services.runs.context import RunContext, load_context
from app.business.automation.services.runs.credits_used import credits_of_run
from app.business.automation.services.runs.follow_up_runs import (
    HANDED_PROMISED,
    open_follow_up,
    pass_over,
    rest_of,
)
from app.business.automation.services.runs.gate_verdict import Stop, stop_of
from app.business.automation.services.runs.opening import LONG_QUEUE
from app.business.automation.services.runs.parking import (
    ASKED_PERSON,
    continue_later,
    park,
    retry_later,
    wait_for_person,
)
from app.business.automation.services.runs.record_claim_settling import open_origins, settle_claims
from app.business.automation.services.runs.result import failure_sentence, result_of
from app.business.automation.services.runs.run_json import run_json
from app.business.automation.services.runs.unit_receipts import Failure, Outcome
from app.business.automation.services.runs.waiting import (
    LONGEST_WAIT,
    anybody_waits,
    waited_too_long,
    wake_for_credits,
    wake_previous,
)
from app.business.base import RowValues
from app.business.billing.services.credit_service import Shortfall
from app.business.events import EventType, close_batches_of_run, open_batch, record_events
from app.business.likelihood import usually
from app.business.outlets.incident_models import Incident, IncidentStatus
from app.business.outlets.services.webhook_messages import announce
from app.business.outlets.webhook_models import Webhook
from app.business.time_zones import time_in
from app.business.writer.services.content_service import give_up_writing

GIVEN_UP = f"It has waited for {LONGEST_WAIT.days} days and waits no longer."
PASSED_OVER = (Reason.CONDITIONS, Reason.LIMIT_BELOW_PRICE)
"""Reasons with which a run is passed over, but later records of its start are still worked on."""
LEFT_OUT = (Reason.CONDITIONS, Reason.LOOP, Reason.SUPERSEDED, Reason.SHADOW)
"""Reasons with which a run never works on its records, whatever a person does."""


def stop_at_gate(session: Session, context: RunContext, stop: Stop) -> None:
    """A gate stopped the run before any work: it waits, or is skipped with the reason."""
    always = (Waiting.PREVIOUS, Waiting.REVIEW)
    context.run.budget = stop.kept_budget()
    waits = stop.waiting and (context.waits_when_limited or stop.waiting in always)
    if waits and waited_too_long(context.run, context.now):
        stop = replace(stop, message=f"{stop.message} {GIVEN_UP}")
    elif waits:
        if stop.waiting == Waiting.PREVIOUS:
            _replace_queued(session, context)
        park(session, context, stop)
        return
    if stop.reason in PASSED_OVER:
        pass_over(session, context)
    _end(session, context, Status.SKIPPED, stop.reason, stop.message)
    if stop.would is not None:
        context.run.result = {"would": stop.would}
        session.flush()


def _replace_queued(session: Session, context: RunContext) -> None:
    """Only the latest planned run queues behind the running one.

    Runs that must not be lost stay: missed times that are all made up for, and follow-ups.
    """
    run = context.run
    if context.detail.options.get("in_turn") or run.cause != Cause.SCHEDULE or run.follows_id:
        return
    queued = select(ScheduledTask).where(
        ScheduledTask.automation_rule_id == run.automation_rule_id,
        ScheduledTask.split_site_id == run.split_site_id,
        ScheduledTask.cause == Cause.SCHEDULE,
        usually(ScheduledTask.follows_id.is_(None)),
        ScheduledTask.admitted_at.is_(None),
        ScheduledTask.waiting_for == Waiting.PREVIOUS,
        ScheduledTask.begins_at < run.begins_at,
    )
    planned = time_in(run.scheduled_at, context.zone)
    message = f"Replaced by the run planned for {planned}; one at most waits its turn."
    for older in session.scalars(queued.with_for_update(skip_locked=True, key_share=True)).all():
        replaced = load_context(session, older, context.now)
        if not replaced.detail.options.get("in_turn"):
            _end(session, replaced, Status.SKIPPED, Reason.SUPERSEDED, message)


def stop_admitted(session: Session, context: RunContext, stop: Stop) -> None:
    """An admitted run cannot continue now: it waits, or fails with the reason. Finished units stay."""
    context.run.budget = stop.kept_budget()
    always = stop.waiting == Waiting.PREVIOUS or ASKED_PERSON in context.detail.options
    if stop.waiting and (context.waits_when_limited or always):
        if not waited_too_long(context.run, context.now):
            park(session, context, stop)
            return
        stop = replace(stop, message=f"{stop.message} {GIVEN_UP}")
    _end(session, context, Status.FAILED, stop.reason, stop.message)


def give_up(session: Session, context: RunContext, stop: Stop) -> None:
    """A run that was recovered too often fails with the reason."""
    _end(session, context, Status.FAILED, stop.reason, stop.message)


def fail_before_work(session: Session, context: RunContext, reason: Reason, message: str) -> None:
    """The rule is not valid any more: nothing is done on conditions that cannot be evaluated."""
    _end(session, context, Status.FAILED, reason, f"This rule needs repair. {message}")


def out_of_credits(session: Session, context: RunContext, shortfall: Shortfall) -> None:
    """Credits or a budget ran out between two steps."""
    stop_admitted(session, context, stop_of(shortfall))


def cancel(session: Session, context: RunContext) -> None:
    """A person cancelled it: skipped if nothing was begun, else failed; finished units stay."""
    if context.run.admitted_at is None:
        _end(session, context, Status.SKIPPED, Reason.CANCELLED, "Cancelled before it started.")
    else:
        _end(session, context, Status.FAILED, Reason.CANCELLED, "Cancelled. What was finished stays.")


def settle(session: Session, context: RunContext, outcome: Outcome) -> None:
    """All steps are executed: completed, or failed with the failed units, or retried later after transient faults."""
    notes = [*context.detail.options.get("notes", []), *outcome.notes, *filter(None, [outcome.ended])]
    # A failure after which the rule goes on does not keep it from asking either.
    if outcome.asks and all(one.unit.step.action.on_error == "continue" for one in outcome.failures):
        wait_for_person(session, context, outcome)
        return
    if outcome.later and not outcome.failures:
        continue_later(session, context, outcome)
        return
    if not outcome.failures:
        notes += _go_on(session, context, outcome)
        _end(session, context, Status.COMPLETED, None, "", notes=notes, is_released=True)
        return
    message = failure_sentence(session, context, outcome)
    is_passing = all(failure.is_passing for failure in outcome.failures)
    detail = "\n".join(dict.fromkeys(failure.detail for failure in outcome.failures if failure.detail))
    context.detail.error_detail = detail
    if is_passing and _may_retry_alone(context):
        retry_later(session, context, outcome, message)
        return
    notes += _go_on(session, context, outcome)
    reasons = Counter(failure.reason for failure in outcome.failures)
    reason = Reason(reasons.most_common(1)[0][0]) if len(reasons) == 1 else Reason.ACTION_FAILED
    if is_passing:
        outages.keep_for_later(context)
    _end(
        session,
        context,
        Status.FAILED,
        reason,
        message,
        notes=notes,
        is_passing=is_passing,
        is_released=True,
        failures=outcome.failures,
    )


def _go_on(session: Session, context: RunContext, outcome: Outcome) -> list[str]:
    """Open a follow-up for the work left over; the unspent credits of this run are released first."""
    release_credits(session, context)
    return open_follow_up(session, context, outcome.rest)


def _may_retry_alone(context: RunContext) -> bool:
    continues = context.rule.is_active or context.rule.built_in is not None
    return context.run.auto_retries < outages.AUTO_RETRIES and continues


def _end(
    session: Session,
    context: RunContext,
    status: Status,
    reason: Reason | None,
    message: str,
    *,
    notes: list[str] | None = None,
    is_passing: bool = False,
    is_released: bool = False,
    failures: Sequence[Failure] = (),
) -> None:
    """Set the final state of this attempt, and everything that depends on it."""
    run = context.run
    if not is_released:
        release_credits(session, context)
    with session.no_autoflush:
        run.status, run.reason, run.error_message, run.finished_at = status, reason, message, context.now
        run.waiting_for = run.waits_for_run_id = run.lease_token = run.lease_until = None
        run.credits_used = 0 if is_free(context) else credits_of_run(session, run)
        run.result = result_of(session, context, notes or [])
        _count_left(context, reason)
    if run.admitted_at:
        settle_claims(session, context, failed=status == Status.FAILED, is_passing=is_passing)
    else:
        record_claims.release(session, context)
    if status == Status.FAILED:
        give_up_writing(session, origin=context.origin(run.from_step, None), now=context.now)
    if run.from_step and status != Status.COMPLETED:
        open_origins(session, context, is_passing=is_passing)
    close_batches_of_run(session, run.account_id, run.id, context.now)
    end_attempt(session, context, status, reason, message)
    known = status == Status.FAILED and outages.is_tried_again(run) and is_passing
    if status == Status.FAILED:
        run_incidents.note_failures(session, context, reason, message, failures)
    if status != Status.SKIPPED:
        _report_end(session, context, failures, is_known=known)
    session.flush()
    # Before other runs are woken: whoever saves the rule locks its row first, and then those of its runs.
    consecutive_failures.count_end(session, run, context.now, is_passing=is_passing)
    if status == Status.COMPLETED and run.queue == LONG_QUEUE:
        outages.follow_completed(session, run, context.now)
    if anybody_waits(session, run.account_id):
        wake_previous(session, run)
        wake_for_credits(session, run.account_id)


def _count_left(context: RunContext, reason: Reason | None) -> None:
    """Count the promised records that nobody works on now: those that gates left out, and those that may be
    continued."""
    run = context.run
    if run.promised is not None:
        handed = context.detail.options.get(HANDED_PROMISED, 0)
        left_out = run.promised - handed if reason in LEFT_OUT else run.left_out
        run.left_out, run.remaining = left_out, 0 if reason in LEFT_OUT else rest_of(context).promised


_LISTENERS = select(
    exists()
    .where(
        AutomationRule.account_id == bindparam("account"),
        AutomationRule.trigger == EventType.RUN_FINISHED,
        AutomationRule.is_active,
    )
    .label("rules"),
    exists().where(Webhook.account_id == bindparam("account"), Webhook.is_active).label("webhooks"),
    exists()
    .where(Incident.account_id == bindparam("account"), Incident.status == IncidentStatus.OPEN)
    .label("incidents"),
)


def _report_end(
    session: Session, context: RunContext, failures: Sequence[Failure], *, is_known: bool
) -> None:
    """The event of a finished run and the messages about it, only where somebody listens.

    is_known: the failure of a run that is tried again during an outage was reported with its first.
    """
    run = context.run
    listens = session.execute(_LISTENERS, {"account": run.account_id}).one()
    if listens.incidents:
        run_incidents.note_successes(session, context, failures)
    if is_known:
        return
    if listens.rules:
        batch = open_batch(session, EventType.RUN_FINISHED, context.origin(run.from_step, None), context.now)
        data: JsonObject = {"rule_id": run.automation_rule_id, "status": run.status}
        row: RowValues = {
            "record_id": run.id,
            "site_id": run.site_id,
            "sector_id": run.sector_id,
            "data": data,
        }
        record_events(session, batch, "run", [row])
        close_batches_of_run(session, run.account_id, run.id, context.now)
    if listens.webhooks:
        announce(session, run.account_id, f"run.{run.status}", lambda: [{"run": run_json(run)}], context.now)
