"""The gates of a run, checked in a fixed order before it works, in the transaction of its claim.

A gate that stops the run takes no daily slot, credits or records. The trace contains every gate.
"""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, SessionTransaction

from app.business.accounts.models import AccountStatus
from app.business.automation.run_documents import ConditionSample, GateLine, Would
from app.business.automation.run_models import Cause, Reason, ScheduledTask, Status, Waiting
from app.business.automation.services.catalogue.incoming_fields import INCOMING
from app.business.automation.services.catalogue.nouns import noun
from app.business.automation.services.catalogue.run_fields import FINISHED_RUN
from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.record_fields import load_facts
from app.business.automation.services.rules.cost import credits_of_actions
from app.business.automation.services.runs import continuation, missed_times, record_claims
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.daily_limit import check_daily_limit
from app.business.automation.services.runs.finished_run import finished_run_id
from app.business.automation.services.runs.gate_verdict import Admission, Gate, Stop
from app.business.automation.services.runs.held_records import left_to_holders, wait_for_holder
from app.business.automation.services.runs.incoming_message import facts_of_message
from app.business.automation.services.runs.limits import keep_left_over, limit_notes, within_limits
from app.business.automation.services.runs.loop_guard import check_loop
from app.business.automation.services.runs.pricing import WorkPrices, known_price
from app.business.automation.services.runs.record_claims import holders_of, is_selected
from app.business.automation.services.runs.record_selection import Choice, choose_records
from app.business.automation.services.runs.selection_reasons import too_few
from app.business.automation.services.runs.site_choice import leave_out_sites, set_aside
from app.business.automation.services.runs.start_total import start_left
from app.business.automation.services.runs.steps import steps_of
from app.business.outlets.services.ai_connections import is_connected
from app.business.planner.models import SiteStatus

SAMPLE = 10
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


def check_active(_session: Session, context: RunContext, _admission: Admission) -> str | Stop:
    """The rule is on, or a person chose to run it anyway."""
    if context.rule.built_in:
        return "A person asked for it."
    if context.rule.archived_at:
        return Stop(Reason.INACTIVE, "The rule is archived. Restore it to run it.")
    if context.rule.is_active:
        return "The rule is switched on."
    if context.detail.options.get("even_if_off"):
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
    message = f"The run planned for {earlier.scheduled_at:%d %b %H:%M} UTC is {going}."
    return Stop(Reason.OVERLAP, message, Waiting.PREVIOUS if in_turn or rule.overlap == "queue" else None)


def check_conditions(session: Session, context: RunContext, admission: Admission) -> str | Stop:
    """Select the records that match now; those that do not match any more are dropped."""
    if context.assumed is not None:
        return _check_facts(context, context.assumed)
    if context.run.record_type is None:
        return _check_account_figures(session, context)
    choice = admission.choice = choose_records(session, context)
    admission.records, admission.place = choice.ids, choice.place
    admission.looked_at = choice.offered or 0
    if choice.ids:
        _sample_trace(session, context, choice.ids[:1])
    origins = continuation.unfinished_of(session, context, choice.ids)
    _go_on(session, context, admission, choice.ids, origins)
    needed = _needed(context, choice)
    if choice.matched + choice.place.beyond < needed and admission.origins:
        # Too few for a new start, but begun work is finished.
        choice.ids = admission.records = [key for key in choice.ids if key in admission.origins]
        choice.matched, needed = len(choice.ids), 1
    if choice.matched + choice.place.beyond >= needed and _waits_for_records(choice, needed):
        return wait_for_holder(context, holders_of(session, context, choice.held))
    if choice.matched and choice.matched + choice.place.beyond >= needed:
        return matching_records(context, choice)
    if choice.offered is not None:
        _sample_trace(session, context, list(context.detail.records or ())[:SAMPLE])
    return Stop(Reason.CONDITIONS, too_few(session, context, choice, needed))


def matching_records(context: RunContext, choice: Choice) -> str:
    """The sentence of the number that matches."""
    return f"{context.plural(choice.matched)} {'matches' if choice.matched == 1 else 'match'}."


def _waits_for_records(choice: Choice, needed: int) -> bool:
    """Whether the run cannot take enough records now, but another run may release more."""
    return bool(choice.held) and (not choice.ids or choice.free + choice.place.beyond < needed)


def _needed(context: RunContext, choice: Choice) -> int:
    """The rule's minimum applies where it selects its records itself, and once per start."""
    selects = choice.offered is None or (is_selected(context) and not context.run.follows_id)
    return context.definition.record_minimum if selects else 1


def _check_account_figures(session: Session, context: RunContext) -> str | Stop:
    run_id = finished_run_id(session, context) if context.definition.subject == FINISHED_RUN else None
    if run_id is not None:
        return _check_facts(context, facts_of(session, context, FINISHED_RUN, [run_id])[run_id])
    account_id = context.account.id
    facts = facts_of(session, context, None, [account_id])[account_id]
    if context.definition.subject == INCOMING:
        facts.update(facts_of_message(session, context))
    return _check_facts(context, facts)


def _check_facts(context: RunContext, facts: Facts) -> str | Stop:
    evaluator = ConditionEvaluator()
    context.detail.trace = {"records": [{"id": None, "trace": evaluator.trace(context.conditions, facts)}]}
    if evaluator.evaluate(context.conditions, facts):
        return "The conditions are met."
    return Stop(Reason.CONDITIONS, "The conditions are not met.")


def _sample_trace(session: Session, context: RunContext, ids: list[int]) -> None:
    if not context.definition.conditions or context.run.from_step:
        return
    context.detail.trace = {"records": sample_traces(session, context, ids)}


def sample_traces(session: Session, context: RunContext, ids: list[int]) -> list[ConditionSample]:
    """The evaluation of the rule's conditions on each of `ids`, leaf by leaf."""
    return traces_of(context, ids, facts_of(session, context, context.definition.record_type, ids))


def traces_of(context: RunContext, ids: Sequence[int], facts: Mapping[int, Facts]) -> list[ConditionSample]:
    """The same from loaded facts."""
    trace = ConditionEvaluator().trace
    return [{"id": key, "trace": trace(context.conditions, facts[key])} for key in ids if key in facts]


def facts_of(
    session: Session, context: RunContext, subject: str | None, ids: Sequence[int]
) -> dict[int, Facts]:
    """What the rule's conditions read of these records."""
    return load_facts(
        session,
        subject,
        ids,
        scope=context.scope,
        now=context.now,
        zone=context.zone,
        rule_id=context.rule.id,
        conditions=[context.conditions],
    )


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
        if _go_on(session, context, admission, got, origins) or len(got) < len(admission.records):
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
    _go_on(session, context, admission, admission.records, kept)
    if not admission.price:
        return FREE
    return f"{admission.price:,} {'credit' if admission.price == 1 else 'credits'} set aside."


def _go_on(
    session: Session,
    context: RunContext,
    admission: Admission,
    records: list[int],
    origins: Mapping[int, int],
) -> bool:
    """Take over finished work on these records, which are all records of the run; returns whether anything changed."""
    if origins == admission.origins and (not origins or records == admission.continued_records):
        return False
    continuation.take_over(session, context, records, origins)
    admission.origins, admission.continued_records = dict(origins), records
    return True


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
