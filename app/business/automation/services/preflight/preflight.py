"""Looking a rule over before it is switched on: what would keep it from working, or make it work too much.

Nothing is written, and a handful of queries suffice however many rules and records there are.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.services.preflight.preflight_conditions import condition_findings
from app.business.automation.services.preflight.preflight_finding import Finding, Level
from app.business.automation.services.preflight.preflight_ids import id_findings
from app.business.automation.services.preflight.preflight_money import money_findings
from app.business.automation.services.preflight.preflight_neighbours import loop_findings, overlap_findings
from app.business.automation.services.preflight.preflight_start import start_findings
from app.business.automation.services.preflight.preflight_texts import text_findings
from app.business.automation.services.preflight.rule_graph import RuleGraph, active_rules
from app.business.automation.services.rules.rule_definition import RuleDefinition
from app.business.errors import Blocked, Invalid

__all__ = ["Finding", "Level", "look_over", "require_ready"]


def look_over(
    session: Session, account: Account, rule: RuleDefinition, now: datetime, rule_id: int | None = None
) -> list[Finding]:
    """Everything found in the rule as it would be when it is on, the gravest first.

    `rule_id`: the saved rule whose place it takes.
    """
    try:
        found = [*condition_findings(rule), *start_findings(session, account, rule, now)]
        others = active_rules(session, account.id, rule_id)
        graph = RuleGraph.around(rule, rule_id, others)
        found += [*id_findings(session, account.id, rule), *text_findings(rule)]
        found += money_findings(session, account, rule, others)
        found += [*loop_findings(graph), *overlap_findings(graph.start, others)]
    except Invalid as refusal:
        path = next(iter(refusal.errors), "")
        sentence, advice = f"This rule needs repair: {refusal.message}", "Edit it and save it again."
        return [Finding("rule_invalid", Level.STOP, sentence, advice, path)]
    order = list(Level)
    return sorted(found, key=lambda finding: order.index(finding.level))


def require_ready(
    session: Session, account: Account, rule: RuleDefinition, now: datetime, rule_id: int | None = None
) -> None:
    """Raise Blocked, with its sentences by field, when something found forbids to switch the rule on."""
    errors: dict[str, list[str]] = {}
    for finding in look_over(session, account, rule, now, rule_id):
        if finding.level is Level.STOP:
            errors.setdefault(finding.field, []).append(f"{finding.sentence} {finding.advice}")
    if errors:
        raise Blocked(errors)
