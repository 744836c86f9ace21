"""The address at which an account takes messages from other systems, and which messages have come."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Text, of_account, owner_key


class IncomingAddress(AccountOwned, Base):
    """One for each account. name: its last part, which nobody can guess · secret_sealed: encrypted; signs messages."""

    __tablename__ = "incoming_address"
    __table_args__ = owner_key(of_account(), UniqueConstraint("account_id"), UniqueConstraint("name"))

    name: Mapped[str] = mapped_column(Text(64))
    secret_sealed: Mapped[str] = mapped_column(Text())
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class IncomingMessage(AccountOwned, Base):
    """A message that has come; each `webhook-id` once. What it says stands in its event."""

    __tablename__ = "incoming_message"
    __table_args__ = owner_key(
        of_account(), UniqueConstraint("account_id", "message_id"), Index(None, "account_id", "received_at")
    )

    message_id: Mapped[str] = mapped_column(Text(255))
    received_at: Mapped[datetime]
