"""The second factor of a person: the secret shared with their device, and the codes for when that is lost."""

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, Text, owner_key, same_account


class SecondFactor(AccountOwned, Base):
    """A device that shows a new code every thirty seconds (RFC 6238).

    last_step: the time step of the code accepted last; no code of it or of an earlier one is accepted again.
    """

    __tablename__ = "second_factor"
    __table_args__ = owner_key(same_account("user_id", "user"), UniqueConstraint("user_id"))

    user_id: Mapped[int] = mapped_column(Id)
    secret_sealed: Mapped[str] = mapped_column(Text())
    last_step: Mapped[int]
    created_at: Mapped[datetime]


class RecoveryCode(AccountOwned, Base):
    """Signs a person in once without their device. Only its hash is kept; a spent one is deleted."""

    __tablename__ = "recovery_code"
    __table_args__ = owner_key(same_account("user_id", "user"), UniqueConstraint("user_id", "code_hash"))

    user_id: Mapped[int] = mapped_column(Id)
    code_hash: Mapped[str] = mapped_column(Text(64))
    created_at: Mapped[datetime]
