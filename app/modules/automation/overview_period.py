"""What the dashboard shows: the last hours or days, of all that a person sees or of one site, as the address says."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from flask import request

from app.business.accounts.services.scope import Scope
from app.business.periods import Period, last_days
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.automation.rule_form.choices import Named, load_sites
from app.modules.navigation import address_of

PERIODS = {"1": "24 hours", "7": "7 days", "30": "30 days", "90": "90 days"}
USUAL = "30"


@dataclass(frozen=True)
class Overview:
    """The chosen period and site. `sites`: those to choose from, by number and name."""

    days: str
    site: str
    sites: Named
    scope: Scope
    zone: str
    period: Period

    @property
    def words(self) -> str:
        """`last 30 days`, for headings."""
        return f"last {PERIODS[self.days]}"

    @property
    def site_name(self) -> str | None:
        return dict(self.sites).get(self.site)

    @property
    def kept(self) -> dict[str, Any]:
        """The choice as parameters of an address; nothing for what is usual."""
        chosen = {"days": self.days if self.days != USUAL else "", "site": self.site}
        return {name: value for name, value in chosen.items() if value}

    def url(self, **changes: Any) -> str:
        """The dashboard with another choice."""
        query = urlencode(replace(self, **changes).kept)
        return address_of("automation.dashboard") + (f"?{query}" if query else "")


def chosen_overview(now: datetime, sites: Named | None = None) -> Overview:
    """From the address; what is not to be seen, or no period, is as if nothing was chosen. sites: those that the person
    sees, where the page has read them already."""
    person = current_person()
    sites = load_sites(db.session(), person.scope) if sites is None else sites
    site, days = request.args.get("site", ""), request.args.get("days", "")
    site = site if site in dict(sites) else ""
    days = days if days in PERIODS else USUAL
    zone = person.account.timezone
    scope = Scope(person.account.id, frozenset([int(site)])) if site else person.scope
    return Overview(days, site, sites, scope, zone, last_days(int(days), zone, now))
