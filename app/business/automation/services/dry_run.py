"""Testing a rule: the very checks of a real run, on a record or typed values, with nothing written.

The checks run inside a savepoint that is always rolled back, so a test cannot differ from the real thing.
"""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, Cause, ScheduledTask
from app.business.automation.services.condition_evaluator import ConditionEvaluator
from app.business.automation.services.condition_tree import parse_conditions
from app.business.automation.services.record_facts import Facts, context_facts
from app.business.automation.services.record_models import known_ids
from app.business.automation.services.run_context import RunContext, load_context
from app.business.automation.services.run_gates import Admission, pass_gates, sample_traces
from app.business.automation.services.run_price import step_price
from app.business.automation.services.run_steps import Step, input_ids, steps_of
from app.business.automation.services.runs import Opening, open_run
from app.business.errors import Invalid, NotFound


def dry_run(
    session: Session,
    rule: AutomationRule,
    now: datetime,
    *,
    record_id: int | None = None,
    values: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """`{"would_run", "gates", "conditions", "actions", "price", "price_max"}`. Raises NotFound, Invalid.

    With `values` (field path -> value) conditions are evaluated on them instead of a record.
    """
    wishes = {name: set(session.info.get(name, ())) for name in ("wake", "alarms")}
    savepoint = session.begin_nested()
    try:
        run = _open(session, rule, record_id, now)
        context = load_context(session, run, now)
        admission = pass_gates(session, context)
        report = _report(session, context, admission, record_id)
    finally:
        savepoint.rollback()
        session.info.update(wishes)
    if not rule.is_active:
        report["gates"][0] = {"gate": "active", "result": "stop", "message": "The rule is switched off."}
        report["would_run"] = False
    if values is not None:
        _use_values(
            report, rule, context_facts(values, now=now, zone=context.zone, record_type=rule.record_type)
        )
    return report


def _open(session: Session, rule: AutomationRule, record_id: int | None, now: datetime) -> ScheduledTask:
    if record_id is not None:
        if rule.record_type is None:
            raise Invalid({"record_id": ["This rule works on no records."]})
        if record_id not in known_ids(session, rule.record_type, [record_id], rule.account_id):
            raise NotFound()
    records = None if record_id is None else [record_id]
    # A rule that is off is tried as if it were on, so that the later checks speak too; the report says it is off.
    return open_run(session, rule, Opening(Cause.MANUAL, now, records=records, options={"even_if_off": True}))


def _report(
    session: Session, context: RunContext, admission: Admission, record_id: int | None
) -> dict[str, Any]:
    sample = [record_id] if record_id is not None else admission.choice.ids[:1]
    traces = sample_traces(session, context, sample) if sample and context.run.record_type else []
    prices = [_action(session, context, step, admission.records) for step in steps_of(context)]
    known = [action["price"] for action in prices if action["price"] is not None]
    return {
        "would_run": admission.stop is None,
        "gates": admission.gates,
        "conditions": traces[0]["trace"] if traces else (context.detail.trace or {}),
        "matched": admission.choice.matched,
        "actions": prices,
        "price": sum(known) if len(known) == len(prices) else None,
        "price_max": context.definition.credit_limit_per_execution
        if len(known) < len(prices)
        else min(sum(known), context.definition.credit_limit_per_execution),
    }


def _action(session: Session, context: RunContext, step: Step, records: list[int]) -> dict[str, Any]:
    price = None
    if step.known_at_start:
        ids = input_ids(session, context, step, records)
        price = step_price(session, step, ids).amount(ids)
    return {"type": step.entry.key, "params": step.action.get("params", {}), "price": price}


def _use_values(report: dict[str, Any], rule: AutomationRule, values: Facts) -> None:
    evaluator, node = ConditionEvaluator(), parse_conditions(rule.conditions, record_type=rule.record_type)
    met = evaluator.evaluate(node, values)
    report["conditions"] = evaluator.trace(node, values)
    for gate in report["gates"]:
        if gate["gate"] == "conditions":
            gate["result"] = "pass" if met else "stop"
            gate["message"] = (
                "The values meet the conditions." if met else "The values do not meet the conditions."
            )
    report["would_run"] = all(gate["result"] in ("pass", "not_applicable") for gate in report["gates"])
