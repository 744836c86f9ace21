"""Copies a rule: the same definition under a free name, switched off."""

from copy import deepcopy
from datetime import datetime

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.rules.naming import free_name
from app.business.automation.services.rules.versions import definition_of


def copy_rule(session: Session, rule: AutomationRule, actor: Actor, now: datetime) -> AutomationRule:
    """Save the copy; the audit log references the original. Raises Invalid where the rule is not valid any more."""
    account = session.get_one(Account, rule.account_id)
    data = copied_definition(session, rule)
    return AutomationService().create_rule(session, account, data, actor, now, origin={"copy_of": rule.id})


def copied_definition(session: Session, rule: AutomationRule) -> JsonObject:
    """The definition of the copy."""
    name = free_name(session, rule.account_id, f"Copy of {rule.name}")
    return deepcopy(definition_of(rule)) | {"name": name, "is_active": False}
