"""The switch of a rule on pages."""

from app.business.automation.services.catalogue.actions.registry import is_paid
from app.business.automation.services.rules.definition import RuleDefinition


def asks_first(rule: RuleDefinition) -> bool:
    """Whether switching it on opens a confirmation page first, about existing records or credits."""
    return not rule.is_active and (rule.trigger != "schedule" or is_paid(rule.actions))
