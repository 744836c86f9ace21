"""Notifies editors once of a chain of runs that has used many credits within an hour."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AccountStatus, Role
from app.business.accounts.services.notice_choices import NoticeKind
from app.business.accounts.services.notices import notice_of
from app.business.automation.run_models import ScheduledTask
from app.business.billing.models import BudgetScope, CreditEntry, EntryKind, Plan, SpendCounter
from app.business.outlets.services.notifying import Message, notify

WITHIN = timedelta(hours=1)
PART = 10
"""Where an owner has set no number: a tenth of the monthly grant."""


def watch_chains(session: Session, now: datetime) -> int:
    """Raise the notices; returns their number."""
    notified = 0
    for account_id, limit in session.execute(_spending(now)).all():
        for root_id, spent in _chains(session, account_id, limit, now):
            notified += _notify(session, account_id, root_id, spent, limit, now)
    return notified


def _spending(now: datetime) -> Select[int, int]:
    """Accounts that have used credits today or yesterday (whatever their zone), with their limits."""
    limit = func.coalesce(Account.chain_notice_credits, Plan.monthly_credits / PART)
    today = [(now + timedelta(days=days)).date().isoformat() for days in (-1, 0, 1)]
    return (
        select(Account.id, limit)
        .join(Plan, Plan.id == Account.plan_id)
        .where(
            Account.status == AccountStatus.ACTIVE,
            Account.id.in_(
                select(SpendCounter.account_id).where(
                    SpendCounter.scope == BudgetScope.ACCOUNT,
                    SpendCounter.period.in_(today),
                    SpendCounter.spent > 0,
                )
            ),
        )
        .order_by(Account.id)
    )


def _chains(session: Session, account_id: int, limit: float, now: datetime) -> Sequence[Row[int, int]]:
    """First run and credits of each chain above the limit."""
    root = func.coalesce(ScheduledTask.root_id, ScheduledTask.id)
    spent = -func.sum(CreditEntry.amount)
    query = (
        select(root, spent)
        .join(ScheduledTask, ScheduledTask.id == CreditEntry.run_id)
        .where(
            CreditEntry.account_id == account_id,
            CreditEntry.created_at > now - WITHIN,
            CreditEntry.kind == EntryKind.CHARGE,
        )
        .group_by(root)
        .having(spent > limit)
    )
    return session.execute(query).all()


def _notify(session: Session, account_id: int, root_id: int, spent: int, limit: float, now: datetime) -> bool:
    key = f"chain-spent-{root_id}"
    if notice_of(session, account_id, key):
        return False
    first = session.get_one(ScheduledTask, root_id)
    message = Message(
        kind=NoticeKind.CREDITS,
        level="warning",
        title=f"“{first.rule_name[:150]}” and what it started used {int(spent):,} credits within an hour",
        body=f"You are told above {int(limit):,}; an owner can change this number on the page Settings. Look at the "
        "first run: its page shows what it started. Limits of the rules and the daily ceiling hold all the same.",
        key=key,
        role=Role.EDITOR,
        run_id=root_id,
        rule_id=first.automation_rule_id,
        site_id=first.site_id,
        path=f"/runs/{root_id}",
        label="Open the first run",
    )
    notify(session, account_id, message, now)
    return True
