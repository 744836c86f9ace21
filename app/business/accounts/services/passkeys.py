"""Passkeys: their rows, and challenges of which each is answered once, in time, by the browser that asked for it."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session, undefer

from app.business.accounts.models import Account, AccountStatus, User
from app.business.accounts.passkey_models import Passkey, PasskeyChallenge, Purpose
from app.business.accounts.services.tokens import fingerprint, new_secret
from app.business.base import RowValues
from app.business.errors import Conflict, NotFound
from app.business.upsert import insert_missing

VALID_FOR = timedelta(minutes=5)
"""How long a challenge may be answered."""
CHALLENGE_BYTES = 32
HANDLE_BYTES = 32
MOST = 20
"""Passkeys of one person."""
LONGEST_NAME = 100
LONGEST_ID = 1023
"""Bytes of a credential id, by the specification."""
ONLY_WAY = "This is your only way to sign in. Set a password first, then remove it."


@dataclass(frozen=True)
class Challenge:
    """What a device signs. user_handle: of the person who adds a passkey, else empty."""

    value: bytes
    user_handle: str = ""


@dataclass(frozen=True)
class NewPasskey:
    """What a device has made, once it is verified."""

    credential_id: str
    public_key: bytes
    sign_count: int


def encoded(value: bytes) -> str:
    """base64url without padding, as browsers write it."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def ask(session: Session, purpose: Purpose, user: User | None, now: datetime) -> tuple[str, Challenge]:
    """A new challenge, and the token for the cookie of the browser that may answer it."""
    session.execute(delete(PasskeyChallenge).where(PasskeyChallenge.expires_at <= now))
    token = new_secret()
    challenge = Challenge(secrets.token_bytes(CHALLENGE_BYTES), _handle_of(session, user) if user else "")
    session.add(
        PasskeyChallenge(
            token_hash=fingerprint(token),
            purpose=purpose,
            challenge=challenge.value,
            user_id=user.id if user else None,
            user_handle=challenge.user_handle,
            expires_at=now + VALID_FOR,
        )
    )
    session.flush()
    return token, challenge


def take(
    session: Session, token: str, purpose: Purpose, user: User | None, now: datetime
) -> Challenge | None:
    """Use the challenge up; None where it is used, too old, another browser's, or was given for something else."""
    taken = delete(PasskeyChallenge).where(
        PasskeyChallenge.token_hash == fingerprint(token),
        PasskeyChallenge.purpose == purpose,
        PasskeyChallenge.user_id == user.id if user else PasskeyChallenge.user_id.is_(None),
        PasskeyChallenge.expires_at > now,
    )
    returned = taken.returning(PasskeyChallenge.challenge, PasskeyChallenge.user_handle)
    row = session.execute(returned).one_or_none()
    return Challenge(*row) if row else None


def passkeys_of(session: Session, user: User) -> Sequence[Passkey]:
    """The person's passkeys, the newest first."""
    query = select(Passkey).where(Passkey.user_id == user.id)
    return session.scalars(query.order_by(Passkey.created_at.desc(), Passkey.id.desc())).all()


def count_of(session: Session, user: User) -> int:
    """How many the person has."""
    return session.scalar(select(func.count(Passkey.id)).where(Passkey.user_id == user.id)) or 0


def people_with(session: Session, account_id: int) -> set[int]:
    """Ids of the account's people who have one."""
    return set(session.scalars(select(Passkey.user_id).where(Passkey.account_id == account_id)))


def one_of(session: Session, user: User, id: int) -> Passkey:
    """One of the person's own. Raises NotFound."""
    own = select(Passkey).where(Passkey.user_id == user.id, Passkey.id == id)
    if (found := session.scalar(own)) is None:
        raise NotFound()
    return found


def check_room(session: Session, user: User) -> None:
    """Raises Conflict where the person has as many as anybody may."""
    if count_of(session, user) >= MOST:
        raise Conflict(f"You have {MOST} passkeys, and more are not kept. Remove one that you do not use.")


def add(session: Session, user: User, new: NewPasskey, handle: str, name: str, now: datetime) -> Passkey:
    """Keep a passkey that was made just now. Raises Conflict where it is somebody's already."""
    _lock(session, user)
    check_room(session, user)
    values: RowValues = {
        "account_id": user.account_id,
        "user_id": user.id,
        "name": name,
        "credential_id": new.credential_id,
        "public_key": new.public_key,
        "user_handle": handle,
        "sign_count": new.sign_count,
        "created_at": now,
    }
    if session.scalar(select(Passkey.id).where(Passkey.credential_id == new.credential_id)) is None:
        insert_missing(session, Passkey, values)
        kept = session.scalar(select(Passkey).where(Passkey.credential_id == new.credential_id))
        if kept is not None and kept.user_id == user.id:
            return kept
    raise Conflict("This passkey is in use here already.")


def holder(session: Session, credential_id: str, handle: str) -> tuple[Passkey, User] | None:
    """The passkey with the person who signs in with it; None where it is unknown, another person's, or its person may
    not sign in."""
    found = session.execute(
        select(Passkey, User)
        .join(User, User.id == Passkey.user_id)
        .join(Account, Account.id == User.account_id)
        .where(
            Passkey.credential_id == credential_id,
            Passkey.user_handle == handle,
            User.is_active,
            Account.status != AccountStatus.CLOSED,
        )
        .options(undefer(Passkey.public_key))
    ).one_or_none()
    return (found[0], found[1]) if found else None


def use(session: Session, passkey: Passkey, count: int, address: str, browser: str, now: datetime) -> bool:
    """Record a use. False, and nothing is written, where the device has not counted on from its last use: then there
    may be a copy of it. Devices that do not count always say 0."""
    counted_on = Passkey.sign_count < count if count else Passkey.sign_count == 0
    used = update(Passkey).where(Passkey.id == passkey.id, counted_on)
    values = {"sign_count": count, "used_at": now, "used_from": address, "used_with": browser[:255]}
    return session.scalar(used.values(**values).returning(Passkey.id)) is not None


def remove(session: Session, user: User, id: int) -> str:
    """Delete one of the person's own; returns its name. Raises NotFound, and Conflict where it is the last way in."""
    # Of two removals at the same time one must see what the other has left.
    _lock(session, user)
    found = one_of(session, user, id)
    if user.password_hash is None and count_of(session, user) == 1:
        raise Conflict(ONLY_WAY)
    session.delete(found)
    session.flush()
    return found.name


def remove_all(session: Session, user: User) -> int:
    """Delete all of a person; returns how many there were."""
    removed = delete(Passkey).where(Passkey.user_id == user.id).returning(Passkey.id)
    return len(session.scalars(removed).all())


def _handle_of(session: Session, user: User) -> str:
    """The handle that devices know the person by; a new one with the first passkey."""
    known = select(Passkey.user_handle).where(Passkey.user_id == user.id).order_by(Passkey.id).limit(1)
    return session.scalar(known) or encoded(secrets.token_bytes(HANDLE_BYTES))


def _lock(session: Session, user: User) -> None:
    session.refresh(user, ["password_hash"], with_for_update=True)
