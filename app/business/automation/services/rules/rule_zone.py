"""Where a rule reads records, and the zone in which it reads `now`."""

from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.field_types import Scope
from app.business.planner.models import Site


def rule_scope(rule: AutomationRule) -> Scope:
    """What the rule may read."""
    return Scope(rule.account_id, rule.site_id, rule.sector_id)


def rule_zone(session: Session, rule: AutomationRule) -> ZoneInfo:
    """Zone for `now.hour` and its like in the rule's conditions."""
    site = session.get(Site, rule.site_id) if rule.site_id else None
    site_zone = site.timezone if site else None
    named = rule.schedule.get("timezone") or site_zone
    return ZoneInfo(named or session.get_one(Account, rule.account_id).timezone)
