"""Reading credits: entries page by page, a month by days, and what each rule used."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from app.business.billing.models import CreditEntry, EntryKind
from app.business.paging import Page, keyset_page
from app.business.periods import this_month
from app.business.time_zones import start_of_day


@dataclass(frozen=True)
class Month:
    """One month of an account, in its zone: what came in, what was used, and the days until today."""

    first_on: date
    granted: int
    used: int
    days: Sequence[dict[str, date | int]]


def entries(
    session: Session, account_id: int, *, cursor: str | None = None, limit: int = 50, kind: str | None = None
) -> Page[CreditEntry]:
    """Entries of the account, newest first. Raises Invalid for a damaged cursor."""
    query = select(CreditEntry).where(CreditEntry.account_id == account_id)
    if kind:
        query = query.where(CreditEntry.kind == kind)
    return keyset_page(session, query, keys=[CreditEntry.id], cursor=cursor, limit=limit)


def month_so_far(session: Session, account_id: int, zone: str, now: datetime) -> Month:
    """This month's figures; `days` as the chart takes them: `{"on": date, "used": credits}`."""
    month = this_month(zone, now)
    used = used_by_day(session, account_id, month.dates, zone)
    granted = _granted(session, account_id, month.start)
    bars: list[dict[str, date | int]] = [
        {"on": day, "used": amount} for day, amount in zip(month.dates, used, strict=True)
    ]
    return Month(month.dates[0], granted, sum(used), bars)


def used_between(session: Session, account_id: int, start: datetime, end: datetime) -> int:
    """Charges less refunds from `start` to `end`, both included."""
    query = select(func.sum(-CreditEntry.amount)).where(
        CreditEntry.account_id == account_id,
        CreditEntry.created_at >= start,
        CreditEntry.created_at <= end,
        CreditEntry.kind.in_([EntryKind.CHARGE, EntryKind.REFUND]),
    )
    return int(session.scalar(query) or 0)


def next_grant_on(zone: str, now: datetime) -> date:
    """The first day of next month in `zone`."""
    today = now.astimezone(ZoneInfo(zone)).date()
    return (today.replace(day=1) + timedelta(days=32)).replace(day=1)


def used_by_day(session: Session, account_id: int, days: Sequence[date], zone: str) -> list[int]:
    """Charges less refunds of each day; a day is as long as the zone's clock makes it."""
    starts = [start_of_day(day, zone) for day in [*days, days[-1] + timedelta(days=1)]]
    within = [
        (CreditEntry.created_at >= start) & (CreditEntry.created_at < end) for start, end in pairwise(starts)
    ]
    sums = [func.sum(case((day, -CreditEntry.amount), else_=0)) for day in within]
    row = session.execute(
        select(*sums).where(
            CreditEntry.account_id == account_id,
            CreditEntry.created_at >= starts[0],
            CreditEntry.kind.in_([EntryKind.CHARGE, EntryKind.REFUND]),
        )
    ).one()
    return [int(amount or 0) for amount in row]


def _granted(session: Session, account_id: int, start: datetime) -> int:
    query = select(func.sum(CreditEntry.amount)).where(
        CreditEntry.account_id == account_id,
        CreditEntry.created_at >= start,
        CreditEntry.kind == EntryKind.GRANT,
    )
    return int(session.scalar(query) or 0)
