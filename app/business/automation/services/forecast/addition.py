"""The effect of switching a rule on: its use in the coming weeks, when credits then run out, and the most in one
day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.actions.registry import is_paid
from app.business.automation.services.forecast.outlook import look_ahead, with_rule
from app.business.automation.services.forecast.projection import Forecast
from app.business.automation.services.forecast.streams import NEW
from app.business.automation.services.preflight.rule_graph import started_by
from app.business.automation.services.rules.cost import most_per_run, most_runs_per_day
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.rules.sentence import conditions_of
from app.business.automation.services.rules.versions import definition_of, read_definition
from app.business.outlets.services.ai_connections import is_connected
from app.business.planner.models import Site, SiteStatus

NOT_PACE = ("name", "description", "is_active", "mode", "priority", "when_limited")
"""Fields that do not affect the use of credits."""


@dataclass(frozen=True)
class DayCost:
    """Upper bound of a rule's credits in one day. rule_id None: the rule is not saved yet."""

    rule_id: int | None
    name: str
    credits: int


@dataclass(frozen=True)
class Addition:
    """used: credits of the rule in the next 30 days · before, after: forecast without and with it · day: the rule,
    then every rule that it can start."""

    used: float
    before: Forecast
    after: Forecast
    day: Sequence[DayCost]
    ceiling: int | None

    @property
    def most_a_day(self) -> int:
        """Upper bound of all of them together in one day, within the account's daily ceiling."""
        total = sum(cost.credits for cost in self.day)
        return total if self.ceiling is None else min(total, self.ceiling)

    @property
    def started(self) -> Sequence[DayCost]:
        """Paid rules that it can start."""
        return [cost for cost in self.day[1:] if cost.credits]

    @property
    def is_held(self) -> bool:
        """Whether the daily ceiling is what bounds the day."""
        return self.ceiling is not None and sum(cost.credits for cost in self.day) > self.ceiling


def addition(
    session: Session,
    account: Account,
    definition: RuleDefinition,
    now: datetime,
    rule: AutomationRule | None = None,
) -> Addition:
    """For a new rule, or for the saved `rule` changed to `definition`.

    Uses measurements where the saved rule is the same.
    """
    rule_id = rule.id if rule else None
    outlook = look_ahead(session, account, now, tried=[rule.id] if rule else [])
    off = {rule.id: 0.0} if rule else {}
    known = rule if rule and rule.mode == "live" and is_same(definition, rule) else None
    if known and any(entry.rule.id == known.id for entry in outlook.rules):
        after = outlook.forecast({known.id: 1.0})
        used = after.uses[known.id]
    else:
        after = with_rule(session, outlook, account, definition, now).forecast(off)
        used = after.uses.get(NEW, 0.0)
    costs = day_costs(session, account, definition, now, rule_id)
    return Addition(used, outlook.forecast(off), after, costs, account.daily_ceiling)


def is_same(definition: RuleDefinition, rule: AutomationRule) -> bool:
    """Whether the saved rule has the same effect; conditions are compared by their description."""
    saved = definition_of(rule)
    compared = {name: value for name, value in saved.items() if name not in NOT_PACE and name != "conditions"}
    said = definition.model_dump(mode="json")
    same = all(said[name] == value for name, value in compared.items())
    return same and conditions_of(definition) == conditions_of(read_definition(rule))


def day_costs(
    session: Session, account: Account, definition: RuleDefinition, now: datetime, rule_id: int | None = None
) -> list[DayCost]:
    """Upper bounds per day of the rule and of each rule that it can start."""
    most = partial(
        _most_a_day,
        now=now,
        sites=_active_sites(session, account.id),
        connected=is_connected(session, account.id),
    )
    own = DayCost(rule_id, definition.name, most(definition))
    started = started_by(session, account.id, definition, rule_id)
    return [own, *(DayCost(it.rule_id, it.name, most(it.definition)) for it in started)]


def _most_a_day(definition: RuleDefinition, *, now: datetime, sites: int, connected: bool) -> int:
    """Daily limits apply per site where the rule is split by site; a monthly budget may be spent in one day."""
    if not is_paid(definition.actions) or definition.mode == "shadow":
        return 0
    places = sites if definition.split_by == "site" and definition.site is None else 1
    most = most_per_run(definition, connected=connected) * most_runs_per_day(definition, now) * places
    return most if definition.monthly_budget is None else min(most, definition.monthly_budget)


def _active_sites(session: Session, account_id: int) -> int:
    query = select(func.count(Site.id)).where(Site.account_id == account_id, Site.status == SiteStatus.ACTIVE)
    return session.scalar(query) or 0
