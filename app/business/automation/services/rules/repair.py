"""Stored rules that are not valid any more: saved by an older version, or with references to deleted rows.

They are shown with their errors, and can be edited, switched off and archived like other rules.
"""

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import lru_cache

from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.rules.definition import RuleDefinition, parse_definition
from app.business.automation.services.rules.references import Errors, unknown_references
from app.business.automation.services.rules.versions import definition_of
from app.business.errors import Invalid

NEEDS_REPAIR = "This rule needs repair"
REMEMBERED = 2000
"""Definitions whose faults a process remembers."""


def faults_of(rule: AutomationRule | RuleDefinition) -> Errors:
    """Validation errors of this rule or definition, by path; references are not looked up."""
    if isinstance(rule, AutomationRule):
        return dict(_faults_of_stored(json.dumps(definition_of(rule))))
    # A version stored before a field existed does not contain it.
    return _faults(rule.model_dump(exclude_unset=True))


@lru_cache(maxsize=REMEMBERED)
def _faults_of_stored(definition: str) -> Errors:
    """Lists check every rule that they show, and hardly any has changed since they did."""
    return _faults(json.loads(definition))


def _faults(definition: JsonObject) -> Errors:
    try:
        parse_definition(deepcopy(definition), shortest_interval_minutes=None)
    except Invalid as refusal:
        return refusal.errors
    return {}


def faults_of_rules(session: Session, account_id: int, rules: Iterable[AutomationRule]) -> dict[int, Errors]:
    """The errors of each rule that needs repair, including references to missing rows."""
    listed = list(rules)
    unknown = unknown_references(
        session, Scope(account_id), {rule.id: definition_of(rule) for rule in listed}
    )
    found = {rule.id: faults_of(rule) or unknown[rule.id] for rule in listed}
    return {rule_id: errors for rule_id, errors in found.items() if errors}


def repair_sentence(errors: Mapping[str, list[str]]) -> str:
    """`This rule needs repair (trigger_options.rule_id): Rule 7 was not found.`"""
    path, sentences = next(iter(errors.items()))
    return f"{NEEDS_REPAIR} ({path}): {' '.join(sentences)}"
