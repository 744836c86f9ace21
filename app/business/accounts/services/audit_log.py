"""The audit log: who changed what. Append-only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.orm import Session

from app.business.accounts.models import AuditEntry


@dataclass(frozen=True)
class AuditActor:
    """Who acts: a signed-in person, or a key on behalf of its creator; nobody for commands."""

    user_id: int | None = None
    api_key_id: int | None = None


class AuditedRow(Protocol):
    """Any row: its table and id name what was changed."""

    __tablename__: str
    id: Any


def differences(before: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """What an entry says of changed values: each as it was, and as it is."""
    return {name: {"from": before.get(name), "to": value} for name, value in changed.items()}


def record(
    session: Session,
    account_id: int,
    actor: AuditActor,
    action: str,
    subject: AuditedRow,
    data: Mapping[str, Any] | None,
    now: datetime,
) -> None:
    """Record that `actor` did `action` (`user.role_changed`), in the transaction of the change."""
    session.add(
        AuditEntry(
            account_id=account_id,
            user_id=actor.user_id,
            api_key_id=actor.api_key_id,
            action=action,
            subject_type=subject.__tablename__,
            subject_id=subject.id,
            data=dict(data) if data else None,
            created_at=now,
        )
    )
    session.flush()
