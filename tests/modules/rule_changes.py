"""Changes of a rule, each of which makes a version."""

from typing import Any

from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.versions import definition_of
from tests.factories import NOW

VOLUME = {"all": [{"field": "volume", "operator": "gte", "value": 800}]}


def change(session: Session, rule: AutomationRule, user_id: int | None, **changes: Any) -> None:
    """Save a new version, committed."""
    data = definition_of(rule) | changes
    AutomationService().update_rule(session, rule, data, Actor(user_id), NOW)
    session.commit()
