"""Which calendar the planned times of a rule follow: that of its site, else the account's.

A rule over all sites follows the account's calendar; one that is split by site follows each site's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.calendar_models import SiteCalendar
from app.business.automation.services.calendars.closed_times import ALWAYS_OPEN, ClosedRule
from app.business.automation.services.calendars.opening_times import OpeningTimes
from app.business.automation.services.calendars.working_calendar import stored_calendar
from app.business.kept_queries import kept_queries
from app.business.plain_rows import AnyColumns, plain_rows
from app.business.planner.models import Site
from app.business.sql_functions import is_among

OF_ACCOUNT = "the account's calendar"
OF_NO_SITE = 0
Place = tuple[int, int]
"""Account and site, `OF_NO_SITE` for rules over all of them."""


@kept_queries(1)
def _calendars() -> AnyColumns:
    of = SiteCalendar
    return select(of.account_id, of.site_id, of.definition).where(
        is_among(of.account_id, "accounts"), of.definition.is_not(None)
    )


class PlacedRule(Protocol):
    """What of a rule decides on its calendar."""

    @property
    def account_id(self) -> int: ...
    @property
    def site_id(self) -> int | None: ...
    @property
    def on_closed_days(self) -> str: ...


@dataclass(frozen=True)
class RulePlace:
    """The same of a rule that is not saved."""

    account_id: int
    site_id: int | None
    on_closed_days: str


@dataclass(frozen=True)
class ClosedRules:
    """The calendars of some accounts, by place."""

    openings: Mapping[Place, OpeningTimes] = field(default_factory=dict)

    def of(self, rule: PlacedRule, split_site_id: int = OF_NO_SITE) -> ClosedRule:
        """How the rule's planned times follow their calendar, on one of its sites where it is split by them."""
        opening = self.openings.get((rule.account_id, split_site_id or rule.site_id or OF_NO_SITE))
        return ClosedRule(opening, rule.on_closed_days) if opening else ALWAYS_OPEN


def closed_rules(session: Session, rules: Iterable[PlacedRule]) -> ClosedRules:
    """The calendars that may apply to these rules: one query, a second one where there are calendars."""
    account_ids = {rule.account_id for rule in rules}
    return ClosedRules(openings_of(session, account_ids) if account_ids else {})


def openings_of(session: Session, account_ids: Iterable[int]) -> dict[Place, OpeningTimes]:
    """The opening times of each site and of each account as a whole, where a calendar applies."""
    found = {
        (account_id, site_id or OF_NO_SITE): stored_calendar(definition)
        for account_id, site_id, definition in plain_rows(
            session, _calendars(), {"accounts": list(account_ids)}
        )
        if definition is not None
    }
    if not found:
        return {}
    openings: dict[Place, OpeningTimes] = {}
    places = (
        select(Account.id, Account.timezone, Site.id, Site.name, Site.timezone)
        .outerjoin(Site, Site.account_id == Account.id)
        .where(Account.id.in_({account_id for account_id, _ in found}))
    )
    for account_id, zone, site_id, name, own_zone in session.execute(places):
        general = found.get((account_id, OF_NO_SITE))
        if general:
            openings[account_id, OF_NO_SITE] = OpeningTimes(general, zone, "The account", "its calendar")
        if site_id is None:
            continue
        own = found.get((account_id, site_id))
        if calendar := own or general:
            source = f"the calendar of {name}" if own else OF_ACCOUNT
            openings[account_id, site_id] = OpeningTimes(calendar, own_zone or zone, "The site", source)
    return openings
