"""Keeps the daily sums of credits, by rule, site and cause of the runs, and reads what each source has used."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    Subquery,
    and_,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session, aliased

from app.business.accounts.models import Account
from app.business.automation.run_models import ScheduledTask
from app.business.billing.models import CreditDay, CreditDayState, CreditEntry, EntryKind
from app.business.billing.services import credit_days
from app.business.local_days import on_day
from app.business.periods import day_of
from app.business.upsert import insert_missing, upsert

MOST_ENTRIES = 1000
"""Entries in a transaction: it takes some milliseconds, and others can write in between."""
MOST_TURNS = 50
"""Transactions for an account in one sweep."""
USE = (EntryKind.CHARGE, EntryKind.REFUND)
KEY = ("account_id", "local_day", "kind", "rule_id", "site_id", "cause")


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
    rows = session.execute(_entries(account_id).where(CreditEntry.id > last).limit(most)).all()
    _add(session, account_id, zone, [EntryOfRun(*row) for row in rows])
    last = rows[-1].id if rows else last
    session.execute(update(CreditDayState).where(mine).values(zone=zone, last_entry_id=last))
    return len(rows)


class EntryOfRun(NamedTuple):
    """An entry with the source of its run. runs: 1 where it is the first that the run was charged."""

    id: int
    created_at: datetime
    kind: str
    amount: int
    rule_id: int
    site_id: int
    cause: str
    runs: int


def sources(account_id: int, zone: str, days: Sequence[date]) -> Subquery:
    """What runs have used on each of the consecutive days: on, rule_id, site_id, cause, used, runs (that were charged
    for the first time)."""
    of = CreditDay
    columns = (
        of.local_day.label("on"),
        of.rule_id,
        of.site_id,
        of.cause,
        (-of.amount).label("used"),
        of.runs,
    )
    summed = credit_days.summed(account_id, zone, days, *columns).where(of.kind.in_(USE))
    new = _entries(account_id, on_day(CreditEntry.created_at, zone, days).label("on")).where(
        CreditEntry.kind.in_(USE)
    )
    after = credit_days.after_mark(new, account_id, zone).subquery().c
    rest = select(
        after.on, after.rule_id, after.site_id, after.cause, (-after.amount).label("used"), after.runs
    )
    both = union_all(summed, rest.where(after.on.is_not(None))).subquery()
    return select(both).where(both.c.rule_id != 0).subquery()


def _entries(account_id: int, *columns: Any) -> Select[Any]:
    """Entries with the source of their runs, oldest first."""
    entry, run = CreditEntry, ScheduledTask
    return (
        select(
            *columns,
            entry.id,
            entry.created_at,
            entry.kind,
            entry.amount,
            func.coalesce(run.automation_rule_id, 0).label("rule_id"),
            func.coalesce(run.site_id, 0).label("site_id"),
            func.coalesce(run.cause, "").label("cause"),
            case((_is_first_of_run(), 1), else_=0).label("runs"),
        )
        .outerjoin(run, and_(run.account_id == entry.account_id, run.id == entry.run_id))
        .where(entry.account_id == account_id)
        .order_by(entry.id)
    )


def _is_first_of_run() -> ColumnElement[bool]:
    entry, other = CreditEntry, aliased(CreditEntry)
    earlier = exists().where(
        other.account_id == entry.account_id,
        other.run_id == entry.run_id,
        other.kind.in_(USE),
        other.id < entry.id,
    )
    return and_(entry.run_id.is_not(None), entry.kind.in_(USE), ~earlier)


def _add(session: Session, account_id: int, zone: str, rows: Sequence[EntryOfRun]) -> None:
    sums: dict[tuple[int, date, str, int, int, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        on = day_of(row.created_at, zone)
        found = sums[account_id, on, row.kind, row.rule_id, row.site_id, row.cause]
        found[0] += row.amount
        found[1] += row.runs
    for key, (amount, runs) in sorted(sums.items()):
        upsert(
            session,
            CreditDay,
            {**dict(zip(KEY, key, strict=True)), "amount": amount, "runs": runs},
            unique=KEY,
            change={"amount": CreditDay.amount + amount, "runs": CreditDay.runs + runs},
        )
