"""A copy of a rule: all it says, under a name of its own, switched off."""

from copy import deepcopy
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.rule_versions import definition_of

LONGEST_NAME = 255


def copy_rule(session: Session, rule: AutomationRule, actor: Actor, now: datetime) -> AutomationRule:
    """Save the copy; the audit log names the original. Raises Invalid where the rule no longer reads."""
    account = session.get_one(Account, rule.account_id)
    data = copied_definition(session, rule)
    return AutomationService().create_rule(session, account, data, actor, now, origin={"copy_of": rule.id})


def copied_definition(session: Session, rule: AutomationRule) -> dict[str, Any]:
    """What the copy would say."""
    name = _free_name(session, rule)
    return deepcopy(definition_of(rule)) | {"name": name, "is_active": False}


def _free_name(session: Session, rule: AutomationRule) -> str:
    """`Copy of Nightly clusters`, then `Copy of Nightly clusters (2)`."""
    names = select(AutomationRule.name).where(AutomationRule.account_id == rule.account_id)
    taken = set(session.scalars(names.where(AutomationRule.name.startswith("Copy of ", autoescape=True))))
    tails = ("" if number == 1 else f" ({number})" for number in count(1))
    base = f"Copy of {rule.name}"
    return next(
        name for tail in tails if (name := base[: LONGEST_NAME - len(tail)].rstrip() + tail) not in taken
    )
