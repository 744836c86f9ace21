"""Charges of many runs that begin and end in one transaction: what each sets aside, is charged and gives back at once.

The result is that of `CreditService` called for one run after the other. Each account and each counter is changed
once, by a guarded UPDATE; a guard that does not hold, or a charge that is there already, ends the transaction.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    MetaData,
    String,
    Table,
    Update,
    bindparam,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.base import RowValues
from app.business.billing.models import (
    BudgetScope,
    CreditEntry,
    CreditHold,
    CreditHoldPart,
    EntryKind,
    SpendCounter,
)
from app.business.billing.services.spend_counters import Budget
from app.business.row_sets import Columns, document, given_rows, insert_each, is_on_postgresql
from app.business.updates import changed_rows, table_of
from app.business.upsert import Given, insert_many_new

Sums = Given | Mapping[str, ColumnElement[Any]]
"""The columns of a row of `_SUMS`."""
Key = tuple[int, str, int, str]
"""Account, scope, scope id and period of a counter."""


class NoRoom(Exception):
    """An account or a budget has too little left for all charges."""


@dataclass(frozen=True)
class Charge:
    """One run's: `held` is set aside on all budgets, `amount` of it is charged, for the unit of `key`."""

    account_id: int
    run_id: int
    held: int
    amount: int
    key: str
    reason: str
    budgets: tuple[Budget, ...]


@dataclass
class _Sum:
    needed: int = 0
    amount: int = 0

    def add(self, charge: Charge) -> None:
        """When it is this run's turn, what the ones before it were charged is spent, and its own price is held."""
        self.needed = max(self.needed, self.amount + charge.held)
        self.amount += charge.amount


def number_affordable(session: Session, charges: Sequence[Charge]) -> int:
    """How many of the charges, the first ones, there is room for now."""
    free = _free(session, {charge.account_id for charge in charges})
    rooms = _rooms(session, charges)
    sums: dict[Key | int, _Sum] = defaultdict(_Sum)
    for number, charge in enumerate(charges):
        limits: dict[Key | int, int] = {charge.account_id: free.get(charge.account_id, 0)}
        for place, room in (limits | dict(_limits(charge, rooms))).items():
            sums[place].add(charge)
            if sums[place].needed > room:
                return number
    return len(charges)


def _limits(charge: Charge, rooms: Mapping[Key, int]) -> Iterator[tuple[Key | int, int]]:
    for budget in charge.budgets:
        if budget.limit is not None:
            key = _key(charge, budget)
            yield key, budget.limit - rooms.get(key, 0)


def charge_at_once(session: Session, charges: Sequence[Charge], now: datetime) -> None:
    """Write the charges. Raises NoRoom, and IntegrityError where one of them is there already."""
    balances = _lock(session, {charge.account_id for charge in charges})
    counters: dict[Key, _Sum] = defaultdict(_Sum)
    limits: dict[Key, int | None] = {}
    accounts: dict[int, _Sum] = defaultdict(_Sum)
    holds, parts, entries = list[RowValues](), list[RowValues](), list[RowValues]()
    for charge in charges:
        accounts[charge.account_id].add(charge)
        holds.append(_hold(charge, now))
        for budget in charge.budgets:
            key = _key(charge, budget)
            counters[key].add(charge)
            limits[key] = budget.limit
            parts.append(
                _named(key) | {"run_id": charge.run_id, "amount": charge.amount, "posted": charge.amount}
            )
        if charge.amount:
            balance = balances[charge.account_id] - accounts[charge.account_id].amount
            entries.append(_entry(charge, balance, now))
    keys = sorted(counters)
    missing: list[RowValues] = [_named(key) | {"spent": 0, "held": 0} for key in keys]
    insert_many_new(session, SpendCounter, missing, SpendCounter.id, is_shown=False)
    counted: list[RowValues] = [_named(key) | _summed(counters[key]) | {"most": limits[key]} for key in keys]
    _change(session, _count, counted)
    insert_each(session, CreditHold, holds, is_shown=False)
    insert_each(session, CreditHoldPart, parts, is_shown=False)
    insert_each(session, CreditEntry, entries, is_shown=False)
    paid: list[RowValues] = [{"account_id": key} | _summed(accounts[key]) for key in sorted(accounts)]
    _change(session, _pay, paid)
    for account_id in accounts:
        _forget(session, account_id)


def _lock(session: Session, account_ids: Collection[int]) -> dict[int, int]:
    """Balances; whoever moves credits locks the account first, and accounts in the order of their ids."""
    rows = select(Account.id, Account.credits_balance).where(Account.id.in_(account_ids)).order_by(Account.id)
    return dict(session.execute(rows.with_for_update(key_share=True)).all())


