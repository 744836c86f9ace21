"""Counters of budgets: spent and set aside together never exceed a limit, however many workers ask at once."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sqlalchemy import ColumnElement, ScalarSelect, and_, case, func, select, true, tuple_, update
from sqlalchemy.orm import Session

from app.business.billing.models import (
    BudgetScope,
    CreditEntry,
    CreditHold,
    CreditHoldPart,
    EntryKind,
    SpendCounter,
)
from app.business.upsert import insert_missing, upserting_as_given

TOTAL = "total"
"""The period of a counter that is never reset."""

NAMES = {
    BudgetScope.ACCOUNT: "The account's daily ceiling",
    BudgetScope.SITE: "This site's monthly budget",
    BudgetScope.RULE: "This rule's monthly budget",
    BudgetScope.START: "The total of this start",
}


@dataclass(frozen=True)
class Budget:
    """A counter on which credits count: `period` is a day, a month or TOTAL; without `limit` it only counts.

    `share`: how much of the credits count here (None: all of them), as of a run over several sites.
    """

    scope: BudgetScope
    scope_id: int
    period: str
    limit: int | None
    share: int | None = None
    name: str | None = None

    @property
    def title(self) -> str:
        return self.name or NAMES[self.scope]


@dataclass(frozen=True)
class Spent:
    """What was moved to spent, and the site in whose month it counts."""

    amount: int
    site_id: int | None


@dataclass(frozen=True)
class Shortfall:
    """Why credits could not be set aside: too few on the account, or `budget` is used up."""

    kind: Literal["credits", "budget"]
    needed: int
    available: int
    sentence: str
    budget: Budget | None = None


def hold(
    session: Session, account_id: int, run_id: int, amount: int, budgets: Sequence[Budget]
) -> Shortfall | None:
    """Count `amount` as set aside on every budget; the first one without room refuses."""
    parts = []
    for budget in sorted(budgets, key=lambda budget: (budget.scope, budget.scope_id, budget.period)):
        share = amount if budget.share is None else budget.share
        if share == 0:
            continue
        if not _count_held(session, account_id, share, budget):
            # It has no room, or nothing was ever counted on it.
            insert_missing(session, SpendCounter, _key(account_id, budget) | {"spent": 0, "held": 0})
            if not _count_held(session, account_id, share, budget):
                return _shortfall(session, account_id, share, budget)
        parts.append(_key(account_id, budget) | {"run_id": run_id, "amount": share, "posted": 0})
    if parts:
        _raise_parts(session, parts)
    return None


def _count_held(session: Session, account_id: int, share: int, budget: Budget) -> bool:
    counted = session.execute(
        update(SpendCounter)
        .where(_is(account_id, budget), has_room(budget, share))
        .values(held=SpendCounter.held + share)
        .returning(SpendCounter.id)
        .execution_options(synchronize_session=False)
    )
    return counted.one_or_none() is not None


def used(session: Session, account_id: int, budget: Budget) -> int:
    """Credits counted on it, spent and set aside."""
    counted = select(SpendCounter.spent + SpendCounter.held).where(_is(account_id, budget))
    return session.scalar(counted) or 0


def has_room(budget: Budget, amount: int) -> ColumnElement[bool]:
    """The guard: spent and set aside together stay within the limit."""
    if budget.limit is None:
        return true()
    return SpendCounter.spent + SpendCounter.held + amount <= budget.limit


def rooms(session: Session, account_id: int, budgets: Sequence[Budget]) -> dict[int, int]:
    """What each limited budget has left, by `scope_id`."""
    left = {budget.scope_id: budget.limit for budget in budgets if budget.limit is not None}
    for budget in budgets:
        if budget.limit is not None:
            used = session.scalar(
                select(SpendCounter.spent + SpendCounter.held).where(_is(account_id, budget))
            )
            left[budget.scope_id] = max(budget.limit - (used or 0), 0)
    return left


def begin(session: Session, account_id: int, budget: Budget, run_ids: Sequence[int]) -> int:
    """Start a counter with what these runs have set aside and spent already. Returns that sum.

    The account is locked meanwhile, so that no credits move.
    """
    is_open, hold = CreditHold.state == "open", CreditHold
    rows = session.execute(
        select(hold.run_id, _charged(), case((is_open, hold.amount - hold.posted), else_=0)).where(
            hold.account_id == account_id, hold.run_id.in_(run_ids)
        )
    ).all()
    insert_missing(session, SpendCounter, _key(account_id, budget) | {"spent": 0, "held": 0})
    for run_id, charged, held in rows:
        session.add(
            CreditHoldPart(**_key(account_id, budget), run_id=run_id, amount=charged + held, posted=charged)
        )
    spent, held = sum(row[1] for row in rows), sum(row[2] for row in rows)
    session.execute(update(SpendCounter).where(_is(account_id, budget)).values(spent=spent, held=held))
    session.flush()
    return int(spent + held)


def _charged() -> ScalarSelect[int]:
    """What the ledger charged to the run of the hold."""
    entry = CreditEntry
    mine = select(func.coalesce(-func.sum(entry.amount), 0)).where(
        entry.account_id == CreditHold.account_id,
        entry.run_id == CreditHold.run_id,
        entry.kind == EntryKind.CHARGE,
    )
    return mine.correlate(CreditHold).scalar_subquery()


def spend(session: Session, account_id: int, run_id: int, amount: int, site_id: int | None) -> Spent:
    """Move at most `amount` from set aside to spent on the run's counters; of its sites only on one.

    That is `site_id` where the run set enough aside for it. A record may have moved since to another site: then
    it is paid for by what was set aside at its former site.
    """
    parts = _open_parts(session, account_id, run_id)
    site = _paying_site([part for part in parts if part.scope == BudgetScope.SITE], amount, site_id)
    if site is not None:
        amount = min(amount, site.amount - site.posted)
    left = dict.fromkeys({part.scope for part in parts}, amount)
    of_share: dict[int, list[CreditHoldPart]] = defaultdict(list)
    for part in parts:
        if part.scope == BudgetScope.SITE and part is not site:
            continue
        share = min(left[part.scope], part.amount - part.posted)
        if share:
            left[part.scope] -= share
            of_share[share].append(part)
    for share, some in of_share.items():
        _draw(session, some, posted=CreditHoldPart.posted + share)
        _change(session, some, held=_less(share), spent=SpendCounter.spent + share)
    return Spent(amount, (site.scope_id if site is not None else 0) or None)


def free(session: Session, account_id: int, run_id: int) -> None:
    """Release on each counter what the run set aside there and did not spend."""
    for part in _open_parts(session, account_id, run_id):
        _draw(session, [part], amount=CreditHoldPart.posted)
        _change(session, [part], held=_less(part.amount - part.posted))


def _raise_parts(session: Session, parts: Sequence[dict[str, Any]]) -> None:
    raising = upserting_as_given(
        session,
        CreditHoldPart,
        parts,
        unique=["run_id", "scope", "scope_id", "period"],
        change={"amount": lambda new: CreditHoldPart.amount + new.amount},
        where=lambda _new: true(),
    )
    session.execute(raising, execution_options={"synchronize_session": False})


def _open_parts(session: Session, account_id: int, run_id: int) -> Sequence[CreditHoldPart]:
    """Always in the same order, so that two workers never deadlock on each other's counters."""
    part = CreditHoldPart
    return session.scalars(
        select(part)
        .where(part.account_id == account_id, part.run_id == run_id, part.amount > part.posted)
        .order_by(part.scope, part.scope_id, part.period)
        .execution_options(populate_existing=True)
    ).all()


