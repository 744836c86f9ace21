"""Findings about a rule's conditions, and about actions that never find a record."""

from collections.abc import Iterator

from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.conditions.analysis.findings import remarks_on
from app.business.automation.services.preflight.finding import Finding, Level
from app.business.automation.services.preflight.rule_effects import RuleEffects
from app.business.automation.services.rules.definition import RuleDefinition

LEVELS = {"never": Level.STOP, "never_branch": Level.WARN}
ADVICE = {
    "never": "Change or remove one of them; as it is, the rule would never do anything.",
    "never_branch": "Change it or take it out.",
    "always": "Take them out, or ask for what you meant.",
    "twice": "Keep one of them.",
    "needless": "Take it out, or check which of the two you meant.",
}


def condition_findings(rule: RuleDefinition) -> Iterator[Finding]:
    """Conditions that never or always hold, contradict or repeat one another; actions without possible input."""
    node = rule.tree
    remarks = remarks_on(node, rule.subject)
    for remark in remarks:
        level = LEVELS.get(remark.code, Level.HINT)
        yield Finding(f"conditions_{remark.code}", level, remark.sentence, ADVICE[remark.code], "conditions")
    if not any(remark.code == "never" for remark in remarks):
        yield from _idle(rule)


def _idle(rule: RuleDefinition) -> Iterator[Finding]:
    working = RuleEffects(rule).always_working
    idle = [index for index in range(len(rule.actions)) if index not in working]
    level = Level.STOP if len(idle) == len(rule.actions) else Level.WARN
    for index in idle:
        label = CATALOGUE[rule.actions[index].type].label
        sentence = (
            f"Action {index + 1} ({label}) never has anything to do: "
            "it leaves out every record that the conditions let through."
        )
        advice = "Compare the status in the conditions with the status that this action needs."
        yield Finding("action_idle", level, sentence, advice, f"actions[{index}]")
