"""Keeps the daily sums of credits by rule, site, cause and action, and reads what each source has used."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    delete,
    exists,
    func,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.services.auditing.counted_columns import Columns
from app.business.automation.services.auditing.credit_sources import SOURCE, USE, entries_of
from app.business.base import RowValues
from app.business.billing.models import CreditDay, CreditDayState, CreditEntry
from app.business.billing.services import credit_days
from app.business.local_days import on_day
from app.business.periods import day_of
from app.business.plain_rows import AnyColumns, AnyUnion
from app.business.row_sets import add_each
from app.business.upsert import insert_missing

MOST_ENTRIES = 1000
"""Entries in a transaction: it takes some milliseconds, and others can write in between."""
MOST_TURNS = 50
"""Transactions for an account in one sweep."""
KEY = ("account_id", "local_day", *SOURCE)
Narrowing = Callable[[Columns], Sequence[ColumnElement[bool]]]
"""Makes clauses of the columns of what was used."""


def keep_sums(transaction: Callable[[], AbstractContextManager[Session]]) -> None:
    """Add the new entries of every account to its daily sums, each thousand in its own transaction."""
    with transaction() as session:
        behind = accounts_behind(session)
    for account_id, zone in behind:
        for _ in range(MOST_TURNS):
            with transaction() as session:
                if add_entries(session, account_id, zone) < MOST_ENTRIES:
                    break


def accounts_behind(session: Session) -> Sequence[tuple[int, str]]:
    """Accounts, with their zones, whose sums lack entries or are of another zone."""
    state, entry = CreditDayState, CreditEntry
    lacks = exists().where(entry.account_id == Account.id, entry.id > func.coalesce(state.last_entry_id, 0))
    query = select(Account.id, Account.timezone).outerjoin(state, state.account_id == Account.id)
    rows = session.execute(query.where(or_(lacks, state.zone != Account.timezone)).order_by(Account.id))
    return [(account_id, zone) for account_id, zone in rows]


def add_entries(session: Session, account_id: int, zone: str, most: int = MOST_ENTRIES) -> int:
    """Add the next entries to the account's daily sums; returns their number. Another zone begins anew."""
    mine = CreditDayState.account_id == account_id
    insert_missing(session, CreditDayState, {"account_id": account_id, "zone": zone, "last_entry_id": 0})
    state = session.execute(
        select(CreditDayState.zone, CreditDayState.last_entry_id).where(mine).with_for_update()
    ).one()
    last = state.last_entry_id
    if state.zone != zone:
        session.execute(delete(CreditDay).where(CreditDay.account_id == account_id))
        last = 0
    new = entries_of(account_id).where(CreditEntry.id > last).order_by(CreditEntry.id)
    rows = session.execute(new.limit(most)).all()
    _add(session, account_id, zone, [EntryOfRun(*row) for row in rows])
    last = rows[-1].id if rows else last
    session.execute(update(CreditDayState).where(mine).values(zone=zone, last_entry_id=last))
    return len(rows)


class EntryOfRun(NamedTuple):
    """An entry with its source. runs: 1 where it is the first that the run was charged."""

    id: int
    created_at: datetime
    kind: str
    amount: int
    rule_id: int
    site_id: int
    cause: str
    action: str
    runs: int


def used_by(
    names: Sequence[str],
    account_id: int,
    zone: str,
    days: Sequence[date],
    only: Narrowing = lambda _columns: (),
) -> AnyUnion:
    """What runs have used on the consecutive days: these of on, rule_id, site_id, cause and action, and for each of
    their combinations used, and runs (that were charged for the first time). One may have several rows, which add up.

    Daily sums, of which there are most, are added up by themselves: together with the rest all would be copied first.
    """
    columns = (part.subquery().c for part in _parts(account_id, zone, days))
    return union_all(
        *(
            select(*(of[name] for name in names), func.sum(of.used), func.sum(of.runs))
            .where(*only(of))
            .group_by(*(of[name] for name in names))
            for of in columns
        )
    )


def used_each_day(account_id: int, zone: str, days: Sequence[date]) -> AnyUnion:
    """The same by rule_id, site_id, cause and on. Daily sums come as they are: hardly two of them have all these."""
    summed, rest = (part.subquery().c for part in _parts(account_id, zone, days))
    after = (rest.rule_id, rest.site_id, rest.cause, rest.on)
    return union_all(
        select(summed.rule_id, summed.site_id, summed.cause, summed.on, summed.used, summed.runs),
        select(*after, func.sum(rest.used), func.sum(rest.runs)).group_by(*after),
    )


def _parts(account_id: int, zone: str, days: Sequence[date]) -> Sequence[AnyColumns]:
    """The daily sums, and the entries after their mark."""
    of = CreditDay
    columns = (
        of.local_day.label("on"),
        of.rule_id,
        of.site_id,
        of.cause,
        of.action,
        (-of.amount).label("used"),
        of.runs,
    )
    summed = credit_days.summed(account_id, zone, days, *columns).where(of.kind.in_(USE), of.rule_id != 0)
    new = entries_of(account_id, on_day(CreditEntry.created_at, zone, days).label("on")).where(
        CreditEntry.kind.in_(USE)
    )
    after = credit_days.after_mark(new, account_id, zone).subquery().c
    source = (after.rule_id, after.site_id, after.cause, after.action)
    rest = select(after.on, *source, (-after.amount).label("used"), after.runs)
    return summed, rest.where(after.on.is_not(None), after.rule_id != 0)


def _add(session: Session, account_id: int, zone: str, rows: Sequence[EntryOfRun]) -> None:
    sums: dict[tuple[int, date, str, int, int, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        on = day_of(row.created_at, zone)
        found = sums[account_id, on, row.kind, row.rule_id, row.site_id, row.cause, row.action]
        found[0] += row.amount
        found[1] += row.runs
    summed: list[RowValues] = [
        {**dict(zip(KEY, key, strict=True)), "amount": amount, "runs": runs}
        for key, (amount, runs) in sorted(sums.items())
    ]
    add_each(session, CreditDay, summed, unique=KEY, add=("amount", "runs"))
