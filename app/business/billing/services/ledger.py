"""Reading credits: entries page by page, a month by days, and what each rule used."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.business.billing.models import CreditEntry, EntryKind
from app.business.billing.services import credit_days
from app.business.kept_queries import kept_queries
from app.business.paging import Page, count_of, first_part, keyset_page, page_of
from app.business.periods import this_month
from app.business.plain_rows import plain_rows

KEPT = 64
"""Periods for which a process keeps the query."""


@dataclass(frozen=True)
class Month:
    """One month of an account, in its zone: what came in, what was used, and the days until today."""

    first_on: date
    granted: int
    used: int
    days: Sequence[dict[str, date | int]]


def newest(session: Session, account_id: int, limit: int) -> Page[CreditEntry]:
    """The first page of `entries`."""
    key = CreditEntry.id
    found = _newest(account_id, limit).entities(session, {})
    return page_of(
        found, keys=[key], limit=limit, count=lambda: count_of(session, _of(account_id), key.expression)
    )


@kept_queries(KEPT)
def _newest(account_id: int, limit: int) -> Select[CreditEntry]:
    return first_part(_of(account_id), keys=[CreditEntry.id], last=None, limit=limit)


def _of(account_id: int) -> Select[CreditEntry]:
    return select(CreditEntry).where(CreditEntry.account_id == account_id)


def entries(
    session: Session,
    account_id: int,
    *,
    cursor: str | None = None,
    limit: int = 50,
    kind: str | None = None,
    oldest: bool = False,
) -> Page[CreditEntry]:
    """Entries of the account, newest first, or oldest first. Raises Invalid for a damaged cursor."""
    query = _of(account_id)
    if kind:
        query = query.where(CreditEntry.kind == kind)
    return keyset_page(session, query, keys=[CreditEntry.id], cursor=cursor, limit=limit, oldest=oldest)


def month_so_far(session: Session, account_id: int, zone: str, now: datetime) -> Month:
    """This month's figures; `days` as the chart takes them: `{"on": date, "used": credits}`."""
    month = this_month(zone, now)
    used, granted = _by_day(session, account_id, month.dates, zone)
    bars: list[dict[str, date | int]] = [
        {"on": day, "used": amount} for day, amount in zip(month.dates, used, strict=True)
    ]
    return Month(month.dates[0], granted, sum(used), bars)


def next_grant_on(zone: str, now: datetime) -> date:
    """The first day of next month in `zone`."""
    today = now.astimezone(ZoneInfo(zone)).date()
    return (today.replace(day=1) + timedelta(days=32)).replace(day=1)


def used_by_day(session: Session, account_id: int, days: Sequence[date], zone: str) -> list[int]:
    """Charges less refunds of each of the consecutive days; a day is as long as the zone's clock makes it."""
    return _by_day(session, account_id, days, zone)[0]


def _by_day(session: Session, account_id: int, days: Sequence[date], zone: str) -> tuple[list[int], int]:
    """What was used on each day, and what was granted on all."""
    rows = plain_rows(session, _movements_by_day(account_id, zone, tuple(days)))
    used, granted = dict.fromkeys(days, 0), 0
    for on, kind, amount in rows:
        if kind in (EntryKind.CHARGE, EntryKind.REFUND):
            used[on] -= int(amount)
        elif kind == EntryKind.GRANT:
            granted += int(amount)
    return list(used.values()), granted


@kept_queries(KEPT)
def _movements_by_day(account_id: int, zone: str, days: tuple[date, ...]) -> Select[date, str, int]:
    moved = credit_days.movements(account_id, zone, days).c
    return (
        select(moved.on, moved.kind, func.sum(moved.amount))
        .where(moved.on.is_not(None))
        .group_by(moved.on, moved.kind)
    )
