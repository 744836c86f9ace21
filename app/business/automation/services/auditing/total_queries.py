"""Daily sums that differ from the rows they were made of."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, exists, func, literal, select, union_all
from sqlalchemy.orm import Session

from app.business.automation.run_models import CLOSED, ScheduledTask
from app.business.automation.services.auditing.counted_columns import columns_of
from app.business.automation.services.auditing.credit_sources import SOURCE, entries_of
from app.business.automation.total_models import KEYS, RunChange, RunDayState, RunSum
from app.business.billing.models import CreditDay, CreditDayState, CreditEntry
from app.business.billing.services import credit_days
from app.business.local_days import on_day
from app.business.periods import Period, last_days
from app.business.time_zones import start_of_day

Row = tuple[int, str]

DAYS = 3
"""Whole days that are compared: the hourly audit meets each day many times while it is new."""


def wrong_credit_days(session: Session, now: datetime) -> Iterator[Row]:
    """Account, day and source of each sum that is not that of its entries."""
    states = session.execute(
        select(CreditDayState.account_id, CreditDayState.zone).order_by(CreditDayState.account_id)
    )
    for account_id, zone in states.all():
        for on, *source, more in session.execute(_differences(account_id, zone, last_days(DAYS, zone, now))):
            yield account_id, f"{on} {' '.join(map(str, source))}: {int(more):+d}"


def _differences(account_id: int, zone: str, period: Period) -> Select[Any]:
    """How much more each sum says than its entries. One statement, so that both are of the same moment."""
    days = period.dates
    source = (getattr(CreditDay, name) for name in SOURCE)
    kept = credit_days.summed(
        account_id, zone, days, CreditDay.local_day.label("on"), *source, CreditDay.amount
    )
    counted = entries_of(account_id, on_day(CreditEntry.created_at, zone, days).label("on")).where(
        CreditEntry.created_at >= period.start, CreditEntry.id <= credit_days.mark_of(account_id, zone)
    )
    of = counted.subquery().c
    entries = select(of.on, *(of[name] for name in SOURCE), -of.amount)
    both = union_all(kept, entries).subquery().c
    key, more = (both.on, *(both[name] for name in SOURCE)), func.sum(both.amount)
    return select(*key, more).where(both.on.is_not(None)).group_by(*key).having(more != 0).order_by(*key)


def wrong_run_days(session: Session, now: datetime, kinds: Collection[RunSum] = KEYS) -> Iterator[Row]:
    """Account and day of each sum that, with the changes still to be added, is not the number of its runs."""
    states = session.execute(
        select(RunDayState.account_id, RunDayState.zone).order_by(RunDayState.account_id)
    )
    for account_id, zone in states.all():
        for kind in kinds:
            wrong = _more_runs(kind, account_id, zone, last_days(DAYS, zone, now))
            for on, *key, more in session.execute(wrong):
                yield account_id, f"{on} {' '.join(map(str, key))}: {int(more):+d}"


def _more_runs(kind: RunSum, account_id: int, zone: str, period: Period) -> Select[*tuple[Any, ...]]:
    """How many more runs each sum says than there are. One statement, so that all are of the same moment."""
    run, change, days = ScheduledTask, RunChange, period.dates
    names = [name for name in KEYS[kind] if name != "local_day"]
    of_kept, of_change, of_run = (
        [columns_of(source)[name].label(name) for name in names] for source in (kind, change, run)
    )
    end = start_of_day(days[-1] + timedelta(days=1), zone)
    is_complete = exists().where(
        RunDayState.account_id == account_id, RunDayState.zone == zone, RunDayState.since_day <= days[0]
    )
    kept = select(kind.local_day.label("on"), *of_kept, kind.runs).where(
        kind.account_id == account_id, kind.local_day >= days[0], kind.local_day <= days[-1]
    )
    noted = select(on_day(change.scheduled_at, zone, days), *of_change, change.runs).where(
        change.account_id == account_id, change.scheduled_at >= period.start, change.scheduled_at < end
    )
    runs = select(on_day(run.scheduled_at, zone, days), *of_run, literal(-1)).where(
        run.account_id == account_id,
        run.status.in_(CLOSED),
        run.scheduled_at >= period.start,
        run.scheduled_at < end,
    )
    of = union_all(*(part.where(is_complete) for part in (kept, noted, runs))).subquery().c
    key = (of.on, *(of[name] for name in names))
    more = func.sum(of.runs)
    return select(*key, more).group_by(*key).having(more != 0).order_by(*key)
