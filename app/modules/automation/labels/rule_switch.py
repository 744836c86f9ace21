"""The switch of a rule on pages."""

from app.business.automation.services.catalogue.actions.registry import is_paid
from app.business.automation.services.rules.definition import RuleDefinition


def asks_first(rule: RuleDefinition, *, needs_approval: bool) -> bool:
    """Whether switching it on opens a page first, about existing records or credits, or to ask for approval."""
    is_asked = rule.trigger != "schedule" or is_paid(rule.actions) or (needs_approval and rule.mode == "live")
    return not rule.is_active and is_asked
