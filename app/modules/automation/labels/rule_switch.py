"""The switch of a rule on pages."""

from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.actions.registry import is_paid, stored_actions


def asks_first(rule: AutomationRule) -> bool:
    """Whether switching it on opens a confirmation page first, about existing records or credits."""
    return not rule.is_active and (rule.trigger != "schedule" or is_paid(stored_actions(rule.actions)))
