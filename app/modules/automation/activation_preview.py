"""Shown before a rule is switched on: its effect on credits, and the daily ceiling proposed to owners."""

from datetime import datetime

from flask import request

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.actions.registry import is_paid
from app.business.automation.services.forecast import daily_ceiling
from app.business.automation.services.forecast.addition import addition
from app.business.automation.services.rules.definition import RuleDefinition
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.automation.labels.findings import RuleCheck
from app.modules.web import Context


def context(definition: RuleDefinition, now: datetime, rule: AutomationRule | None = None) -> Context:
    """`adds`: an Addition; `ceiling`: proposed credits per day for owners to confirm, else None."""
    account = current_person().account
    return {
        "adds": addition(db.session(), account, definition, now, rule),
        "ceiling": _proposal(rule) if is_paid(definition.actions) else None,
    }


def without_offered(check: RuleCheck, ahead: Context) -> RuleCheck:
    """The check without the finding that the account has no ceiling, where `ahead`, the `context`, proposes one."""
    return check.without("no_daily_ceiling") if ahead.get("ceiling") is not None else check


def keep_ceiling(now: datetime, rule: AutomationRule | None = None) -> None:
    """Set the proposed ceiling if an owner has left its box ticked. Call it before switching the rule on."""
    person = current_person()
    ceiling = _proposal(rule) if request.form.get("ceiling") == "1" else None
    if ceiling is not None:
        daily_ceiling.set_ceiling(db.session(), person.account, ceiling, person.actor, now)


def _proposal(rule: AutomationRule | None) -> int | None:
    person = current_person()
    if not person.can(Role.OWNER) or person.scope.sites is not None:
        return None
    return daily_ceiling.proposed_ceiling(db.session(), person.account, rule.id if rule else None)
