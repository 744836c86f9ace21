"""The subject of a replay: one definition of a rule over one period of the past."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select

from app.business.accounts.models import Account
from app.business.automation.services.calendars.applied_calendars import ClosedRules, openings_of
from app.business.automation.services.catalogue.field_types import RuleScope
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.transactions import Transaction
from app.business.planner.models import Site, SiteStatus

OnProgress = Callable[[int], None]
"""Called with the number of events or planned times just processed; may raise to stop the replay."""


@dataclass(frozen=True)
class Trial:
    """`rule_id`: the saved rule that is tested or changed; None for a rule that is not saved.

    sites: id -> time zone of the account's active sites · closed: the account's present calendars.
    """

    account_id: int
    account_zone: ZoneInfo
    sites: dict[int, str]
    site_zones: dict[int, str | None]
    rule_id: int | None
    definition: RuleDefinition
    start: datetime
    until: datetime
    closed: ClosedRules = field(default_factory=ClosedRules)

    @property
    def scope(self) -> RuleScope:
        place = self.definition.site, self.definition.sector
        return RuleScope(self.account_id, *place, account_zone=self.account_zone.key)

    def zone(self, site_id: int = 0) -> ZoneInfo:
        """The zone of `now` in conditions: the schedule's, else the site's, else the account's."""
        of_site = self.site_zones.get(site_id or self.definition.site or 0)
        named = self.definition.named_zone or of_site
        return ZoneInfo(named) if named else self.account_zone


def make_trial(
    read: Transaction,
    *,
    account_id: int,
    rule_id: int | None,
    definition: RuleDefinition,
    start: datetime,
    until: datetime,
) -> Trial:
    """The trial with the account's present sites and zones."""
    with read() as session:
        account_zone = session.scalars(select(Account.timezone).where(Account.id == account_id)).one()
        active = select(Site.id, Site.timezone).where(
            Site.account_id == account_id, Site.status == SiteStatus.ACTIVE
        )
        zones = dict(session.execute(active.order_by(Site.id)).all())
        closed = ClosedRules(openings_of(session, [account_id]))
    sites = {site_id: zone or account_zone for site_id, zone in zones.items()}
    return Trial(account_id, ZoneInfo(account_zone), sites, zones, rule_id, definition, start, until, closed)
