"""The data of a credit forecast: every paid rule with its recent use; forecasts for any change are computed from it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, String, bindparam, cast, literal_column, or_, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AccountStatus
from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.actions.registry import CATALOGUE, is_paid
from app.business.automation.services.forecast import spend_history as history
from app.business.automation.services.forecast.pace import Stream
from app.business.automation.services.forecast.projection import SPAN, Cap, Forecast, Funds, make_forecast
from app.business.automation.services.forecast.spend_history import Days, Spending
from app.business.automation.services.forecast.streams import NEW, PaidRule, Streams
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.rules.known_rules import LISTED, ListedRule, listed_rules
from app.business.base import Id, Text
from app.business.billing.models import SpendCounter
from app.business.billing.services.plans import terms_of
from app.business.kept_queries import kept_queries
from app.business.periods import last_days
from app.business.plain_rows import AnyColumns, plain_rows
from app.business.planner.models import Site
from app.business.sql_functions import position

PAST_DAYS = 28
MOST_RULES = 200


@dataclass
class Outlook:
    """All data for forecasts, loaded once; each forecast is then pure arithmetic.

    spending: of the month so far, and of the days before it from which the paces are measured · span: days for which
    the use of each rule is added up.
    """

    days: Days
    coming: Days
    funds: Funds
    rules: list[PaidRule]
    by_hand: list[Stream]
    spending: Spending
    added: list[Stream] = field(default_factory=list)
    span: int = SPAN

    def forecast(self, factors: Mapping[int, float] | None = None) -> Forecast:
        """The forecast as things are, or with the use of some rules multiplied: 0 for off, 1 for on."""
        factors = factors or {}
        streams = [
            stream.times(factors.get(entry.rule.id, stream.factor))
            for entry in self.rules
            for stream in entry.streams
        ]
        return make_forecast(
            self.funds,
            [*streams, *self.by_hand, *self.added],
            self.days.dates,
            self.coming.dates,
            self.span,
        )


def look_ahead(
    session: Session, account: Account, now: datetime, *, tried: Sequence[int] = (), span: int = SPAN
) -> Outlook:
    """Load the account's past use and its rules: about eight queries, and one for each rule with little history.

    `tried`: rules that are off, but need an estimate because a forecast may include them. `span`: days ahead that are
    asked for; the forecast reaches at least to the grant after the next one.
    """
    today = now.astimezone(ZoneInfo(account.timezone)).date()
    days = history.days_from(today - timedelta(days=PAST_DAYS), PAST_DAYS, account.timezone)
    coming = _coming(today, account.timezone, span)
    read = last_days(max(PAST_DAYS + 1, today.day), account.timezone, now)
    spending = history.spending(session, account.id, read.dates, account.timezone)
    # What is shown of a rule counts today and runs by hand too; its pace is measured over whole days without them.
    spent, shown = spending.by_source(days), spending.by_rule(today - timedelta(days=PAST_DAYS - 1))
    rules = _paid_rules(session, account.id)
    streams = Streams(session, account, days, coming, now)
    every_day = streams.rule_days.every_day
    versions = history.versions_since(session, account.id, [rule.id for rule in rules], days.starts[0])
    found = [
        streams.of_rule(rule, spent, versions.get(rule.id, []), rule.id in tried, *shown.get(rule.id, (0, 0)))
        for rule in rules
    ]
    hand = [
        Stream(None, None, past.used, streams.always, every_day)
        for (rule_id, _), past in spent.items()
        if rule_id is None
    ]
    funds = replace(_funds(session, account, rules, coming, today), left_of_today=every_day[0])
    return Outlook(days, coming, funds, found, hand, spending, span=span)


def with_rule(
    session: Session, outlook: Outlook, account: Account, definition: RuleDefinition, now: datetime
) -> Outlook:
    """The outlook with a rule of this definition in addition."""
    if not is_paid(definition.actions) or definition.mode == "shadow":
        return outlook
    streams = Streams(session, account, outlook.days, outlook.coming, now)
    stream = streams.estimated_use(streams.blank(NEW, definition), definition, ZoneInfo(account.timezone))
    budget = definition.monthly_budget
    caps = {} if budget is None else {NEW: Cap(budget, budget)}
    funds = replace(outlook.funds, rules={**outlook.funds.rules, **caps})
    return replace(outlook, funds=funds, added=[stream])


def _coming(today: date, zone: str, span: int) -> Days:
    """Until the grant after the next one, and at least the days for which use is shown."""
    following = _next_first(_next_first(today))
    return history.days_from(today, max((following - today).days, span + 1), zone)


def _next_first(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _paid_rules(session: Session, account_id: int) -> list[ListedRule]:
    paid = tuple(entry.key for entry in CATALOGUE.values() if entry.is_paid)
    rules = listed_rules(session, _live(paid), {"account_id": account_id})
    return [rule for rule in rules if rule.known.is_paid and not rule.known.errors][:MOST_RULES]


@kept_queries(1)
def _live(actions: tuple[str, ...]) -> AnyColumns:
    return (
        select(*LISTED)
        .where(
            AutomationRule.account_id == bindparam("account_id"),
            AutomationRule.archived_at.is_(None),
            AutomationRule.mode == "live",
            _names_one_of(actions),
        )
        .order_by(AutomationRule.is_active.desc(), AutomationRule.id)
    )


def _names_one_of(actions: Iterable[str]) -> ColumnElement[bool]:
    """Clause: the rule names one of these actions. It has rules as well that only mention one, and none that has one is
    missing: of an account with many free rules these are not read."""
    said = cast(AutomationRule.actions, String)
    return or_(*(position(said, literal_column(f"'\"{key}\"'")) > 0 for key in actions))


def _funds(
    session: Session, account: Account, rules: Sequence[ListedRule], coming: Days, today: date
) -> Funds:
    plan = terms_of(session, account)
    grant = plan.monthly_credits if plan and account.status == AccountStatus.ACTIVE else 0
    sites = plain_rows(session, _site_budgets(), {"account_id": account.id})
    used = _used(session, account.id, today)
    budgets: dict[str, list[tuple[int, int]]] = {
        "rule": [
            (rule.id, budget) for rule in rules if (budget := rule.definition.monthly_budget) is not None
        ],
        "site": [(site_id, budget) for site_id, budget in sites if budget is not None],
        "account": [] if account.daily_ceiling is None else [(account.id, account.daily_ceiling)],
    }
    caps = {
        scope: {key: Cap(limit, max(limit - used.get((scope, key), 0), 0)) for key, limit in lines}
        for scope, lines in budgets.items()
    }
    return Funds(
        account.credits_available,
        grant,
        [day for day in coming.dates[1:] if grant and day.day == 1],
        plan.rollover if plan else "add",
        plan.rollover_cap if plan else None,
        caps["account"].get(account.id),
        caps["rule"],
        caps["site"],
    )


@kept_queries(1)
def _site_budgets() -> Select[int, int | None]:
    mine = Site.account_id == bindparam("account_id", type_=Id)
    return select(Site.id, Site.monthly_budget).where(mine, Site.monthly_budget.is_not(None))


def _used(session: Session, account_id: int, today: date) -> dict[tuple[str, int], int]:
    """Credits spent and held on the counters of this month and today."""
    period = {"account_id": account_id, "today": today.isoformat(), "month": f"{today:%Y-%m}"}
    return {(scope, scope_id): used for scope, scope_id, used in plain_rows(session, _counters(), period)}


@kept_queries(1)
def _counters() -> Select[str, int, int]:
    of = SpendCounter
    return select(of.scope, of.scope_id, of.spent + of.held).where(
        of.account_id == bindparam("account_id", type_=Id),
        or_(
            (of.scope == "account") & (of.period == bindparam("today", type_=Text())),
            (of.scope != "account") & (of.period == bindparam("month", type_=Text())),
        ),
    )
