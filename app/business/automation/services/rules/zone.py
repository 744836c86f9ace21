"""The scope in which a rule reads records, and the time zone of `now` in its conditions."""

from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import is_row_id
from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.field_types import RuleScope
from app.business.automation.services.rule_parts import Json, JsonObject
from app.business.planner.models import Site


def rule_scope(session: Session, rule: AutomationRule) -> RuleScope:
    account = session.get_one(Account, rule.account_id)
    return RuleScope(account.id, rule.site_id, rule.sector_id, account_zone=account.timezone)


def with_time_zone(session: Session, account: Account, data: JsonObject) -> JsonObject:
    """The rule as sent; a schedule without time zone gets that of the rule's site or account.

    Rules split by site may have none: then the time zone of each site is used.
    """
    schedule, site_id = data.get("schedule"), data.get("site")
    if data.get("trigger") != "schedule" or data.get("split_by") == "site" or not isinstance(schedule, dict):
        return data
    if schedule.get("timezone") is not None:
        return data
    own = select(Site.timezone).where(Site.account_id == account.id, Site.id == site_id)
    zone = session.scalar(own) if is_row_id(site_id) else None
    return data | {"schedule": schedule | {"timezone": zone or account.timezone}}


def rule_zone(session: Session, rule: AutomationRule) -> ZoneInfo:
    """Time zone of `now.hour` and similar fields in the rule's conditions."""
    return zone_of(session, rule.account_id, rule.site_id, rule.schedule.get("timezone"))


def zone_of(session: Session, account_id: int, site_id: int | None, named: Json) -> ZoneInfo:
    """The same of a rule on this site, whose schedule names this zone, if any."""
    site = session.get(Site, site_id) if site_id else None
    site_zone = site.timezone if site else None
    return ZoneInfo(str(named or site_zone or session.get_one(Account, account_id).timezone))
