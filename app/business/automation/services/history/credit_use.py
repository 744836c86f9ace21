"""Where the credits of a period went: by rule and by site, from the daily sums."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.services.history.credit_days import sources
from app.business.periods import Period
from app.business.plain_rows import plain_rows

KEPT = 64
"""Periods and scopes for which a process keeps the query."""


@dataclass(frozen=True)
class CreditUse:
    """Credits that runs used, by the ids of rules and sites; site 0: no one site."""

    by_rule: Mapping[int, int]
    by_site: Mapping[int, int]

    @property
    def total(self) -> int:
        return sum(self.by_rule.values())


def credit_use(session: Session, scope: Scope, period: Period, zone: str) -> CreditUse:
    """In one query; the highest use first."""
    by_rule, by_site = Counter[int](), Counter[int]()
    for rule_id, site_id, used in plain_rows(session, _use(scope, zone, tuple(period.dates))):
        by_rule[rule_id] += int(used)
        by_site[site_id] += int(used)
    return CreditUse(_highest_first(by_rule), _highest_first(by_site))


@lru_cache(maxsize=KEPT)
def _use(scope: Scope, zone: str, dates: tuple[date, ...]) -> Select[int, int, int]:
    of = sources(scope.account_id, zone, dates).c
    query = select(of.rule_id, of.site_id, func.sum(of.used)).group_by(of.rule_id, of.site_id)
    return query if scope.sites is None else query.where(of.site_id.in_(sorted(scope.sites)))


def _highest_first(used: Counter[int]) -> dict[int, int]:
    return {id: credits for id, credits in used.most_common() if credits > 0}
