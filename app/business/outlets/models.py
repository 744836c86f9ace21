"""Connections of an account to AI services, and their costs."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Stamped, Text, Versioned, of_account, one_of, owner_key

Micros = BigInteger().with_variant(Integer, "sqlite")
"""Money in millionths of its unit, which is whatever currency the account's prices are in."""
MODES = ("json_schema", "json_object", "plain")


class AiConnection(AccountOwned, Stamped, Versioned, Base):
    """The account's own AI service. Prices are for a million tokens.

    api_key_sealed: encrypted; empty for services that need none · mode: how the service is asked for JSON, once a
    test has found out · embedding_model: makes the vectors by which keywords are grouped; empty: the built-in ones do.
    """

    __tablename__ = "ai_connection"
    __table_args__ = owner_key(
        of_account(),
        UniqueConstraint("account_id"),
        one_of("mode", MODES),
        CheckConstraint("price_in >= 0 AND price_out >= 0 AND monthly_limit >= 0", name="not_negative"),
    )

    base_url: Mapped[str] = mapped_column(Text(2000))
    api_key_sealed: Mapped[str] = mapped_column(Text(), default="")
    model: Mapped[str] = mapped_column(Text(255))
    article_model: Mapped[str] = mapped_column(Text(255), default="")
    embedding_model: Mapped[str] = mapped_column(Text(255), default="", server_default="")
    price_in: Mapped[int | None] = mapped_column(Micros)
    price_out: Mapped[int | None] = mapped_column(Micros)
    monthly_limit: Mapped[int | None] = mapped_column(Micros)
    mode: Mapped[str | None] = mapped_column(Text(16))
    tested_at: Mapped[datetime | None]


class AiSpend(AccountOwned, Base):
    """Use of AI services in one month (`2026-11`, in the account's zone).

    spent: amount settled · held: amount reserved for calls in progress.
    """

    __tablename__ = "ai_spend"
    __table_args__ = owner_key(
        of_account(),
        UniqueConstraint("account_id", "period"),
        CheckConstraint("spent >= 0 AND held >= 0", name="not_negative"),
    )

    period: Mapped[str] = mapped_column(Text(7))
    spent: Mapped[int] = mapped_column(Micros, default=0)
    held: Mapped[int] = mapped_column(Micros, default=0)
    tokens_in: Mapped[int] = mapped_column(Micros, default=0)
    tokens_out: Mapped[int] = mapped_column(Micros, default=0)


class AiReservation(AccountOwned, Base):
    """Money reserved for one unit's call, identified by the unit's key; `is_open` until it is settled."""

    __tablename__ = "ai_reservation"
    __table_args__ = owner_key(
        of_account(),
        UniqueConstraint("account_id", "key"),
        CheckConstraint("amount >= 0", name="not_negative"),
        Index(
            "ix_ai_reservation_open",
            "account_id",
            "created_at",
            sqlite_where=text("is_open"),
            postgresql_where=text("is_open"),
        ),
    )

    key: Mapped[str] = mapped_column(Text(64))
    period: Mapped[str] = mapped_column(Text(7))
    amount: Mapped[int] = mapped_column(Micros)
    is_open: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
