"""Moving an account to another plan: its limits apply from now on, and a ledger entry records it.

A bigger plan adds the difference for the present month at once; a smaller one takes nothing back and grants less from
the next month on. What the month has granted already counts, so that going up and down creates no credits.
"""

from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.billing.models import CreditEntry, EntryKind
from app.business.billing.services.credit_service import CreditService
from app.business.billing.services.plans import plan_of, plan_with
from app.business.billing.services.replenishment import grant_key, grant_month, month_of
from app.business.errors import Conflict


def change_plan(session: Session, account: Account, code: str, now: datetime) -> int:
    """Move the account to the plan of that code; returns the credits added at once.

    Raises Invalid for an unknown code, Conflict when the account has the plan already.
    """
    old, new = plan_of(session, account), plan_with(session, code)
    if not _move(session, account, new.id):
        raise Conflict(f"The account is on the plan {new.name} already.")
    before = CreditService().available(session, account.id)
    # If the month's grant is still to come, it will be the new plan's, and there is no difference.
    grant_month(session, account.id, now)
    month = month_of(account.timezone, now)
    given, changes = _given(session, account.id, month)
    CreditService().add(
        session,
        account_id=account.id,
        kind=EntryKind.ADJUST,
        amount=max(new.monthly_credits - given, 0),
        key=f"{_prefix(month)}{changes + 1}",
        reason=f"Plan changed from {old.name if old else 'none'} to {new.name}",
        now=now,
    )
    return CreditService().available(session, account.id) - before


def _move(session: Session, account: Account, plan_id: int) -> bool:
    """Guarded, so that of two concurrent changes the second sees what the first one granted."""
    moved = session.scalar(
        update(Account)
        .where(Account.id == account.id, or_(Account.plan_id.is_(None), Account.plan_id != plan_id))
        .values(plan_id=plan_id)
        .returning(Account.id)
        .execution_options(synchronize_session=False)
    )
    session.refresh(account)
    return moved is not None


def _given(session: Session, account_id: int, month: str) -> tuple[int, int]:
    """Credits of the month's grant and plan changes, and the number of changes."""
    mine = CreditEntry.account_id == account_id
    is_change = CreditEntry.key.startswith(_prefix(month))
    given = select(func.coalesce(func.sum(CreditEntry.amount), 0)).where(
        mine, or_(is_change, CreditEntry.key == grant_key(month))
    )
    changes = select(func.count(CreditEntry.id)).where(mine, is_change)
    return session.scalar(given) or 0, session.scalar(changes) or 0


def _prefix(month: str) -> str:
    return f"plan-{month}-"
