"""Counters of budgets: spent and set aside together never pass a limit, however many workers ask at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from sqlalchemy import ColumnElement, and_, case, select, true, update
from sqlalchemy.orm import Session

from app.business.billing.models import SpendCounter
from app.business.upsert import insert_missing

NAMES = {
    "account": "The account's daily ceiling",
    "site": "This site's monthly budget",
    "rule": "This rule's monthly budget",
}


@dataclass(frozen=True)
class Budget:
    """A counter credits pass: `period` is a day `2026-11-24` or a month `2026-11`; no `limit` only counts."""

    scope: Literal["account", "site", "rule"]
    scope_id: int
    period: str
    limit: int | None


@dataclass(frozen=True)
class Shortfall:
    """Why credits could not be set aside: too few on the account, or a budget is used up."""

    kind: Literal["credits", "budget"]
    needed: int
    available: int
    sentence: str


def hold(session: Session, account_id: int, amount: int, budgets: Sequence[Budget]) -> Shortfall | None:
    """Count `amount` as set aside on every budget; the first one that has no room refuses."""
    for budget in _in_order(budgets):
        insert_missing(session, SpendCounter, _key(account_id, budget) | {"spent": 0, "held": 0})
        counted = session.execute(
            update(SpendCounter)
            .where(_is(account_id, budget), has_room(budget, amount))
            .values(held=SpendCounter.held + amount)
            .returning(SpendCounter.id)
            .execution_options(synchronize_session=False)
        ).one_or_none()
        if counted is None:
            return _shortfall(session, account_id, amount, budget)
    return None


def has_room(budget: Budget, amount: int) -> ColumnElement[bool]:
    """The guard: spent and set aside together stay within the limit."""
    if budget.limit is None:
        return true()
    return SpendCounter.spent + SpendCounter.held + amount <= budget.limit


def spend(session: Session, account_id: int, amount: int, budgets: Sequence[Budget]) -> None:
    """Move `amount` from set aside to spent."""
    for budget in _in_order(budgets):
        _change(session, account_id, budget, held=_less(amount), spent=SpendCounter.spent + amount)


def free(session: Session, account_id: int, amount: int, budgets: Sequence[Budget]) -> None:
    """Give `amount` back that was set aside."""
    for budget in _in_order(budgets):
        _change(session, account_id, budget, held=_less(amount))


def _change(session: Session, account_id: int, budget: Budget, **values: ColumnElement[int]) -> None:
    session.execute(
        update(SpendCounter)
        .where(_is(account_id, budget))
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _less(amount: int) -> ColumnElement[int]:
    # A run must be able to end even when its counter was made anew meanwhile: never below zero.
    return case((SpendCounter.held >= amount, SpendCounter.held - amount), else_=0)


def _in_order(budgets: Sequence[Budget]) -> list[Budget]:
    """Always the same order, so that two workers never wait for each other's rows."""
    return sorted(budgets, key=lambda budget: (budget.scope, budget.scope_id, budget.period))


def _key(account_id: int, budget: Budget) -> dict[str, str | int]:
    return {
        "account_id": account_id,
        "scope": budget.scope,
        "scope_id": budget.scope_id,
        "period": budget.period,
    }


def _is(account_id: int, budget: Budget) -> ColumnElement[bool]:
    return and_(*(getattr(SpendCounter, name) == value for name, value in _key(account_id, budget).items()))


def _named(period: str) -> str:
    """2026-11-24 as 24 November 2026, 2026-11 as November 2026."""
    if len(period) > len("2026-11"):
        return f"{date.fromisoformat(period):%-d %B %Y}"
    return f"{date.fromisoformat(f'{period}-01'):%B %Y}"


def _shortfall(session: Session, account_id: int, amount: int, budget: Budget) -> Shortfall:
    used = session.scalar(select(SpendCounter.spent + SpendCounter.held).where(_is(account_id, budget)))
    limit = budget.limit or 0
    free = max(limit - (used or 0), 0)
    return Shortfall(
        "budget",
        amount,
        free,
        f"{NAMES[budget.scope]} is {limit:,} credits, {free:,} left for {_named(budget.period)}: needs {amount:,}.",
    )