def _paying_site(sites: Sequence[CreditHoldPart], amount: int, site_id: int | None) -> CreditHoldPart | None:
    own = [part for part in sites if part.scope_id == (site_id or 0) and part.amount - part.posted >= amount]
    return next(iter(own), None) or max(sites, key=lambda part: part.amount - part.posted, default=None)


def _draw(session: Session, parts: Sequence[CreditHoldPart], **values: Any) -> None:
    session.execute(
        update(CreditHoldPart)
        .where(
            CreditHoldPart.account_id == parts[0].account_id,
            CreditHoldPart.id.in_([part.id for part in parts]),
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _change(session: Session, parts: Sequence[CreditHoldPart], **values: ColumnElement[int]) -> None:
    counter = tuple_(SpendCounter.scope, SpendCounter.scope_id, SpendCounter.period)
    session.execute(
        update(SpendCounter)
        .where(
            SpendCounter.account_id == parts[0].account_id,
            counter.in_([(part.scope, part.scope_id, part.period) for part in parts]),
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _less(amount: int) -> ColumnElement[int]:
    # A run must be able to end even when its counter was created again meanwhile: never below zero.
    return case((SpendCounter.held >= amount, SpendCounter.held - amount), else_=0)


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
    limit = budget.limit or 0
    free = max(limit - used(session, account_id, budget), 0)
    when = "" if budget.period == TOTAL else f" for {_named(budget.period)}"
    if free:
        left = f"{free:,} {'is' if free == 1 else 'are'} left{when}"
        sentence = f"{budget.title} is {limit:,} credits: {left}, and {amount:,} are needed."
    else:
        needed = f"{amount:,} more {'is' if amount == 1 else 'are'} needed"
        sentence = f"{budget.title} of {limit:,} credits is used up{when}: {needed}."
    return Shortfall("budget", amount, free, sentence, budget)
