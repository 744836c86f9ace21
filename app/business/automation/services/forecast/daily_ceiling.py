"""The daily ceiling that is proposed when the first paid rule is switched on: a fifth of the monthly grant."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services import audit_log
from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.actions.registry import is_paid, stored_actions
from app.business.billing.models import Plan

PART = 5


def proposed_ceiling(session: Session, account: Account, rule_id: int | None = None) -> int | None:
    """Credits per day; None where there is a ceiling, no grant, or another paid rule that is on."""
    plan = session.get(Plan, account.plan_id) if account.plan_id else None
    if account.daily_ceiling is not None or plan is None or plan.monthly_credits < PART:
        return None
    others = select(AutomationRule.actions).where(
        AutomationRule.account_id == account.id,
        AutomationRule.is_active,
        AutomationRule.archived_at.is_(None),
        AutomationRule.mode == "live",
        AutomationRule.id != (rule_id or 0),
    )
    if any(is_paid(stored_actions(actions)) for actions in session.scalars(others)):
        return None
    return plan.monthly_credits // PART


def set_ceiling(
    session: Session, account: Account, ceiling: int, actor: audit_log.AuditActor, now: datetime
) -> None:
    """Set the ceiling unless somebody has set one in the meantime."""
    taken = session.scalar(
        update(Account)
        .where(Account.id == account.id, Account.daily_ceiling.is_(None))
        .values(daily_ceiling=ceiling, updated_at=now)
        .returning(Account.id)
    )
    if taken:
        changed = audit_log.differences({"daily_ceiling": None}, {"daily_ceiling": ceiling})
        audit_log.record(session, account.id, actor, "account.changed", account, changed, now)
