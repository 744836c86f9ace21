"""From conditions as their author wrote them to the tree for the records that they are about."""

from app.business.automation.services.conditions.nodes import Node
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.rule_parts import Conditions, Errors
from app.business.errors import Invalid


def tree_of(conditions: Conditions, record_type: str | None) -> Node:
    """Raises Invalid where they are not valid for records of that type, or not any more."""
    return parse_conditions(conditions.written, record_type=record_type)


def refusals_of(conditions: Conditions, record_type: str | None, path: str) -> Errors:
    """What `tree_of` raises, by field path within `path`; nothing where they are valid."""
    try:
        tree_of(conditions, record_type)
    except Invalid as refusal:
        return {path + place.removeprefix("conditions"): texts for place, texts in refusal.errors.items()}
    return {}
