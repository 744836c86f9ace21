"""Keys of the REST API: shown once, stored as a hash, with the permissions of their creator's role or fewer."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AccountStatus, ApiKey, KeyScope, User
from app.business.accounts.services import audit_log
from app.business.accounts.services.audit_log import AuditActor
from app.business.accounts.services.tokens import fingerprint, new_secret
from app.business.errors import Conflict, Invalid
from app.business.time_zones import start_of_day

BRAND = "igny8_"
SHOWN = len(BRAND) + 6
NAME_LIMIT = 255
USED_EVERY = timedelta(minutes=10)
MOVED_EVERY = timedelta(minutes=1)
"""How often the last use is recorded of a key whose address changes."""
MOST_REQUESTS, MOST_CHANGES = 6000, 1200
"""A minute, of any key and person; a key can be limited to fewer."""
STAYS_LIMITED = "A key that was limited stays limited. For more rights make another key, and revoke this one."


@dataclass(frozen=True)
class KeyHolder:
    """A valid key with its creator and account, read in one query."""

    key: ApiKey
    user: User
    account: Account


@dataclass(frozen=True)
class KeyLimits:
    """What a key may do less than its creator's role. None: no limit of this kind."""

    scopes: Sequence[KeyScope] | None = None
    site_ids: Sequence[int] | None = None
    expires_at: datetime | None = None
    requests_per_minute: int | None = None
    changes_per_minute: int | None = None

    @property
    def values(self) -> dict[str, Any]:
        """By column."""
        values = asdict(self)
        if self.scopes is not None:
            values["scopes"] = [scope.value for scope in KeyScope if scope in self.scopes]
        if self.site_ids is not None:
            values["site_ids"] = sorted(set(self.site_ids))
        return values


def issue(
    session: Session, user: User, name: str, now: datetime, limits: KeyLimits | None = None
) -> tuple[ApiKey, str]:
    """A new key for `user` and its secret, which is never shown again. Raises Invalid."""
    limits = limits or KeyLimits()
    _check(limits, now)
    secret = BRAND + new_secret()
    key = ApiKey(
        account_id=user.account_id,
        user_id=user.id,
        name=name,
        prefix=secret[:SHOWN],
        key_hash=fingerprint(secret),
        created_at=now,
        **limits.values,
    )
    session.add(key)
    session.flush()
    return key, secret


def change(
    session: Session, key: ApiKey, name: str, limits: KeyLimits, actor: AuditActor, now: datetime
) -> None:
    """Change name and limits, with an audit entry of what differs. Raises Invalid, Conflict for a revoked key."""
    session.refresh(key, with_for_update={"key_share": True})
    if key.revoked_at:
        raise Conflict("This key is revoked. It cannot be changed any more.")
    for field in ("scopes", "site_ids"):
        if getattr(key, field) is not None and getattr(limits, field) is None:
            raise Invalid({field: [STAYS_LIMITED]})
    if limits.expires_at != key.expires_at:
        _check(limits, now)
    before = audited(key)
    for field, value in {"name": name, **limits.values}.items():
        setattr(key, field, value)
    after = audited(key)
    changes = {field: {"from": before[field], "to": after[field]} for field in after}
    differing = {field: values for field, values in changes.items() if values["from"] != values["to"]}
    if differing:
        audit_log.record(session, key.account_id, actor, "api_key.changed", key, differing, now)


def audited(key: ApiKey) -> Mapping[str, Any]:
    """What the audit log keeps of a key."""
    return {
        "name": key.name,
        "scopes": key.scopes,
        "site_ids": key.site_ids,
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "requests_per_minute": key.requests_per_minute,
        "changes_per_minute": key.changes_per_minute,
    }


def end_of_day(on: date | None, zone: str) -> datetime | None:
    """The instant at which a key expires whose last day is `on`."""
    return start_of_day(on + timedelta(days=1), zone) if on else None


_OF_SECRET = (
    select(ApiKey, User, Account)
    .join(User, User.id == ApiKey.user_id)
    .join(Account, Account.id == ApiKey.account_id)
    .where(
        ApiKey.key_hash == bindparam("key_hash"),
        ApiKey.revoked_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > bindparam("now")),
        User.is_active,
        Account.status != AccountStatus.CLOSED,
    )
)
"""Ready, because it is asked by every call."""


def find(session: Session, secret: str, now: datetime) -> KeyHolder | None:
    """The key with its holder; None when it is unknown, revoked or expired, or its creator may not sign in."""
    row = session.execute(_OF_SECRET, {"key_hash": fingerprint(secret), "now": now}).one_or_none()
    return KeyHolder(*row) if row else None


def is_use_due(key: ApiKey, address: str, now: datetime) -> bool:
    """Whether the use of the key should be recorded again."""
    every = USED_EVERY if key.used_from == address else MOVED_EVERY
    return key.used_at is None or now - key.used_at >= every


def keep_used(session: Session, key: ApiKey, address: str, now: datetime) -> bool:
    """Record that the key is in use and from where, at most every ten minutes, or every minute where the address
    differs; returns whether anything was written."""
    if not is_use_due(key, address, now):
        return False
    session.execute(update(ApiKey).where(ApiKey.id == key.id).values(used_at=now, used_from=address))
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


def revoke(session: Session, key: ApiKey, actor: AuditActor, now: datetime) -> None:
    """Revoke the key at once and for good."""
    _revoke(session, ApiKey.id == key.id, actor, now)


def revoke_all(session: Session, user: User, actor: AuditActor, now: datetime) -> int:
    """Revoke every key of this person at once and for good; returns the number of keys revoked."""
    return _revoke(session, ApiKey.user_id == user.id, actor, now)


def _revoke(session: Session, which: ColumnElement[bool], actor: AuditActor, now: datetime) -> int:
    working = update(ApiKey).where(which, ApiKey.revoked_at.is_(None)).values(revoked_at=now)
    revoked = session.scalars(working.returning(ApiKey)).all()
    for key in revoked:
        audit_log.record(session, key.account_id, actor, "api_key.revoked", key, {"name": key.name}, now)
    return len(revoked)


def _check(limits: KeyLimits, now: datetime) -> None:
    if limits.expires_at and limits.expires_at <= now:
        raise Invalid({"expires_at": ["This day is over. Choose a later one."]})
