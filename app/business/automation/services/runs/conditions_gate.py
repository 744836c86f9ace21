"""The gate of conditions: which records match now, or whether the conditions on the account's figures are met; and how
they were evaluated, for the trace of the run."""

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from app.business.automation.run_documents import ConditionSample
from app.business.automation.run_models import Reason
from app.business.automation.services.catalogue.incoming_fields import INCOMING
from app.business.automation.services.catalogue.run_fields import FINISHED_RUN
from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.record_fields import load_facts
from app.business.automation.services.runs import continuation
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.finished_run import finished_run_id
from app.business.automation.services.runs.gate_verdict import Admission, Stop
from app.business.automation.services.runs.held_records import wait_for_holder
from app.business.automation.services.runs.incoming_message import facts_of_message
from app.business.automation.services.runs.record_claims import holders_of, is_selected
from app.business.automation.services.runs.record_selection import Choice, choose_records
from app.business.automation.services.runs.selection_reasons import too_few

SAMPLE = 10


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
    continuation.go_on(session, context, admission, choice.ids, origins)
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
    trace = ConditionEvaluator().trace(context.conditions, facts)
    context.detail.trace = {"records": [{"id": None, "trace": trace}]}
    if trace["result"]:
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
