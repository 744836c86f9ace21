"""Names of the account's rows that the rule form offers: sites, sectors, people, rules, webhooks."""

from dataclasses import dataclass, field
from operator import itemgetter

from sqlalchemy import CompoundSelect, Select, func, literal_column, select, union_all
from sqlalchemy.orm import Session

from app.business.accounts.models import User
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.schedules.cron_grammar import WEEKDAYS
from app.business.base import Text
from app.business.kept_queries import kept_queries
from app.business.outlets.services.webhooks import webhooks_of
from app.business.plain_rows import plain_rows
from app.business.planner.models import Site
from app.business.planner.services.record_lists import places

Named = list[tuple[str, str]]
DAYS = [(str(day), WEEKDAYS[day % 7]) for day in range(1, 8)]
"""1 is Monday."""
MOST_NAMED = 1_000
"""Rules that a choice offers."""
SCOPES = 256
"""For which a process keeps the queries ready: building one takes longer than its answer."""


@dataclass(frozen=True)
class Choices:
    """`places`: for a select of site or sector, grouped by site; `only`: the sites that the person is limited to."""

    sites: Named = field(default_factory=list)
    sectors: Named = field(default_factory=list)
    people: Named = field(default_factory=list)
    rules: Named = field(default_factory=list)
    webhooks: Named = field(default_factory=list)
    places: dict[str, Named] = field(default_factory=dict)
    site_of_sector: dict[int, int] = field(default_factory=dict)
    only: frozenset[int] | None = None

    def scope(self, account_id: int) -> Scope:
        return Scope(account_id, self.only)

    def named(self, reference: str) -> Named:
        """Choices for a field, so that nobody types an id; empty where a number is typed."""
        named = {"site": self.sites, "sector": self.sectors, "assignee": self.people, "now.weekday": DAYS}
        return named.get(reference, [])

    @property
    def lookups(self) -> dict[str, Named]:
        """Choices for the parameters of actions, by kind of row."""
        actions = [(entry.key, entry.label) for entry in CATALOGUE.values()]
        return {
            "site": self.sites,
            "person": self.people,
            "rule": self.rules,
            "webhook": self.webhooks,
            "action": actions,
        }


def load_choices(session: Session, scope: Scope) -> Choices:
    """In five queries."""
    found = places(session, scope)
    people = session.execute(
        select(User.id, User.name, User.email)
        .where(User.account_id == scope.account_id, User.is_active)
        .order_by(User.name)
    )
    return Choices(
        sites=[(str(site.id), site.name) for site, _ in found],
        sectors=[
            (str(sector.id), f"{site.name}: {sector.name}") for site, sectors in found for sector in sectors
        ],
        people=[(str(user_id), name or email) for user_id, name, email in people],
        rules=rule_names(session, scope),
        webhooks=[(str(hook.id), hook.name) for hook in webhooks_of(session, scope.account_id)],
        places={
            site.name: [(f"site:{site.id}", f"All of {site.name}")]
            + [(f"sector:{sector.id}", f"{site.name}: {sector.name}") for sector in sectors]
            for site, sectors in found
        },
        site_of_sector={sector.id: site.id for site, sectors in found for sector in sectors},
        only=scope.sites,
    )


def load_sites(session: Session, scope: Scope) -> Named:
    return [(str(site_id), name) for site_id, name in plain_rows(session, _sites(scope))]


@kept_queries(SCOPES)
def _sites(scope: Scope) -> Select[int, str]:
    return select(Site.id, Site.name).where(scope.sees(Site)).order_by(Site.name)


def rule_names(session: Session, scope: Scope) -> Named:
    """The rules in scope that are not archived, by name."""
    return [(str(rule_id), name) for rule_id, name in plain_rows(session, _rules(scope))]


@dataclass(frozen=True)
class FilterNames:
    """What runs can be filtered by: sites and rules in scope, and all people of the account, each by name."""

    sites: Named
    people: Named
    rules: Named


def filter_names(session: Session, scope: Scope) -> FilterNames:
    """In one query."""
    found: dict[str, list[tuple[str, int, str]]] = {"site": [], "person": [], "rule": []}
    for kind, id, name, shown in plain_rows(session, _names(scope)):
        found[kind].append((name, id, shown))
    of_kind = (sorted(found[kind], key=itemgetter(0)) for kind in ("site", "person", "rule"))
    return FilterNames(*([(str(id), shown) for _, id, shown in named] for named in of_kind))


@kept_queries(SCOPES)
def _names(scope: Scope) -> CompoundSelect[str, int, str, str]:
    """Of people what is shown may be another name than the one that they are sorted by."""
    rule, shown = _rules_by_name(scope).subquery().c, func.coalesce(func.nullif(User.name, ""), User.email)
    return union_all(
        select(literal_column("'site'", Text()), Site.id, Site.name, Site.name).where(scope.sees(Site)),
        select(literal_column("'person'", Text()), User.id, User.name, shown).where(
            User.account_id == scope.account_id
        ),
        select(literal_column("'rule'", Text()), rule.id, rule.name, rule.name),
    )


@kept_queries(SCOPES)
def _rules(scope: Scope) -> Select[int, str]:
    return _rules_by_name(scope)


def _rules_by_name(scope: Scope) -> Select[int, str]:
    return (
        select(AutomationRule.id, AutomationRule.name)
        .where(scope.sees(AutomationRule), AutomationRule.archived_at.is_(None))
        .order_by(AutomationRule.name)
        .limit(MOST_NAMED)
    )
