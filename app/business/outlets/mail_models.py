"""Mails, and addresses that have unsubscribed from a kind of them."""

from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, Text, of_account, owner_key
from app.business.outlets.outgoing_models import Outgoing, outgoing_key

OPEN_ROWS = text("is_open")


class Mail(Outgoing, Base):
    """One mail to one address.

    kind: what it is about; somebody can unsubscribe from a kind · group_key: of mails of which one at most leaves in an
    hour (None: this one leaves at once) · is_open: takes further entries, until it is first being sent · begun_at: when
    that was · entries: what it says · link_sealed: its address that signs somebody in, encrypted, until it has ended ·
    message_id: the same for all attempts.
    """

    __tablename__ = "mail"
    __table_args__ = outgoing_key(
        "mail",
        of_account(),
        UniqueConstraint("message_id"),
        Index(
            "uq_mail_open_group",
            "account_id",
            "group_key",
            unique=True,
            sqlite_where=OPEN_ROWS,
            postgresql_where=OPEN_ROWS,
        ),
        Index(None, "account_id", "group_key", "begun_at"),
        Index(None, "finished_at"),
    )

    user_id: Mapped[int | None] = mapped_column(Id)
    address: Mapped[str] = mapped_column(Text(255))
    kind: Mapped[str] = mapped_column(Text(32))
    group_key: Mapped[str | None] = mapped_column(Text(320))
    is_open: Mapped[bool] = mapped_column(default=False)
    begun_at: Mapped[datetime | None]
    subject: Mapped[str] = mapped_column(Text(255))
    entries: Mapped[list[JsonValue]] = mapped_column(default=list)
    link_sealed: Mapped[str] = mapped_column(Text(), default="")
    message_id: Mapped[str] = mapped_column(Text(64))


class MailRefusal(AccountOwned, Base):
    """An address that has unsubscribed from a kind of mail."""

    __tablename__ = "mail_refusal"
    __table_args__ = owner_key(of_account(), UniqueConstraint("account_id", "address", "kind"))

    address: Mapped[str] = mapped_column(Text(255))
    kind: Mapped[str] = mapped_column(Text(32))
    created_at: Mapped[datetime]
