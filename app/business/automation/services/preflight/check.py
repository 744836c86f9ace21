"""The preflight check of a rule: what would keep it from working, or make it do too much.

Read-only, with a few queries whatever the number of rules and records.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.services.preflight.condition_findings import condition_findings
from app.business.automation.services.preflight.finding import Finding, Level
from app.business.automation.services.preflight.money_findings import money_findings
from app.business.automation.services.preflight.neighbour_findings import loop_findings, overlap_findings
from app.business.automation.services.preflight.reference_findings import id_findings
from app.business.automation.services.preflight.rule_graph import RuleGraph, active_rules
from app.business.automation.services.preflight.start_findings import start_findings
from app.business.automation.services.preflight.text_findings import text_findings
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.rules.references import Errors
from app.business.automation.services.rules.repair import NEEDS_REPAIR, faults_of
from app.business.automation.services.rules.restraint import only_restrains
from app.business.errors import Blocked, Invalid

__all__ = ["Finding", "Level", "brought_by_change", "preflight_check", "require_no_worse", "require_ready"]


def preflight_check(
    session: Session,
    account: Account,
    rule: RuleDefinition,
    now: datetime,
    rule_id: int | None = None,
    *,
    faults: Errors | None = None,
) -> list[Finding]:
    """All findings about the rule as if it were on, the most serious first.

    `rule_id`: the saved rule that it replaces. `faults`: what is not valid in it, where that is known already.
    """
    if faults := faults_of(rule) if faults is None else faults:
        texts = list(text_findings(rule))
        said = {finding.field for finding in texts}
        return texts + [_invalid(path, " ".join(found)) for path, found in faults.items() if path not in said]
    try:
        found = [*condition_findings(rule), *start_findings(session, account, rule, now)]
        others = active_rules(session, account.id, rule_id)
        graph = RuleGraph.around(rule, rule_id, others)
        found += [*id_findings(session, account.id, rule), *text_findings(rule)]
        found += money_findings(session, account, rule, others)
        found += [*loop_findings(graph), *overlap_findings(graph.start, others)]
    except Invalid as refusal:
        return [_invalid(next(iter(refusal.errors), ""), refusal.message)]
    order = list(Level)
    return sorted(found, key=lambda finding: order.index(finding.level))


def require_ready(
    session: Session, account: Account, rule: RuleDefinition, now: datetime, rule_id: int | None = None
) -> None:
    """Raise Blocked, with sentences by field, when a finding forbids switching the rule on."""
    _refuse(preflight_check(session, account, rule, now, rule_id))


def require_no_worse(
    session: Session,
    account: Account,
    before: RuleDefinition,
    rule: RuleDefinition,
    now: datetime,
    rule_id: int,
) -> None:
    """Raise Blocked for findings that a change of an active rule newly causes and that forbid switching it on."""
    _refuse(brought_by_change(session, account, before, rule, now, rule_id))


def brought_by_change(
    session: Session,
    account: Account,
    before: RuleDefinition,
    rule: RuleDefinition,
    now: datetime,
    rule_id: int,
) -> list[Finding]:
    """Findings that forbid switching the rule on and are new with this change; restraining changes cause none."""
    if only_restrains(before.model_dump(mode="json"), rule.model_dump(mode="json")):
        return []
    stops = [one for one in preflight_check(session, account, rule, now, rule_id) if one.level is Level.STOP]
    if not stops:
        return []
    known = {(old.code, old.field) for old in preflight_check(session, account, before, now, rule_id)}
    return [finding for finding in stops if (finding.code, finding.field) not in known]


def _refuse(findings: Iterable[Finding]) -> None:
    errors: dict[str, list[str]] = {}
    for finding in findings:
        if finding.level is Level.STOP:
            errors.setdefault(finding.field, []).append(f"{finding.sentence} {finding.advice}")
    if errors:
        raise Blocked(errors)


def _invalid(path: str, sentence: str) -> Finding:
    advice = "Edit it and save it again."
    return Finding("rule_invalid", Level.STOP, f"{NEEDS_REPAIR}: {sentence}", advice, path)
