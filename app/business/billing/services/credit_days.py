"""Credits by the days of the account's zone: daily sums of the entries up to a mark, and the entries after it.

The entries of an account are written under the lock of its row, so they are committed in the order of their ids: no
entry can appear below the mark any more.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, TypeVarTuple

from sqlalchemy import ScalarSelect, Select, Subquery, exists, func, select, union_all

from app.business.billing.models import CreditDay, CreditDayState, CreditEntry
from app.business.local_days import on_day

Columns = TypeVarTuple("Columns")
NO_ID = 2**63 - 1
"""Higher than any."""


def movements(account_id: int, zone: str, days: Sequence[date]) -> Subquery:
    """Sums of movements on each of the consecutive days: on, kind, amount."""
    entry = CreditEntry
    since = select(on_day(entry.created_at, zone, days).label("on"), entry.kind, entry.amount)
    parts = (
        summed(account_id, zone, days, CreditDay.local_day.label("on"), CreditDay.kind, CreditDay.amount),
        after_mark(since, account_id, zone),
    )
    return union_all(*parts).subquery()


def summed(account_id: int, zone: str, days: Sequence[date], *columns: Any) -> Select[Any]:
    """Columns of the daily sums; no row if they are of another zone, as they are after a change of the zone."""
    return select(*columns).where(
        CreditDay.account_id == account_id,
        CreditDay.local_day >= days[0],
        CreditDay.local_day <= days[-1],
        exists().where(CreditDayState.account_id == account_id, CreditDayState.zone == zone),
    )


def after_mark(query: Select[*Columns], account_id: int, zone: str) -> Select[*Columns]:
    """The query for those entries only that the daily sums do not contain."""
    entry = CreditEntry
    # With an end PostgreSQL expects few: without, a third of all, and starts processes to read them.
    return query.where(entry.account_id == account_id, entry.id > mark_of(account_id, zone), entry.id < NO_ID)


def mark_of(account_id: int, zone: str) -> ScalarSelect[int]:
    """The last entry that the daily sums contain; 0 where they are of another zone."""
    marks = select(func.max(CreditDayState.last_entry_id)).where(
        CreditDayState.account_id == account_id, CreditDayState.zone == zone
    )
    return select(func.coalesce(marks.scalar_subquery(), 0)).scalar_subquery()
