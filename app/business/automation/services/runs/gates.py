"""The gates of a run, checked in a fixed order before it works, in the transaction of its claim.

A gate that stops the run takes no daily slot, credits or records. The trace contains every gate.
"""

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session, SessionTransaction

from app.business.accounts.models import AccountStatus
from app.business.automation.run_documents import GateLine, Would
from app.business.automation.run_models import Cause, Reason, ScheduledTask, Status, Waiting
from app.business.automation.services.catalogue.nouns import noun
from app.business.automation.services.rules.approval import UNAPPROVED, may_act
from app.business.automation.services.rules.cost import credits_of_actions
from app.business.automation.services.runs import continuation, missed_times, record_claims
from app.business.automation.services.runs.conditions_gate import check_conditions
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.daily_limit import check_daily_limit
from app.business.automation.services.runs.gate_verdict import Admission, Gate, Stop
from app.business.automation.services.runs.held_records import left_to_holders, wait_for_holder
from app.business.automation.services.runs.limits import keep_left_over, limit_notes, within_limits
from app.business.automation.services.runs.loop_guard import check_loop
from app.business.automation.services.runs.pricing import WorkPrices, known_price
from app.business.automation.services.runs.record_claims import holders_of
from app.business.automation.services.runs.site_choice import leave_out_sites, set_aside
from app.business.automation.services.runs.start_total import start_left
from app.business.automation.services.runs.steps import steps_of
from app.business.outlets.services.ai_connections import is_connected
from app.business.planner.models import SiteStatus
from app.business.time_zones import time_in

FREE = "Free."
"""The credits gate of a run that costs nothing."""


def pass_gates(
    session: Session, context: RunContext, admit: Callable[[RunContext, Admission], None] | None = None
) -> Admission:
    """Check every gate in order until one stops; then everything the gates took is rolled back.

    admit: notes on the run that all have passed.
    """
    admission = Admission()
    savepoint = session.begin_nested()
    for name, gate in GATES:
        if admission.stop:
            admission.gates.append(not_evaluated(name))
            continue
        verdict = gate(session, context, admission)
        if isinstance(verdict, Stop):
            admission.stop = verdict
            _undo(savepoint, context)
        admission.gates.append(gate_line(name, verdict))
    if admission.stop:
        return admission
    if context.definition.mode == "shadow":
        _undo(savepoint, context)
        would = _would(session, context, admission)
        admission.stop = Stop(Reason.SHADOW, _would_have(context, admission, would), would=would)
    else:
        if admit:
            admit(context, admission)
        savepoint.commit()
    return admission


def _undo(savepoint: SessionTransaction, context: RunContext) -> None:
    """Undo what the gates have taken; why they did so stays with the run."""
    trace = context.detail.trace
    savepoint.rollback()
    if trace is not None:
        context.detail.trace = trace


def _would(session: Session, context: RunContext, admission: Admission) -> Would:
    """credits: the price of what is known at the start, plus the estimate for steps over records it would have
    created."""
    records = len(admission.records)
    connected = is_connected(session, context.account.id)
    estimated_use = credits_of_actions(context.definition, records, connected=connected)
    later = sum(estimated_use[step.index] for step in steps_of(context) if not step.known_at_start)
    left_over = len(admission.left_over) + admission.place.beyond
    return {"records": records, "left_over": left_over, "credits": admission.price + later}


def _would_have(context: RunContext, admission: Admission, would: Would) -> str:
    what = context.plural(len(admission.records)) if context.run.record_type else "its actions"
    price = "at most" if would["credits"] == admission.price else "about"
    credits = "1 credit" if would["credits"] == 1 else f"{would['credits']:,} credits"
    return f"Practice mode: it would have worked on {what} for {price} {credits}. Nothing was done."


def not_evaluated(name: str) -> GateLine:
    """The entry of a gate behind the one that stopped the run."""
    return {"gate": name, "result": "not_evaluated", "message": ""}


def gate_line(name: str, verdict: str | Stop | None) -> GateLine:
    """The gate's entry in the trace of the run."""
    if isinstance(verdict, Stop):
        return {"gate": name, "result": "stop", "message": verdict.message}
    return {"gate": name, "result": "not_applicable" if verdict is None else "pass", "message": verdict or ""}


def check_active(session: Session, context: RunContext, _admission: Admission) -> str | Stop:
    """The rule is on, or a person chose to run it anyway; follow-ups of such a run may be of a newer version."""
    if context.rule.built_in:
        return "A person asked for it."
    if context.rule.archived_at:
        return Stop(Reason.INACTIVE, "The rule is archived. Restore it to run it.")
    if context.rule.is_active:
        return "The rule is switched on."
    if context.detail.options.get("even_if_off"):
        if not may_act(session, context.rule, context.definition.model_dump(mode="json")):
            return Stop(Reason.INACTIVE, UNAPPROVED)
        return "The rule is switched off; it was started by hand anyway."
    return Stop(Reason.INACTIVE, "The rule is switched off.")


def check_account(_session: Session, context: RunContext, _admission: Admission) -> str | Stop:
    """The account is active and automation is not paused."""
    if context.account.status != AccountStatus.ACTIVE:
        return Stop(Reason.ACCOUNT_INACTIVE, f"The account is {context.account.status}.")
    if context.account.paused_at:
        return Stop(
            Reason.PAUSED, "All automation of the account is paused. Resume it to go on.", Waiting.PAUSE
        )
    if context.site and context.site.status == SiteStatus.PAUSED:
        return Stop(Reason.PAUSED, f"The site {context.site.name} is paused.")
    return "The account is active."


