"""Keys of the REST API: shown once, stored as a hash, with the permissions of their creator's role."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AccountStatus, ApiKey, User
from app.business.accounts.services.tokens import fingerprint, new_secret

BRAND = "igny8_"
SHOWN = len(BRAND) + 6
USED_EVERY = timedelta(minutes=10)


@dataclass(frozen=True)
class KeyHolder:
    """A valid key with its creator and account, read in one query."""

    key: ApiKey
    user: User
    account: Account


def issue(session: Session, user: User, name: str, now: datetime) -> tuple[ApiKey, str]:
    """A new key for `user` and its secret, which is never shown again."""
    secret = BRAND + new_secret()
    key = ApiKey(
        account_id=user.account_id,
        user_id=user.id,
        name=name,
        prefix=secret[:SHOWN],
        key_hash=fingerprint(secret),
        created_at=now,
    )
    session.add(key)
    session.flush()
    return key, secret


def find(session: Session, secret: str) -> KeyHolder | None:
    """The key with its holder; None when it is unknown or revoked, or its creator may not sign in."""
    row = session.execute(
        select(ApiKey, User, Account)
        .join(User, User.id == ApiKey.user_id)
        .join(Account, Account.id == ApiKey.account_id)
        .where(
            ApiKey.key_hash == fingerprint(secret),
            ApiKey.revoked_at.is_(None),
            User.is_active,
            Account.status != AccountStatus.CLOSED,
        )
    ).one_or_none()
    return KeyHolder(*row) if row else None


def keep_used(session: Session, key: ApiKey, now: datetime) -> bool:
    """Record that the key is in use, at most every ten minutes; returns whether anything was written."""
    if key.used_at and now - key.used_at < USED_EVERY:
        return False
    session.execute(update(ApiKey).where(ApiKey.id == key.id).values(used_at=now))
    return True


def keys_of(session: Session, account_id: int) -> Sequence[tuple[ApiKey, User]]:
    """The account's keys with their creators, newest first; revoked ones stay listed."""
    rows = session.execute(
        select(ApiKey, User)
        .join(User, User.id == ApiKey.user_id)
        .where(ApiKey.account_id == account_id)
        .order_by(ApiKey.id.desc())
    )
    return [(key, user) for key, user in rows]


def count_of(session: Session, user: User) -> int:
    """The number of this person's active keys."""
    working = select(func.count(ApiKey.id)).where(ApiKey.user_id == user.id, ApiKey.revoked_at.is_(None))
    return session.scalar(working) or 0


def revoke(session: Session, key: ApiKey, now: datetime) -> None:
    """Revoke the key at once and for good."""
    _revoke(session, ApiKey.id == key.id, now)


def revoke_all(session: Session, user: User, now: datetime) -> int:
    """Revoke every key of this person at once and for good; returns the number of keys revoked."""
    return _revoke(session, ApiKey.user_id == user.id, now)


def _revoke(session: Session, which: ColumnElement[bool], now: datetime) -> int:
    working = update(ApiKey).where(which, ApiKey.revoked_at.is_(None)).values(revoked_at=now)
    return len(session.scalars(working.returning(ApiKey.id)).all())
