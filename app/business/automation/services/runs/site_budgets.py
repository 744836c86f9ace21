"""Credits by site: the price of a record counts for the month of its own site, whatever the rule's scope.

An exhausted site budget affects the site's own records only: they are left out, and those of other sites continue.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.archived_rows import WITH_ARCHIVED
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.pricing import known_prices, longest_within
from app.business.automation.services.runs.unit_receipts import Unit
from app.business.billing.models import BudgetScope
from app.business.billing.services.credit_service import Budget, CreditService, Shortfall
from app.business.billing.services.spend_counters import rooms
from app.business.planner.models import Sector, Site

CHUNK = 5000
LATER = {True: "They follow when it allows.", False: "They wait for the next planned time."}
Prices = Callable[[list[int]], Mapping[int, int]]
"""Returns the upper bound of the credits of the given records, by site."""


@dataclass
class SiteFit:
    """`ids`: what the sites' budgets pay for · `left_out`: the others by site · `full`: sites whose budget pays for
    none."""

    ids: list[int]
    left_out: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    full: set[int] = field(default_factory=set)
    shortfall: Shortfall | None = None

    @property
    def all_left_out(self) -> list[int]:
        """The records left out, of all sites."""
        return [record_id for ids in self.left_out.values() for record_id in ids]


def sites_of(session: Session, record_type: str | None, ids: Sequence[int]) -> dict[int, int]:
    """The site of each record, including archived ones, for which credits may be held."""
    if record_type is None:
        return {}
    model, sites = MODELS[record_type], dict[int, int]()
    for start in range(0, len(ids), CHUNK):
        rows = session.execute(
            select(model.id, model.site_id).where(model.id.in_(ids[start : start + CHUNK])),
            execution_options=WITH_ARCHIVED,
        )
        sites.update((record_id, site_id) for record_id, site_id in rows)
    return sites


def site_of(session: Session, unit: Unit) -> int | None:
    """The site whose month the unit's charge counts for; None for a unit without records."""
    if unit.record_type == "run":
        return None
    model = Sector if unit.record_type == "sector" else MODELS[unit.record_type]
    place = select(model.site_id).where(model.id == unit.record_id)
    return session.scalar(place, execution_options=WITH_ARCHIVED)


def price_by_site(session: Session, context: RunContext, records: list[int]) -> Counter[int]:
    """Upper bound of the credits of all unfinished units whose records are known now, by site."""
    total: Counter[int] = Counter()
    for price, ids in known_prices(session, context, records):
        total.update(price.by_site(ids, sites_of(session, price.step.record_type, ids)))
    return total


def within_rooms(
    session: Session, context: RunContext, record_type: str | None, ids: list[int], prices: Prices
) -> SiteFit:
    """What the sites' budgets would pay for now. Not binding: only `hold` reserves credits."""
    fit, by_site = SiteFit(ids), prices(ids)
    for site_id, room in rooms(session, context.account.id, _budgets(session, context, by_site)).items():
        if by_site[site_id] > room:
            _leave_out(fit, sites_of(session, record_type, ids), site_id, room, prices)
    return fit


def hold(
    session: Session, context: RunContext, record_type: str | None, ids: list[int], prices: Prices
) -> SiteFit:
    """Reserve the price of the records, except those that their site's budget does not pay for.

    If credits or another budget are short, or all sites are exhausted, nothing is reserved.
    """
    fit = SiteFit(ids)
    while True:
        shortfall, before = _hold(session, context, prices(fit.ids)), len(fit.ids)
        budget = shortfall.budget if shortfall else None
        if shortfall and budget and budget.scope == BudgetScope.SITE:
            sites = sites_of(session, record_type, fit.ids)
            _leave_out(fit, sites, budget.scope_id, shortfall.available, prices)
        if len(fit.ids) == before or not fit.ids:
            return SiteFit(ids, shortfall=shortfall) if shortfall else fit


def _hold(session: Session, context: RunContext, by_site: Mapping[int, int]) -> Shortfall | None:
    return CreditService().hold(
        session,
        account_id=context.account.id,
        run_id=context.run.id,
        amount=sum(by_site.values()),
        budgets=[*context.budgets, *_budgets(session, context, by_site)],
        now=context.now,
    )


def capped(prices: Prices, most: int) -> Prices:
    """Prices limited to `most` credits in total: units are then charged within the hold."""

    def within(ids: list[int]) -> dict[int, int]:
        left, by_site = most, {}
        for site_id, amount in sorted(prices(ids).items()):
            by_site[site_id] = min(amount, left)
            left -= by_site[site_id]
        return by_site

    return within


def notes_of(
    session: Session, context: RunContext, record_type: str | None, left_out: Mapping[int, Sequence[int]]
) -> list[str]:
    """For each site: the number of records its budget left out, and when they are processed."""
    if not left_out:
        return []
    names = dict(session.execute(select(Site.id, Site.name).where(Site.id.in_(left_out))).all())
    return [
        f"{plural(len(ids), record_type)} of {names[site_id]} left out: the site's monthly budget is used up. "
        f"{LATER[context.is_followed]}"
        for site_id, ids in left_out.items()
        if ids
    ]


def _budgets(session: Session, context: RunContext, by_site: Mapping[int, int]) -> list[Budget]:
    if not by_site:
        return []
    sites = session.execute(select(Site.id, Site.name, Site.monthly_budget).where(Site.id.in_(by_site)))
    month = f"{context.spending_day:%Y-%m}"
    return [
        Budget(BudgetScope.SITE, site_id, month, limit, by_site[site_id], f"{name}'s monthly budget")
        for site_id, name, limit in sites
    ]


def _leave_out(fit: SiteFit, sites: Mapping[int, int], site_id: int, room: int, prices: Prices) -> None:
    """Keep the site's first records, as many as `room` credits pay for."""
    mine = [record_id for record_id in fit.ids if sites.get(record_id) == site_id]
    kept = set(longest_within(lambda some: prices(some).get(site_id, 0), mine, room))
    out = [record_id for record_id in mine if record_id not in kept]
    dropped = set(out)
    fit.ids = [record_id for record_id in fit.ids if record_id not in dropped]
    fit.left_out[site_id] += out
    if out and not kept:
        fit.full.add(site_id)
