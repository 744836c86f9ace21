"""Webhooks: the addresses that an account's messages are posted to, and the messages."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import (
    AccountOwned,
    Base,
    Id,
    Stamped,
    Text,
    Versioned,
    of_account,
    owner_key,
    same_account,
)
from app.business.outlets.outgoing_models import Outgoing, outgoing_key


class Webhook(AccountOwned, Stamped, Versioned, Base):
    """An endpoint of the account.

    events: types it is subscribed to · secret_sealed: encrypted; signs every message · old_secret_sealed: the
    previous one, which also signs until old_secret_until · failing_since: the first failure since the last success ·
    off_reason: why the system switched it off.
    """

    __tablename__ = "webhook"
    __table_args__ = owner_key(
        of_account(),
    )

    name: Mapped[str] = mapped_column(Text(255))
    url: Mapped[str] = mapped_column(Text(2000))
    events: Mapped[list[str]] = mapped_column(default=list)
    is_active: Mapped[bool] = mapped_column(default=True)
    secret_sealed: Mapped[str] = mapped_column(Text())
    old_secret_sealed: Mapped[str] = mapped_column(Text(), default="")
    old_secret_until: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    off_reason: Mapped[str] = mapped_column(Text(500), default="")


class WebhookDelivery(Outgoing, Base):
    """One message to one endpoint.

    message_id: its `webhook-id`, the same for all attempts · key: of the unit that wrote it; one message for each.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = outgoing_key(
        "webhook_delivery",
        same_account("webhook_id", "webhook"),
        UniqueConstraint("message_id"),
        UniqueConstraint("account_id", "key"),
        Index(None, "account_id", "webhook_id", "id"),
        Index(None, "finished_at"),
    )

    webhook_id: Mapped[int] = mapped_column(Id)
    event: Mapped[str] = mapped_column(Text(32))
    message_id: Mapped[str] = mapped_column(Text(64))
    key: Mapped[str | None] = mapped_column(Text(128))
    body: Mapped[str] = mapped_column(Text())
    response_status: Mapped[int | None]
