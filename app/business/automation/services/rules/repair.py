"""Stored rules that are not valid any more: saved by an older version, or with references to deleted rows.

They are shown with their errors, and can be edited, switched off and archived like other rules.
"""

from collections.abc import Mapping
from copy import deepcopy

from app.business.automation.services.rule_parts import Stored
from app.business.automation.services.rules.definition import RuleDefinition, parse_definition
from app.business.automation.services.rules.references import Errors
from app.business.errors import Invalid

NEEDS_REPAIR = "This rule needs repair"


def faults_of(rule: RuleDefinition) -> Errors:
    """Validation errors of this definition, by path; references are not looked up."""
    # A version stored before a field existed does not contain it.
    return faults_of_stored(rule.model_dump(exclude_unset=True))


def faults_of_stored(definition: Stored) -> Errors:
    """The same of a definition as it is stored."""
    try:
        parse_definition(deepcopy({**definition}), shortest_interval_minutes=None)
    except Invalid as refusal:
        return refusal.errors
    return {}


def repair_sentence(errors: Mapping[str, list[str]]) -> str:
    """`This rule needs repair (trigger_options.rule_id): Rule 7 was not found.`"""
    path, sentences = next(iter(errors.items()))
    return f"{NEEDS_REPAIR} ({path}): {' '.join(sentences)}"
