"""Passkeys of people, and the challenges that they are made and used with (WebAuthn)."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, Text, one_of, owner_key, same_account


class Purpose(StrEnum):
    """What a challenge was given for; it serves nothing else."""

    ADD = "add"
    SIGN_IN = "sign_in"


class Passkey(AccountOwned, Base):
    """A public key of a person, whose private half their device, security key or password manager keeps.

    credential_id: how the device names it, base64url · user_handle: random, the same for all passkeys of the person;
    devices keep one passkey for each · sign_count: as the device counted at its last use; 0 where it does not count ·
    used_from, used_with: address and browser of its last use.
    """

    __tablename__ = "passkey"
    __table_args__ = owner_key(
        same_account("user_id", "user"),
        UniqueConstraint("credential_id"),
        Index(None, "user_id"),
    )

    user_id: Mapped[int] = mapped_column(Id)
    name: Mapped[str] = mapped_column(Text(100))
    credential_id: Mapped[str] = mapped_column(Text(1400))
    public_key: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    user_handle: Mapped[str] = mapped_column(Text(100))
    sign_count: Mapped[int] = mapped_column(Id, default=0)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_from: Mapped[str] = mapped_column(Text(64), default="", server_default="")
    used_with: Mapped[str] = mapped_column(Text(255), default="", server_default="")


class PasskeyChallenge(Base):
    """Random bytes that a device has to sign; whoever answers deletes the row.

    token_hash: of what the cookie of the one browser holds that may answer · user_id, user_handle: who adds a passkey;
    before a sign-in nobody is known.
    """

    __tablename__ = "passkey_challenge"
    __table_args__ = (
        one_of("purpose", list(Purpose)),
        UniqueConstraint("token_hash"),
        Index(None, "expires_at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    token_hash: Mapped[str] = mapped_column(Text(64))
    purpose: Mapped[str] = mapped_column(Text(16))
    challenge: Mapped[bytes] = mapped_column(LargeBinary)
    user_id: Mapped[int | None] = mapped_column(Id)
    user_handle: Mapped[str] = mapped_column(Text(100), default="", server_default="")
    expires_at: Mapped[datetime]
