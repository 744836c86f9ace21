"""Operations: long work that a person requests and observes. Not a run: it is not planned and charges nothing."""

from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue
from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, Text, of_account, one_of, owner_key, same_account


class OperationState(StrEnum):
    """The state of an operation. The last three are final."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = (OperationState.DONE, OperationState.FAILED, OperationState.CANCELLED)


class Operation(AccountOwned, Base):
    """The request (`kind`, `params`), the progress (`done` of `total`; total unknown at first), and the result.

    site_ids: the sites that hold all it touches; null: it may touch any of the account.
    lease_token: which worker may write · lease_until: when the lease expires · attempts: how often it was started.
    """

    __tablename__ = "operation"
    __table_args__ = owner_key(
        of_account(),
        same_account("user_id", "user"),
        one_of("state", list(OperationState)),
        Index(None, "account_id", "kind", "id"),
        Index(
            "ix_operation_open",
            "state",
            "id",
            sqlite_where=text("state IN ('pending', 'running')"),
            postgresql_where=text("state IN ('pending', 'running')"),
        ),
    )

    kind: Mapped[str] = mapped_column(Text(32))
    params: Mapped[dict[str, JsonValue]] = mapped_column(default=dict)
    state: Mapped[str] = mapped_column(Text(16), default=OperationState.PENDING)
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int | None]
    result: Mapped[dict[str, JsonValue]] = mapped_column(default=dict)
    error_message: Mapped[str] = mapped_column(Text(), default="")
    user_id: Mapped[int | None] = mapped_column(Id)
    site_ids: Mapped[list[int] | None]
    attempts: Mapped[int] = mapped_column(default=0)
    lease_token: Mapped[str | None] = mapped_column(Text(32))
    lease_until: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
