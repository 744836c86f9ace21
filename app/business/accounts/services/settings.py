"""Settings of the whole account."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services import audit_log
from app.business.accounts.services.audit_log import AuditActor
from app.business.base import Values


def change_settings(
    session: Session, account: Account, chosen: Values, actor: AuditActor, now: datetime
) -> Collection[str]:
    """Save what differs, by the names of columns, and record it in the audit log. Returns the names that changed."""
    before = {name: getattr(account, name) for name in chosen}
    changed = {name: value for name, value in chosen.items() if value != before[name]}
    if changed:
        session.execute(update(Account).where(Account.id == account.id).values(**changed, updated_at=now))
        said = audit_log.differences(before, changed)
        audit_log.record(session, account.id, actor, "account.changed", account, said, now)
    return changed.keys()
