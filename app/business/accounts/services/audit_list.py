"""Reading the audit log: its entries under a filter, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from app.business.accounts.models import AuditEntry
from app.business.paging import Page, keyset_page


@dataclass(frozen=True)
class AuditFilter:
    """after <= created_at < before; what is empty or None does not limit. by_nobody: by commands and the product."""

    actions: Sequence[str] = ()
    subject_types: Sequence[str] = ()
    subject_id: int | None = None
    user_id: int | None = None
    api_key_id: int | None = None
    by_nobody: bool = False
    after: datetime | None = None
    before: datetime | None = None

    def clauses(self) -> list[ColumnElement[bool]]:
        equal = {
            AuditEntry.subject_id: self.subject_id,
            AuditEntry.user_id: self.user_id,
            AuditEntry.api_key_id: self.api_key_id,
        }
        found = [column == value for column, value in equal.items() if value is not None]
        if self.actions:
            found.append(AuditEntry.action.in_(self.actions))
        if self.subject_types:
            found.append(AuditEntry.subject_type.in_(self.subject_types))
        if self.by_nobody:
            found.append(AuditEntry.user_id.is_(None))
        if self.after:
            found.append(AuditEntry.created_at >= self.after)
        if self.before:
            found.append(AuditEntry.created_at < self.before)
        return found


def audit_entries(
    session: Session,
    account_id: int,
    asked: AuditFilter,
    *,
    cursor: str | None,
    limit: int,
    oldest: bool = False,
) -> Page[AuditEntry]:
    """Entries of the account, newest first unless said otherwise."""
    entries = select(AuditEntry).where(AuditEntry.account_id == account_id, *asked.clauses())
    return keyset_page(session, entries, keys=[AuditEntry.id], cursor=cursor, limit=limit, oldest=oldest)
