"""Settings of the whole account."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Role, User
from app.business.accounts.services import audit_log
from app.business.accounts.services.audit_log import AuditActor
from app.business.base import Values
from app.business.errors import Invalid

TOO_FEW = (
    "Nobody could approve: fewer than two people of this account may edit rules. "
    "Add an editor or owner under Team first."
)


def change_settings(
    session: Session, account: Account, chosen: Values, actor: AuditActor, now: datetime
) -> Collection[str]:
    """Save what differs, by the names of columns, and record it in the audit log. Returns the names that changed.

    Raises Invalid where a second person is to approve changes of rules, and there is none.
    """
    before = {name: getattr(account, name) for name in chosen}
    changed = {name: value for name, value in chosen.items() if value != before[name]}
    if changed.get("rule_approval_required") and _editors(session, account) < 2:
        raise Invalid({"rule_approval_required": [TOO_FEW]})
    if changed:
        session.execute(update(Account).where(Account.id == account.id).values(**changed, updated_at=now))
        said = audit_log.differences(before, changed)
        audit_log.record(session, account.id, actor, "account.changed", account, said, now)
    return changed.keys()


def _editors(session: Session, account: Account) -> int:
    """The number of people who may sign in and edit rules."""
    editing = [role for role in Role if role.allows(Role.EDITOR)]
    which = (User.account_id == account.id, User.is_active, User.role.in_(editing))
    return session.scalar(select(func.count(User.id)).where(*which)) or 0
