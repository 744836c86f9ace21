"""Daily sums that differ from the rows they were made of."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, union_all
from sqlalchemy.orm import Session

from app.business.billing.models import CreditDay, CreditDayState, CreditEntry
from app.business.billing.services import credit_days
from app.business.periods import Period, last_days

Row = tuple[int, str]

DAYS = 3
"""Whole days that are compared: the hourly audit meets each day many times while it is new."""


def wrong_credit_days(session: Session, now: datetime) -> Iterator[Row]:
    """Account and day of each sum that is not that of its entries."""
    states = session.execute(
        select(CreditDayState.account_id, CreditDayState.zone).order_by(CreditDayState.account_id)
    )
    for account_id, zone in states.all():
        for on, kind, more in session.execute(_differences(account_id, zone, last_days(DAYS, zone, now))):
            yield account_id, f"{on} {kind}: {int(more):+d}"


def _differences(account_id: int, zone: str, period: Period) -> Select[Any]:
    """How much more each sum says than its entries. One statement, so that both are of the same moment."""
    entry, days = CreditEntry, period.dates
    kept = credit_days.summed(
        account_id, zone, days, CreditDay.local_day.label("on"), CreditDay.kind, CreditDay.amount
    )
    entries = select(credit_days.on_day(entry, zone, days), entry.kind, -entry.amount).where(
        entry.account_id == account_id,
        entry.created_at >= period.start,
        entry.id <= credit_days.mark_of(account_id, zone),
    )
    both = union_all(kept, entries).subquery().c
    more = func.sum(both.amount)
    return (
        select(both.on, both.kind, more)
        .where(both.on.is_not(None))
        .group_by(both.on, both.kind)
        .having(more != 0)
        .order_by(both.on, both.kind)
    )
