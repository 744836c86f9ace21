"""Monthly credits: every active account with a plan gets them exactly once for each month of its own zone.

Called on the first of the month and by every sweep, so a machine that was off at midnight, a crash midway or
two calls at once all end with one grant. An account that becomes active, or gets a plan, in the middle of a
month gets the whole month; a plan changed later in the month grants nothing more until the next one.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AccountStatus
from app.business.base import RowValues
from app.business.billing.models import CreditEntry, EntryKind, Plan, Rollover
from app.business.billing.services.credit_service import CreditService
from app.business.database_faults import stops_all
from app.business.events import EventType, Origin, close_batch, open_batch, record_events


@dataclass
class Report:
    """Accounts that got this month's credits now, and those whose grant failed, with the error."""

    granted: list[int] = field(default_factory=list)
    failed: dict[int, Exception] = field(default_factory=dict)


def replenish_monthly_credits(
    transaction: Callable[[], AbstractContextManager[Session]], now: datetime
) -> Report:
    """Grant what is missing for the present month, one small transaction for each account."""
    report = Report()
    with transaction() as session:
        waiting = list(accounts_without_grant(session, now))
    for account_id in waiting:
        try:
            with transaction() as session:
                if grant_month(session, account_id, now):
                    report.granted.append(account_id)
        # An error of one account must not stop the grants of the others.
        except Exception as error:
            if stops_all(error):
                raise
            report.failed[account_id] = error
    return report


def accounts_without_grant(session: Session, now: datetime) -> Iterator[int]:
    """Ids of the accounts that are owed this month's credits, found without reading those that have them."""
    months: dict[str, list[str]] = {}
    for zone in session.scalars(select(Account.timezone).distinct()):
        months.setdefault(_month_or_utc(zone, now), []).append(zone)
    for month, zones in sorted(months.items()):
        has_grant = exists().where(CreditEntry.account_id == Account.id, CreditEntry.key == grant_key(month))
        query = (
            select(Account.id)
            .join(Plan, Plan.id == Account.plan_id)
            .where(Account.status == AccountStatus.ACTIVE, Plan.monthly_credits > 0)
            .where(Account.timezone.in_(zones), ~has_grant)
        )
        yield from session.scalars(query.order_by(Account.id))


def grant_month(session: Session, account_id: int, now: datetime) -> bool:
    """Grant the account its credits of the present month; False when it has them, or none are due."""
    row = session.execute(
        select(Account.timezone, Plan)
        .join(Plan, Plan.id == Account.plan_id)
        .where(Account.id == account_id, Account.status == AccountStatus.ACTIVE, Plan.monthly_credits > 0)
    ).one_or_none()
    if row is None:
        return False
    zone, plan = row
    month = month_of(zone, now)
    granted = CreditService().add(
        session,
        account_id=account_id,
        kind=EntryKind.GRANT,
        amount=plan.monthly_credits,
        key=grant_key(month),
        reason=f"Monthly credits, {month}",
        now=now,
    )
    if granted:
        _expire(session, account_id, plan, month, now)
        _notify(session, account_id, plan.monthly_credits, month, now)
    return granted


def month_of(zone: str, now: datetime) -> str:
    """`2026-11`: the present month in `zone`."""
    return f"{now.astimezone(ZoneInfo(zone)):%Y-%m}"


def grant_key(month: str) -> str:
    """The ledger's key of that month's grant: one for each account."""
    return f"grant-{month}"


def _expire(session: Session, account_id: int, plan: Plan, month: str, now: datetime) -> None:
    """Remove credits that do not roll over under the plan; credits set aside by runs are never touched."""
    if plan.rollover == Rollover.ADD or (plan.rollover == Rollover.CAP and plan.rollover_cap is None):
        return
    kept = plan.rollover_cap or 0 if plan.rollover == Rollover.CAP else 0
    left_over = CreditService().available(session, account_id) - plan.monthly_credits
    if left_over > kept:
        CreditService().add(
            session,
            account_id=account_id,
            kind=EntryKind.EXPIRY,
            amount=kept - left_over,
            key=f"expiry-{month}",
            reason="Not used last month",
            now=now,
        )


def _notify(session: Session, account_id: int, amount: int, month: str, now: datetime) -> None:
    batch = open_batch(session, EventType.CREDITS_GRANTED, Origin(account_id), now)
    place: RowValues = {"record_id": account_id, "site_id": None, "sector_id": None}
    record_events(session, batch, "account", [place | {"data": {"amount": amount, "month": month}}])
    close_batch(session, batch, now)


def _month_or_utc(zone: str, now: datetime) -> str:
    try:
        return month_of(zone, now)
    except ZoneInfoNotFoundError:
        # Its accounts are listed all the same, so that their grant fails by name.
        return month_of("UTC", now)
