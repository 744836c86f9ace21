"""The deliveries of event batches to rules."""

from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue
from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, Text, one_of, owner_key, same_account


class Delivery(StrEnum):
    """The state of the delivery of a batch to a rule."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class BatchDelivery(AccountOwned, Base):
    """The delivery of a batch to a rule, once: the number of its records that matched, and that did not.

    state: pending after a failure, retried at not_before; failed after the last attempt, until somebody retries ·
    run_id: the failed run that represents a failed delivery · planned: what is delivered in parts, while `runs` are
    open of it.
    """

    __tablename__ = "batch_delivery"
    __table_args__ = owner_key(
        same_account("batch_id", "event_batch"),
        same_account("rule_id", "automation_rule"),
        one_of("state", list(Delivery)),
        UniqueConstraint("batch_id", "rule_id"),
        Index(
            "ix_batch_delivery_open",
            "state",
            "not_before",
            sqlite_where=text("state <> 'done'"),
            postgresql_where=text("state <> 'done'"),
        ),
    )

    batch_id: Mapped[int] = mapped_column(Id)
    rule_id: Mapped[int] = mapped_column(Id)
    matched: Mapped[int] = mapped_column(default=0)
    unmatched: Mapped[int] = mapped_column(default=0)
    runs: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(Text(16), default=Delivery.DONE)
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text())
    run_id: Mapped[int | None] = mapped_column(Id)
    planned: Mapped[dict[str, JsonValue] | None]
    created_at: Mapped[datetime]
