"""Tests a rule with the checks of a real run, on a record or entered values, without writing anything.

The checks run in a savepoint that is always rolled back, so a test cannot differ from a real run.
"""

from datetime import datetime
from typing import TypedDict

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_documents import ConditionSample, GateLine
from app.business.automation.run_models import Cause, ScheduledTask
from app.business.automation.services.catalogue.record_models import MODELS, in_scope, known_ids
from app.business.automation.services.conditions.facts import context_facts
from app.business.automation.services.preflight.start_price import price_of_one, start_price
from app.business.automation.services.rule_parts import Json, JsonObject
from app.business.automation.services.runs.conditions_gate import sample_traces
from app.business.automation.services.runs.context import RunContext, load_context
from app.business.automation.services.runs.gate_verdict import Admission
from app.business.automation.services.runs.gates import pass_gates
from app.business.automation.services.runs.opening import Opening, open_run
from app.business.automation.services.runs.pricing import step_price
from app.business.automation.services.runs.steps import Step, input_ids, steps_of
from app.business.errors import Invalid, NotFound
from app.business.outlets.services.ai_connections import is_connected


class TestedAction(TypedDict):
    """An action of the rule, and its price for the records of the first run: null where it is not known yet."""

    type: str
    params: Json
    price: int | None


class TestedRun(TypedDict):
    """What the checks of the run say. conditions: the trace of those on the record."""

    would_run: bool
    gates: list[GateLine]
    conditions: JsonObject
    matched: int
    actions: list[TestedAction]


class TestedCosts(TypedDict):
    """Totals of the start with all follow-up runs; price: null where that of an action is not known yet."""

    records: int
    runs: int
    days: int
    price: int | None
    price_max: int


class DryRunReport(TestedRun, TestedCosts):
    """The test of a rule."""


def dry_run(
    session: Session,
    rule: AutomationRule,
    now: datetime,
    *,
    record_id: int | None = None,
    values: JsonObject | None = None,
) -> DryRunReport:
    """`values` (a JSON object of fields) take the place of a record. Raises NotFound, Invalid."""
    wakeups = {name: set(session.info.get(name, ())) for name in ("wake", "alarms")}
    savepoint = session.begin_nested()
    try:
        run = _open(session, rule, record_id, now)
        context = load_context(session, run, now)
        if values is not None:
            context.assumed = context_facts(values, now=now, zone=context.zone, record_type=rule.record_type)
        admission = pass_gates(session, context)
        tested = _report(session, context, admission, record_id)
    finally:
        savepoint.rollback()
        session.info.update(wakeups)
    costs = _costs(session, rule, tested, now, record_id, is_assumed=values is not None)
    report: DryRunReport = {**tested, **costs}
    if not rule.is_active:
        report["gates"][0] = {"gate": "active", "result": "stop", "message": "The rule is switched off."}
        report["would_run"] = False
    return report


def _open(session: Session, rule: AutomationRule, record_id: int | None, now: datetime) -> ScheduledTask:
    if record_id is not None:
        if rule.record_type is None:
            raise Invalid({"record_id": ["This rule works on no records."]})
        if record_id not in known_ids(session, rule.record_type, [record_id], rule.account_id):
            raise NotFound()
    records = None if record_id is None else [record_id]
    # A rule that is off is tested as if it were on, so that the later checks run too; the report says that it is off.
    return open_run(session, rule, Opening(Cause.MANUAL, now, records=records, options={"even_if_off": True}))


def _report(session: Session, context: RunContext, admission: Admission, record_id: int | None) -> TestedRun:
    traces = _traces(session, context, admission, record_id)
    return {
        "would_run": admission.stop is None,
        "gates": admission.gates,
        "conditions": traces[0]["trace"] if traces else {},
        "matched": admission.choice.matched,
        "actions": [_action(session, context, step, admission.records) for step in steps_of(context)],
    }


def _costs(
    session: Session,
    rule: AutomationRule,
    tested: TestedRun,
    now: datetime,
    record_id: int | None,
    *,
    is_assumed: bool,
) -> TestedCosts:
    """The price of a start; an action's price is null where it depends on records that a step creates."""
    prices = [action["price"] for action in tested["actions"]]
    if is_assumed:
        start = price_of_one(session, rule, now, sum(price or 0 for price in prices))
    else:
        start = start_price(session, rule, now, record_ids=None if record_id is None else [record_id])
    return {
        "records": start.records,
        "runs": start.runs,
        "days": start.days,
        "price": None if None in prices else start.credits_max,
        "price_max": start.credits_max,
    }


def _traces(
    session: Session, context: RunContext, admission: Admission, record_id: int | None
) -> list[ConditionSample]:
    if context.assumed is not None or context.run.record_type is None:
        return (context.detail.trace or {}).get("records", [])
    sample = [record_id] if record_id is not None else admission.choice.ids[:1]
    return sample_traces(session, context, sample or _any_in_scope(session, context))


def _any_in_scope(session: Session, context: RunContext) -> list[int]:
    """If nothing matches, one record in scope that shows why."""
    model = MODELS[context.run.record_type or ""]
    scope = in_scope(model, context.account.id, context.definition.site, context.definition.sector)
    return list(session.scalars(select(model.id).where(scope).order_by(model.id.desc()).limit(1)))


def _action(session: Session, context: RunContext, step: Step, records: list[int]) -> TestedAction:
    price = None
    if context.assumed is not None and step.source == "records":
        connected = is_connected(session, context.account.id)
        price = step.entry.price(step.params, step.entry.amount_of(context.assumed), connected=connected)
    elif step.known_at_start:
        ids = input_ids(session, context, step, records)
        price = step_price(session, context.account.id, step, ids).amount(ids)
    return {"type": step.entry.key, "params": step.action.params_as_json(), "price": price}