def check_overlap(session: Session, context: RunContext, _admission: Admission) -> str | Stop | None:
    """No earlier planned run of this rule (and site) is still unfinished, and its time was neither missed nor on a
    closed day."""
    run, rule = context.run, context.definition
    if run.cause != Cause.SCHEDULE or run.follows_id:
        return None
    all_run = rule.catch_up == "all"
    if run.reason == Reason.CLOSED_DAY:
        return Stop(Reason.CLOSED_DAY, run.error_message)
    in_turn = context.detail.options.get("in_turn") or (all_run and missed_times.began_late(run, context.now))
    why = None if in_turn or all_run else missed_times.why_not_now(session, context)
    if why:
        return Stop(Reason.MISSED, why)
    if rule.overlap == "allow" and not in_turn:
        return None
    earlier = session.scalar(
        select(ScheduledTask)
        .where(
            ScheduledTask.automation_rule_id == run.automation_rule_id,
            ScheduledTask.cause == Cause.SCHEDULE,
            ScheduledTask.split_site_id == run.split_site_id,
            ScheduledTask.begins_at < run.begins_at,
            ScheduledTask.status.in_([Status.PENDING, Status.RUNNING]),
            ScheduledTask.reason.is_distinct_from(Reason.CLOSED_DAY),
            # Nobody knows how long a person takes to answer.
            ScheduledTask.waiting_for.is_distinct_from(Waiting.PERSON),
        )
        .order_by(ScheduledTask.begins_at)
        .limit(1)
    )
    if earlier is None:
        return "No earlier run is still going on."
    going = "still going on" if earlier.status == Status.RUNNING else "still waiting"
    message = f"The run planned for {time_in(earlier.scheduled_at, context.zone)} is {going}."
    return Stop(Reason.OVERLAP, message, Waiting.PREVIOUS if in_turn or rule.overlap == "queue" else None)


def check_limit(session: Session, context: RunContext, admission: Admission) -> str | Stop:
    """Take as many records as the run's credit limit, and the total of its start, pay for."""
    limit, left = context.definition.credit_limit_per_execution, start_left(session, context)
    most = limit if left is None else min(limit, left)
    leave_out_sites(session, context, admission)
    if holders := holders_of(session, context, admission.choice.held):
        admission.notes.append(left_to_holders(context, holders))
    steps, record_type = steps_of(context), context.run.record_type
    prices = WorkPrices(session, context.account.id, steps, record_type, admission.records, context)
    chosen = within_limits(prices, admission.records, limit, most)
    if not chosen.taken and (admission.records or prices.amount([]) > most):
        return _limit_below_price(context, admission, prices, limit)
    admission.notes += limit_notes(context, keep_left_over(admission, chosen), limit, most)
    admission.records = chosen.taken
    admission.price = known_price(session, context, chosen.taken)
    if admission.notes:
        return admission.notes[-1]
    return f"Price {admission.price:,} of at most {most:,} {'credit' if most == 1 else 'credits'}."


def _limit_below_price(context: RunContext, admission: Admission, prices: WorkPrices, limit: int) -> Stop:
    least = min((prices.amount([key]) for key in admission.records), default=prices.amount([]))
    what = f"One {noun(context.run.record_type)} costs" if admission.records else "Its actions cost"
    named = f"limit of {limit:,} per run"
    if least <= limit:
        total = f"{context.max_credits:,} for this start"
        named = f"rest of the {total}" if context.run.start_id else f"total of {total}"
    message = f"{what} {least:,} credits; the {named} is below that."
    return Stop(Reason.LIMIT_BELOW_PRICE, message)


def check_credits(session: Session, context: RunContext, admission: Admission) -> str | Stop:
    """Reserve the price and claim the records, both with guarded updates."""
    if context.run.record_type and admission.records:
        taken = record_claims.claim(session, context, admission.records)
        got = list(taken)
        if not got:
            return wait_for_holder(context, holders_of(session, context, admission.records))
        origins = {key: run_id for key, run_id in taken.items() if run_id not in (None, context.run.id)}
        if continuation.go_on(session, context, admission, got, origins) or len(got) < len(admission.records):
            lost = [key for key in admission.records if key not in set(got)]
            if holders := holders_of(session, context, lost):
                admission.notes.append(left_to_holders(context, holders))
            admission.left_over += lost
            admission.records = got
            admission.price = known_price(session, context, got)
    context.start_of_spending()
    if stop := set_aside(session, context, admission):
        return stop
    kept = {key: run_id for key, run_id in admission.origins.items() if key in set(admission.records)}
    continuation.go_on(session, context, admission, admission.records, kept)
    if not admission.price:
        return FREE
    return f"{admission.price:,} {'credit' if admission.price == 1 else 'credits'} set aside."


GATES: tuple[tuple[str, Gate], ...] = (
    ("active", check_active),
    ("account", check_account),
    ("loop", check_loop),
    ("overlap", check_overlap),
    ("conditions", check_conditions),
    ("daily_limit", check_daily_limit),
    ("limit", check_limit),
    ("credits", check_credits),
)
