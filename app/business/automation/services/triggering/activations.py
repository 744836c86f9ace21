"""The periods in which a rule's planned times must have runs: by version, and by site with its time zone.

Planning, accounting and audit all read a rule's times from these periods, so that they cannot disagree.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.calendar_models import SiteCalendar
from app.business.automation.models import AutomationRule, RuleActivation
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.runs.due_rule import DueRule, StoredTimes
from app.business.automation.services.schedules.calendar import Schedule
from app.business.planner.models import Site, SiteStatus

MOST_AT_ONCE = 500
UNSPLIT = 0
"""Site id of rules that are not split."""

Place = tuple[int, str]
"""A site and its time zone."""


class SplitRule(NamedTuple):
    """Columns of a rule that is split by site."""

    id: int
    account_id: int
    site_id: int | None
    split_by: str
    schedule: JsonObject


def site_schedules(
    rule: RuleDefinition | DueRule | StoredTimes, zones: Mapping[str, str]
) -> dict[int, Schedule]:
    """The schedule of each site; one for site 0 where the rule is not split. Raises Invalid where it has none."""
    if rule.split_by != "site":
        return {UNSPLIT: rule.times}
    return {int(site_id): rule.times.in_zone(zone) for site_id, zone in zones.items()}


def zones_of(rule: RuleDefinition, sites: Sequence[Place]) -> dict[str, str]:
    """The sites that a split rule is planned for, each with the zone of its times."""
    if rule.split_by != "site":
        return {}
    return {str(site_id): rule.named_zone or zone for site_id, zone in sites if rule.site in (None, site_id)}


def open_span(session: Session, rule: AutomationRule, now: datetime) -> RuleActivation:
    """From `now` on the times of the rule's present version on its present sites must have runs."""
    zones = _zones(rule, active_sites(session, [rule.account_id])[rule.account_id])
    span = RuleActivation(
        account_id=rule.account_id, rule_id=rule.id, version=rule.version, from_at=now, zones=zones
    )
    session.add(span)
    session.flush()
    return span


def present_span(session: Session, rule_id: int) -> RuleActivation | None:
    """The open period; None where the rule has none."""
    return session.scalar(
        select(RuleActivation).where(RuleActivation.rule_id == rule_id, RuleActivation.to_at.is_(None))
    )


def close_span(session: Session, rule: AutomationRule, now: datetime) -> None:
    """End the open period: its version is not in force after `now`."""
    session.execute(
        update(RuleActivation)
        .where(
            RuleActivation.account_id == rule.account_id,
            RuleActivation.rule_id == rule.id,
            RuleActivation.to_at.is_(None),
        )
        .values(to_at=now)
    )


@dataclass(frozen=True)
class InForce:
    """The open period of a rule. may_be_closed: whether its account has calendars."""

    zones: dict[str, str]
    may_be_closed: bool


def in_force(session: Session, rule_ids: Iterable[int]) -> dict[int, InForce]:
    """The open period of each rule that has one."""
    calendars = select(SiteCalendar.id).where(SiteCalendar.account_id == RuleActivation.account_id)
    query = select(RuleActivation.rule_id, RuleActivation.zones, calendars.exists())
    spans = query.where(RuleActivation.rule_id.in_(list(rule_ids)), RuleActivation.to_at.is_(None))
    return {
        rule_id: InForce(zones, may_be_closed) for rule_id, zones, may_be_closed in session.execute(spans)
    }


def present_zones(session: Session, rule_ids: Iterable[int]) -> dict[int, dict[str, str]]:
    """The zones of the open period of each rule that has one."""
    if not (ids := list(rule_ids)):
        return {}
    query = select(RuleActivation.rule_id, RuleActivation.zones)
    spans = query.where(RuleActivation.rule_id.in_(ids), RuleActivation.to_at.is_(None))
    return dict(iter(session.execute(spans)))


def outdated_rules(session: Session) -> list[int]:
    """Rules planned for sites or zones that have changed since, or whose account was paused since."""
    split = [SplitRule(*row) for row in session.execute(_split_rules())]
    return [*_planned_though_paused(session), *_moved(session, split)]


def _planned_though_paused(session: Session) -> Sequence[int]:
    paused = session.scalars(select(Account.id).where(Account.paused_at.is_not(None))).all()
    if not paused:
        return []
    rules = select(AutomationRule.id).where(AutomationRule.account_id.in_(paused))
    return session.scalars(rules.where(AutomationRule.unplanned_from.is_not(None))).all()


def _split_rules() -> Select[int, int, int | None, str, JsonObject]:
    rule = AutomationRule
    by_site = rule.split_by == bindparam(None, "site", literal_execute=True)
    return select(rule.id, rule.account_id, rule.site_id, rule.split_by, rule.schedule).where(by_site)


def _moved(session: Session, rules: Sequence[SplitRule]) -> Iterator[int]:
    """Rules split by site whose sites or zones differ from those of their open period."""
    places = active_sites(session, {rule.account_id for rule in rules}) if rules else {}
    for start in range(0, len(rules), MOST_AT_ONCE):
        part = rules[start : start + MOST_AT_ONCE]
        planned = present_zones(session, [rule.id for rule in part])
        for rule in part:
            if rule.id in planned and planned[rule.id] != _zones(rule, places[rule.account_id]):
                yield rule.id


def _zones(rule: SplitRule | AutomationRule, places: Sequence[Place]) -> dict[str, str]:
    if rule.split_by != "site":
        return {}
    named = rule.schedule.get("timezone")
    own = named if isinstance(named, str) else ""
    return {str(site_id): own or zone for site_id, zone in places if rule.site_id in (None, site_id)}


def active_sites(session: Session, account_ids: Iterable[int]) -> dict[int, list[Place]]:
    """The active sites of the accounts, each with its own zone or that of its account."""
    query = (
        select(Site.account_id, Site.id, Site.timezone, Account.timezone)
        .join(Account, Account.id == Site.account_id)
        .where(Site.account_id.in_(list(account_ids)), Site.status == SiteStatus.ACTIVE)
        .order_by(Site.id)
    )
    places: dict[int, list[Place]] = defaultdict(list)
    for account_id, site_id, own, account_zone in session.execute(query):
        places[account_id].append((site_id, own or account_zone))
    return places