def _free(session: Session, account_ids: Collection[int]) -> dict[int, int]:
    free = select(Account.id, Account.credits_balance - Account.credits_held)
    return dict(session.execute(free.where(Account.id.in_(account_ids))).all())


def _rooms(session: Session, charges: Sequence[Charge]) -> dict[Key, int]:
    """What is counted on their limited budgets."""
    row = SpendCounter
    of = {_key(one, budget) for one in charges for budget in one.budgets if budget.limit is not None}
    if not of:
        return {}
    columns = row.account_id, row.scope, row.scope_id, row.period
    counted = select(*columns, row.spent + row.held).where(tuple_(*columns).in_(sorted(of)))
    return {
        (account, scope, key, period): used for account, scope, key, period, used in session.execute(counted)
    }


def _key(charge: Charge, budget: Budget) -> Key:
    return charge.account_id, str(budget.scope), budget.scope_id, budget.period


def _named(key: Key) -> RowValues:
    return dict(zip(("account_id", "scope", "scope_id", "period"), key, strict=True))


def _summed(counted: _Sum) -> RowValues:
    return {"amount": counted.amount, "needed": counted.needed}


def _hold(charge: Charge, now: datetime) -> RowValues:
    return {
        "account_id": charge.account_id,
        "run_id": charge.run_id,
        "amount": charge.held,
        "posted": charge.amount,
        "state": "closed",
        "created_at": now,
        "closed_at": now,
    }


def _entry(charge: Charge, balance_after: int, now: datetime) -> RowValues:
    sites = (budget.scope_id for budget in charge.budgets if budget.scope == BudgetScope.SITE)
    return {
        "account_id": charge.account_id,
        "kind": EntryKind.CHARGE,
        "amount": -charge.amount,
        "balance_after": balance_after,
        "key": charge.key,
        "reason": charge.reason[:255],
        "run_id": charge.run_id,
        "site_id": next(sites, 0) or None,
        "created_at": now,
    }


def _change(session: Session, change: Callable[[Sums], Update], rows: Sequence[RowValues]) -> None:
    if _changed(session, change, rows) != len(rows):
        raise NoRoom


def _changed(session: Session, change: Callable[[Sums], Update], rows: Sequence[RowValues]) -> int:
    """Make the change that each of the rows says; returns how many there was room for."""
    columns = tuple(rows[0])
    given: RowValues | list[RowValues]
    if is_on_postgresql(session):
        same, given = document(rows)
        statement = _changing_all(change, columns, same)
    else:
        given = [{f"given_{name}": value for name, value in row.items()} for row in rows]
        statement = _changing_one(change, columns)
    accounts = frozenset(row["account_id"] for row in rows)
    return changed_rows(session, statement.execution_options(accounts=accounts), given)


@lru_cache
def _changing_all(change: Callable[[Sums], Update], columns: Columns, same: Columns) -> Update:
    return change(given_rows(_SUMS, columns, same).subquery("given").c)


@lru_cache
def _changing_one(change: Callable[[Sums], Update], columns: Columns) -> Update:
    return change({name: bindparam(f"given_{name}", type_=_SUMS.c[name].type) for name in columns})


def _forget(session: Session, account_id: int) -> None:
    """A loaded account has to reload its figures."""
    account = session.identity_map.get(session.identity_key(Account, account_id))
    if account is not None:
        session.expire(account, ["credits_balance", "credits_held"])


_SUMS = Table(
    "sums",
    MetaData(),
    *(Column(name, BigInteger) for name in ("account_id", "scope_id", "amount", "needed", "most")),
    *(Column(name, String) for name in ("scope", "period")),
)
"""No table of the database: the types of what a row of sums says. needed: what there must be room for at most on the
way to `amount` · most: the limit, none where there is none."""
_counter, _account = table_of(SpendCounter).c, table_of(Account).c


def _count(given: Sums) -> Update:
    used = _counter.spent + _counter.held + given["needed"]
    return (
        update(table_of(SpendCounter))
        .where(
            *(_counter[name] == given[name] for name in ("account_id", "scope", "scope_id", "period")),
            used <= func.coalesce(given["most"], used),
        )
        .values(spent=_counter.spent + given["amount"])
    )


def _pay(given: Sums) -> Update:
    available = _account.credits_balance - _account.credits_held
    return (
        update(table_of(Account))
        .where(_account.id == given["account_id"], available >= given["needed"])
        .values(credits_balance=_account.credits_balance - given["amount"])
    )
