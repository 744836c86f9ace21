"""The import of a keyword file: its progress, its result, and the rows that are still to be written."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, Text, one_of, owner_key, same_account


class ImportState(StrEnum):
    """The last three are final."""

    IMPORTING = "importing"
    TAKING_BACK = "taking_back"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


OPEN_STATES = (ImportState.IMPORTING, ImportState.TAKING_BACK)


class KeywordImport(AccountOwned, Base):
    """One import, executed by its operation: the holder of the operation's lease may write here.

    sector_id: where all rows go (null: the rows name it, else "General") · position: rows of `total` that are
    written, in the transaction that wrote them · batch_id: its events, closed with the last row · sectors: ids of
    those it made. Of a cancelled one: taken_back, left (somebody had worked on them), undone_to: the last event
    that was undone.
    """

    __tablename__ = "keyword_import"
    __table_args__ = owner_key(
        same_account("operation_id", "operation"),
        same_account("user_id", "user"),
        same_account("site_id", "site"),
        same_account("sector_id", "sector"),
        same_account("batch_id", "event_batch"),
        one_of("state", list(ImportState)),
        one_of("existing", ("update", "leave")),
        UniqueConstraint("operation_id"),
        Index(
            "ix_keyword_import_open",
            "state",
            sqlite_where=text("state IN ('importing', 'taking_back')"),
            postgresql_where=text("state IN ('importing', 'taking_back')"),
        ),
    )

    operation_id: Mapped[int] = mapped_column(Id)
    user_id: Mapped[int | None] = mapped_column(Id)
    site_id: Mapped[int | None] = mapped_column(Id)
    sector_id: Mapped[int | None] = mapped_column(Id)
    existing: Mapped[str] = mapped_column(Text(8))
    state: Mapped[str] = mapped_column(Text(16), default=ImportState.IMPORTING)
    position: Mapped[int] = mapped_column(default=0)
    total: Mapped[int]
    batch_id: Mapped[int | None] = mapped_column(Id)
    sectors: Mapped[list[int]] = mapped_column(default=list)
    created: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    duplicates: Mapped[int] = mapped_column(default=0)
    rejected: Mapped[int] = mapped_column(default=0)
    taken_back: Mapped[int] = mapped_column(default=0)
    left: Mapped[int] = mapped_column(default=0)
    undone_to: Mapped[int] = mapped_column(Id, default=0)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class KeywordImportRows(AccountOwned, Base):
    """The rows of an open import (`import_file.pack_rows`), readable by every process; deleted when it ends."""

    __tablename__ = "keyword_import_rows"
    __table_args__ = owner_key(
        same_account("import_id", "keyword_import"),
        UniqueConstraint("import_id"),
    )

    import_id: Mapped[int] = mapped_column(Id)
    data: Mapped[bytes] = mapped_column(LargeBinary)
