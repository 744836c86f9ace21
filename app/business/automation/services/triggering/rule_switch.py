"""Switching rules on and off, by people, by the API and by other rules: one way for all of them."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.services.rules.rule_versions import keep_version
from app.business.automation.services.triggering.planning import replan


def switch(
    session: Session, rule: AutomationRule, on: bool, now: datetime, user_id: int | None = None
) -> bool:
    """Turn the rule on or off; time switched off owes nothing. False when it already was so."""
    if rule.is_active == on:
        return False
    rule.is_active = on
    keep_version(session, rule, now, user_id)
    replan(session, rule, now)
    return True
