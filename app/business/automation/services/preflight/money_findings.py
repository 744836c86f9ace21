"""Findings about a rule's price: limits and budgets that cannot pay for a single record, and spending without a
ceiling."""

from collections.abc import Iterator, Sequence

from sqlalchemy import func, select, true
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.services.catalogue.actions.base import AnyAction
from app.business.automation.services.catalogue.actions.registry import (
    CATALOGUE,
    decided_by,
    explicit_ids,
    is_paid,
    made_by,
)
from app.business.automation.services.catalogue.nouns import noun
from app.business.automation.services.catalogue.record_models import MODELS, in_scope
from app.business.automation.services.preflight.finding import Finding, Level
from app.business.automation.services.rules.cost import most_per_run
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.rules.known_rules import ListedRule
from app.business.automation.services.runs.steps import source_of
from app.business.billing.models import Plan
from app.business.outlets.services.ai_connections import is_connected
from app.business.planner.models import Site

SHARE_OF_MONTH = 5
"""The proposed daily ceiling is a fifth of the month's credits."""


def money_findings(
    session: Session, account: Account, rule: RuleDefinition, others: Sequence[ListedRule]
) -> Iterator[Finding]:
    """Findings about limits and budgets. `others`: the account's active rules."""
    if not is_paid(rule.actions):
        return
    connected = is_connected(session, account.id)
    price = least_price(rule, connected=connected)
    yield from _below_price(rule, price)
    if price <= rule.credit_limit_per_execution:
        yield from _below_smallest(session, account, rule, connected=connected)
    yield from _below_budgets(session, account, rule, price)
    if account.daily_ceiling is None and not any(is_paid(other.definition.actions) for other in others):
        yield _no_ceiling(session, account)


def least_price(rule: RuleDefinition, *, connected: bool) -> int:
    """The fewest credits that a run with one record must reserve before it begins."""
    total, made = 0, list[str]()
    for action in rule.actions:
        source = source_of(action, rule.record_type, made)
        count = {"records": 1, "explicit": len(explicit_ids(action) or ())}.get(source, 0)
        if count:
            entry = CATALOGUE[action.type]
            total += entry.estimate(entry.read(action), count, {}, connected=connected)
        if made_type := made_by(action):
            made.append(made_type)
    return total


def _below_price(rule: RuleDefinition, price: int) -> Iterator[Finding]:
    limit, budget = rule.credit_limit_per_execution, rule.monthly_budget
    even = f"Even with one {noun(rule.record_type)} a run costs {_credits(price)}"
    if price > limit and rule.record_type is not None:
        sentence = f"{even}, and its limit is {_credits(limit)}: every run would be skipped."
        advice = f"Raise “Credits per run” to at least {price:,}."
        yield Finding("limit_below_price", Level.STOP, sentence, advice, "credit_limit_per_execution")
    if budget is not None and budget < price:
        sentence = f"{even}, and the rule's budget is {_credits(budget)} a month: it pays for none."
        advice = "Raise the budget, or leave it out."
        yield Finding("budget_below_price", Level.STOP, sentence, advice, "monthly_budget")


def _below_smallest(
    session: Session, account: Account, rule: RuleDefinition, *, connected: bool
) -> Iterator[Finding]:
    """Actions priced by a measure: as an earlier action sets it, or the smallest of the existing records."""
    limit, made = rule.credit_limit_per_execution, list[str]()
    decided: dict[str, int] = {}
    for action in rule.actions:
        entry = CATALOGUE[action.type]
        if entry.measure and entry.measure.smallest:
            amount = decided.get(entry.measure.name)
            if source_of(action, rule.record_type, made) == "records":
                amount = _smallest(session, account, rule, entry)
            params = entry.read(action)
            price = 0 if amount is None else entry.price(params, amount, connected=connected)
            if price > limit:
                sentence = (
                    f"Even {entry.measure.smallest.format(amount)} costs {_credits(price)}; "
                    f"the limit of {limit:,} per run pays for none."
                )
                advice = f"Raise “Credits per run” to at least {price:,}, or {entry.measure.less}."
                yield Finding(
                    "limit_below_article", Level.WARN, sentence, advice, "credit_limit_per_execution"
                )
        decided |= decided_by(action)
        if made_type := made_by(action):
            made.append(made_type)


def _smallest(session: Session, account: Account, rule: RuleDefinition, entry: AnyAction) -> int | None:
    """The smallest measure among the existing records; None where there are none."""
    assert entry.measure is not None
    model = MODELS[entry.takes[0]]
    here = in_scope(model, account.id, rule.site, rule.sector)
    takeable = true() if entry.statuses is None else model.status.in_(entry.statuses)
    return session.scalar(select(func.min(entry.measure.column)).where(here, takeable))


def _below_budgets(session: Session, account: Account, rule: RuleDefinition, price: int) -> Iterator[Finding]:
    site = session.get(Site, rule.site) if rule.site is not None else None
    ceilings = [
        ("The account's daily ceiling", account.daily_ceiling, "a day", "account.daily_ceiling"),
        ("The rule's budget", rule.monthly_budget, "a month", "monthly_budget"),
    ]
    if site is not None and site.account_id == account.id:
        ceilings.append((f"The budget of {site.name}", site.monthly_budget, "a month", "site"))
    most = most_per_run(rule, connected=is_connected(session, account.id))
    for name, ceiling, period, field in ceilings:
        if ceiling is None or ceiling >= most or (field == "monthly_budget" and ceiling < price):
            continue
        of_none = (
            "so not even one record can be paid"
            if ceiling < price
            else "so a full run has to wait or is skipped"
        )
        sentence = f"{name} is {_credits(ceiling)} {period}; one run may cost {_credits(most)}, {of_none}."
        advice = "Lower “Credits per run” or “Records per run”, or have the budget raised."
        yield Finding("run_above_budget", Level.WARN, sentence, advice, field)


def _no_ceiling(session: Session, account: Account) -> Finding:
    plan = session.get(Plan, account.plan_id) if account.plan_id else None
    share = plan.monthly_credits // SHARE_OF_MONTH if plan else 0
    proposal = f"A fifth of the month's credits would be {share:,} a day. " if share else ""
    return Finding(
        "no_daily_ceiling",
        Level.HINT,
        "No other rule that is on spends credits, and the account has no daily ceiling.",
        f"{proposal}An owner sets it in the account's settings.",
        "account.daily_ceiling",
    )


def _credits(count: int) -> str:
    return "1 credit" if count == 1 else f"{count:,} credits"
