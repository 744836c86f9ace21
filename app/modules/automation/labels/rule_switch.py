"""What the switch of a rule does when it is pressed."""

from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.actions.registry import is_paid, stored_actions


def asks_first(rule: AutomationRule) -> bool:
    """Whether switching it on opens a page that says what it would do to records that are here, or cost."""
    return not rule.is_active and (rule.trigger != "schedule" or is_paid(stored_actions(rule.actions)))
