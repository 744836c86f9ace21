"""Where the credits of a period went: by rule, by site and by action, from the daily sums."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.services.history.credit_days import used_by
from app.business.kept_queries import kept_queries
from app.business.periods import Period
from app.business.plain_rows import AnyUnion, plain_rows
from app.business.words_as_text import words_as_text

Key = TypeVar("Key", int, str)
KEPT = 64
"""Periods and scopes for which a process keeps the query."""


@dataclass(frozen=True)
class CreditUse:
    """Credits that runs used, by the ids of rules and sites, and by the types of actions.

    Site 0: no one site. Action "": a charge without a unit of work.
    """

    by_rule: Mapping[int, int]
    by_site: Mapping[int, int]
    by_action: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.by_rule.values())


def credit_use(session: Session, scope: Scope, period: Period, zone: str) -> CreditUse:
    """In one query; the highest use first."""
    by_rule, by_site, by_action = Counter[int](), Counter[int](), Counter[str]()
    for rule_id, site_id, action, used, _ in plain_rows(session, _use(scope, zone, tuple(period.dates))):
        by_rule[rule_id] += int(used)
        by_site[site_id] += int(used)
        by_action[action] += int(used)
    return CreditUse(_highest_first(by_rule), _highest_first(by_site), _highest_first(by_action))


@kept_queries(KEPT)
def _use(scope: Scope, zone: str, dates: tuple[date, ...]) -> AnyUnion:
    names = ("rule_id", "site_id", "action")
    if scope.sites is None:
        return words_as_text(used_by(names, scope.account_id, zone, dates))
    return words_as_text(
        used_by(names, scope.account_id, zone, dates, lambda of: [scope.is_seen(of.site_id)])
    )


def _highest_first(used: Counter[Key]) -> dict[Key, int]:
    return {key: credits for key, credits in used.most_common() if credits > 0}
