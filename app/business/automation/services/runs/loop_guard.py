"""The gate that stops loops of rules, and chains that are too deep."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Reason, ScheduledTask, Waiting
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.gate_verdict import Admission, Stop

MOST_DEPTH = 5
MOST_RUNS_FROM_ONE_ROOT = 300


def check_loop(session: Session, context: RunContext, _admission: Admission) -> str | Stop | None:
    """The chain does not contain the run's own rule, and is not too deep."""
    run, chain = context.run, context.detail.chain
    if not chain:
        return None
    if context.rule.id in chain:
        circle = _names(session, [*chain[chain.index(context.rule.id) :], context.rule.id])
        return Stop(
            Reason.LOOP, f"This rule led to itself ({circle}). Narrow its conditions so that it does not."
        )
    if run.depth > MOST_DEPTH:
        return Stop(
            Reason.LOOP, f"More than {MOST_DEPTH} rules in a row started one another. The chain stops here."
        )
    if run.depth >= 2 and not context.detail.options.get("reviewed"):
        runs = session.scalar(
            select(func.count())
            .select_from(ScheduledTask)
            .where(ScheduledTask.root_id == run.root_id, ScheduledTask.depth >= 2, ScheduledTask.id < run.id)
        )
        if (runs or 0) >= MOST_RUNS_FROM_ONE_ROOT:
            message = (
                f"More than {MOST_RUNS_FROM_ONE_ROOT} runs came from one start. A person has to say go on."
            )
            return Stop(Reason.LOOP, message, Waiting.REVIEW)
    return "No loop."


def _names(session: Session, rule_ids: list[int]) -> str:
    """Names of rules in the order in which each started the next."""
    query = select(AutomationRule.id, AutomationRule.name).where(AutomationRule.id.in_(rule_ids))
    names = {row[0]: row[1] for row in session.execute(query)}
    return " → ".join(f"“{names[rule_id]}”" for rule_id in rule_ids)
