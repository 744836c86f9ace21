"""Base of all outgoing messages: their state, and the lease of the worker that sends them."""

from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue
from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.schema import SchemaItem

from app.business.base import AccountOwned, Text, one_of, owner_key

PENDING_ROWS = text("status = 'pending'")
SENDING_ROWS = text("lease_token IS NOT NULL")


class OutgoingStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Outgoing(AccountOwned):
    """A message that is sent until it is accepted or its attempts are used up. The row is the truth: a job only wakes
    a worker.

    host: where it is sent to; a unique index over leased rows lets at most one worker send to a host (None: no limit)
    · attempts: in all · tries: since it was written or sent again · next_at: when it is tried next ·
    log: the latest attempts, oldest first.
    """

    status: Mapped[str] = mapped_column(Text(16), default=OutgoingStatus.PENDING)
    host: Mapped[str | None] = mapped_column(Text(255))
    attempts: Mapped[int] = mapped_column(default=0)
    tries: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None]
    lease_token: Mapped[str | None] = mapped_column(Text(32))
    lease_until: Mapped[datetime | None]
    log: Mapped[list[JsonValue]] = mapped_column(default=list)
    created_at: Mapped[datetime] = mapped_column(sort_order=90)
    finished_at: Mapped[datetime | None] = mapped_column(sort_order=91)


def outgoing_key(table: str, *extra: SchemaItem) -> tuple[SchemaItem, ...]:
    """Table arguments of a table of outgoing messages: its tenant key, the indexes of its claims, then `extra`."""
    return owner_key(
        one_of("status", list(OutgoingStatus)),
        Index(f"ix_{table}_due", "next_at", "id", sqlite_where=PENDING_ROWS, postgresql_where=PENDING_ROWS),
        Index(
            f"uq_{table}_busy_host",
            "host",
            unique=True,
            sqlite_where=SENDING_ROWS,
            postgresql_where=SENDING_ROWS,
        ),
        *extra,
    )
