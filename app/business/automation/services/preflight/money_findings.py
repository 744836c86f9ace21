"""Findings about a rule's price: limits and budgets that pay for no record, and spending without a ceiling."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.actions.generate_content import words_price
from app.business.automation.services.catalogue.actions.registry import CATALOGUE, explicit_ids, made_by
from app.business.automation.services.catalogue.nouns import noun
from app.business.automation.services.catalogue.record_models import in_scope
from app.business.automation.services.preflight.finding import Finding, Level
from app.business.automation.services.rules.cost import most_per_run
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.runs.steps import source_of
from app.business.billing.models import Plan
from app.business.planner.models import Site
from app.business.writer.models import Task
from app.business.writer.services.content_service import READY

SHARE_OF_MONTH = 5
"""A daily ceiling of a fifth of the month's credits is proposed."""


def money_findings(
    session: Session, account: Account, rule: RuleDefinition, others: Sequence[AutomationRule]
) -> Iterator[Finding]:
    """What limits and budgets leave possible. `others`: the account's rules that are on."""
    if not is_paid(rule.actions):
        return
    price = least_price(rule)
    yield from _below_price(rule, price)
    if price <= rule.credit_limit_per_execution:
        yield from _below_articles(session, account, rule)
    yield from _below_budgets(session, account, rule, price)
    if account.daily_ceiling is None and not any(is_paid(other.actions) for other in others):
        yield _no_ceiling(session, account)


def is_paid(actions: Sequence[dict[str, Any]]) -> bool:
    """Whether any of the actions costs credits."""
    return any(CATALOGUE[action["type"]].price_text != "free" for action in actions)


def least_price(rule: RuleDefinition) -> int:
    """The fewest credits that a run with one record must set aside before it begins."""
    total, made = 0, list[str]()
    for action in rule.actions:
        source = source_of(action, rule.record_type, made)
        count = {"records": 1, "explicit": len(explicit_ids(action) or ())}.get(source, 0)
        if count:
            entry = CATALOGUE[action["type"]]
            params = entry.params.model_validate(action.get("params", {}))
            total += (
                entry.price(params, count) if entry.unit_of == "sector" else count * entry.price(params, 1)
            )
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


def _below_articles(session: Session, account: Account, rule: RuleDefinition) -> Iterator[Finding]:
    """Articles are priced by the words asked for: by a step before, or by the tasks that are here."""
    limit, made, words = rule.credit_limit_per_execution, list[str](), None
    for action in rule.actions:
        if action["type"] == "generate_content":
            if source_of(action, rule.record_type, made) == "records":
                words = _shortest_task(session, account, rule)
            if words is not None and words_price(words) > limit:
                sentence = (
                    f"Even the shortest article here, of {words:,} words, costs {_credits(words_price(words))}; "
                    f"the limit of {limit:,} per run pays for none."
                )
                advice = (
                    f"Raise “Credits per run” to at least {words_price(words):,}, or ask for fewer words."
                )
                yield Finding(
                    "limit_below_article", Level.WARN, sentence, advice, "credit_limit_per_execution"
                )
        if made_type := made_by(action):
            made.append(made_type)
            words = action["params"]["word_count"] if made_type == "task" else words


def _shortest_task(session: Session, account: Account, rule: RuleDefinition) -> int | None:
    scope = in_scope(Task, account.id, rule.site, rule.sector)
    return session.scalar(select(func.min(Task.word_count)).where(scope, Task.status.in_(READY)))


def _below_budgets(session: Session, account: Account, rule: RuleDefinition, price: int) -> Iterator[Finding]:
    site = session.get(Site, rule.site) if rule.site is not None else None
    ceilings = [
        ("The account's daily ceiling", account.daily_ceiling, "a day", "account.daily_ceiling"),
        ("The rule's budget", rule.monthly_budget, "a month", "monthly_budget"),
    ]
    if site is not None and site.account_id == account.id:
        ceilings.append((f"The budget of {site.name}", site.monthly_budget, "a month", "site"))
    most = most_per_run(rule)
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
