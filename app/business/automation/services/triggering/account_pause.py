"""The switch that pauses all automation of an account, and the way back."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services import audit_log
from app.business.accounts.services.audit_log import AuditActor
from app.business.automation.services.runs.waiting import wake_after_pause
from app.business.automation.services.triggering.planning import replan_account


def pause_account(session: Session, account: Account, actor: AuditActor, now: datetime) -> None:
    """Nothing of the account starts until it is resumed; planned runs are withdrawn. Paused, it stays as it is."""
    if _set_paused(session, account, now, actor.user_id, now):
        replan_account(session, account.id, now)
        audit_log.record(session, account.id, actor, "account.paused", account, None, now)


def resume_account(session: Session, account: Account, actor: AuditActor, now: datetime) -> None:
    """Plan again, and wake the runs that wait for it; what is not paused stays as it is."""
    if _set_paused(session, account, None, None, now):
        replan_account(session, account.id, now)
        wake_after_pause(session, account.id)
        audit_log.record(session, account.id, actor, "account.resumed", account, None, now)


def _set_paused(
    session: Session, account: Account, at: datetime | None, user_id: int | None, now: datetime
) -> bool:
    """Whether this call has changed it: of two at once, one does."""
    is_other = Account.paused_at.is_(None) if at else Account.paused_at.is_not(None)
    changed = session.scalar(
        update(Account)
        .where(Account.id == account.id, is_other)
        .values(paused_at=at, paused_by_id=user_id, updated_at=now)
        .returning(Account.id)
    )
    session.refresh(account, ["paused_at", "paused_by_id"])
    return changed is not None
