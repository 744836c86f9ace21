"""The outbox: what happened to records, written in the transaction of the change it reports.

A committed event is always evaluated, a rolled back one never. The events of one type from one request, one import
or one step form a batch; a batch is delivered to the rules when it is closed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, Field, JsonValue
from sqlalchemy import Index, UniqueConstraint, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.business.base import (
    AccountOwned,
    Base,
    Id,
    RowValues,
    Text,
    of_account,
    one_of,
    owner_key,
    same_account,
)
from app.business.row_sets import insert_each
from app.business.upsert import insert_many_new

EVENTS_QUEUE = "events"


class EventType(StrEnum):
    KEYWORD_ADDED = "keyword_added"
    CLUSTER_CREATED = "cluster_created"
    IDEA_CREATED = "idea_created"
    TASK_CREATED = "task_created"
    CONTENT_GENERATED = "content_generated"
    STATUS_CHANGED = "status_changed"
    RUN_FINISHED = "run_finished"
    CREDITS_GRANTED = "credits_granted"
    INCOMING = "incoming"


class EventBatch(AccountOwned, Base):
    """Events that belong together. `chain`: the rules whose runs led here, oldest first."""

    __tablename__ = "event_batch"
    __table_args__ = owner_key(
        of_account(),
        one_of("type", list(EventType)),
        UniqueConstraint("account_id", "key"),
        Index(
            "ix_event_batch_undispatched",
            "closed_at",
            sqlite_where=text("dispatched_at IS NULL"),
            postgresql_where=text("dispatched_at IS NULL"),
        ),
        Index(None, "account_id", "run_id"),
    )

    type: Mapped[str] = mapped_column(Text(32))
    key: Mapped[str | None] = mapped_column(Text(128))
    run_id: Mapped[int | None] = mapped_column(Id)
    root_run_id: Mapped[int | None] = mapped_column(Id)
    depth: Mapped[int] = mapped_column(default=0)
    chain: Mapped[list[int]] = mapped_column(default=list)
    user_id: Mapped[int | None] = mapped_column(Id)
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    dispatched_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text())


class Event(AccountOwned, Base):
    """What happened to one record; `data` holds further values (status from and to).

    snapshot: the record's values at that moment (`planner.services.record_snapshot`); None in rows from
    before it was kept.
    """

    __tablename__ = "event"
    __table_args__ = owner_key(
        same_account("batch_id", "event_batch"),
        Index(None, "batch_id", "id"),
        Index(None, "account_id", "record_type", "record_id"),
    )

    batch_id: Mapped[int] = mapped_column(Id)
    record_type: Mapped[str] = mapped_column(Text(16))
    record_id: Mapped[int] = mapped_column(Id)
    site_id: Mapped[int | None] = mapped_column(Id)
    sector_id: Mapped[int | None] = mapped_column(Id)
    data: Mapped[dict[str, JsonValue] | None]
    snapshot: Mapped[dict[str, JsonValue] | None]


class StatusMove(BaseModel):
    """The data of an event of a changed status."""

    came_from: str = Field(alias="from")
    to: str


@dataclass(frozen=True)
class Origin:
    """Who makes a change: a person's request, an import, or a unit of a run's step.

    `unit_key` (`r12-s0-45`) is the stem of the deterministic keys of what the unit makes.
    """

    account_id: int
    user_id: int | None = None
    run_id: int | None = None
    attempt: int = 0
    step: int = 0
    unit_key: str | None = None
    root_run_id: int | None = None
    depth: int = 0
    chain: tuple[int, ...] = ()

    def made_key(self, ordinal: int) -> str | None:
        """Key of the `ordinal`-th thing that this unit makes; None outside runs."""
        return f"{self.unit_key}-{ordinal}" if self.unit_key else None


def open_batch(session: Session, type: EventType, origin: Origin, now: datetime) -> EventBatch:
    """The batch to record in: the step's open one within a run, else a new one."""
    values = _batch_values(type, origin, now)
    if key := _key_of(type, origin):
        known = session.scalar(
            select(EventBatch).where(EventBatch.account_id == origin.account_id, EventBatch.key == key)
        )
        if known:
            return known
    batch = EventBatch(**values, closed_at=None)
    session.add(batch)
    session.flush()
    return batch


def _key_of(type: EventType, origin: Origin) -> str | None:
    """Of the step's batch within a run."""
    return f"r{origin.run_id}-a{origin.attempt}-s{origin.step}-{type}" if origin.run_id else None


def _batch_values(type: EventType, origin: Origin, now: datetime) -> RowValues:
    return {
        "account_id": origin.account_id,
        "type": type,
        "key": _key_of(type, origin),
        "run_id": origin.run_id,
        "root_run_id": origin.root_run_id,
        "depth": origin.depth,
        "chain": list(origin.chain),
        "user_id": origin.user_id,
        "created_at": now,
    }


@dataclass(frozen=True)
class WholeBatch:
    """A batch with all its events, each as `record_events` takes it."""

    type: EventType
    origin: Origin
    record_type: str
    rows: Sequence[RowValues]


def write_batches(session: Session, batches: Sequence[WholeBatch], now: datetime) -> None:
    """Write and close batches of many runs that begin and end in this transaction.

    Raises KeyError where one of them is there already.
    """
    if not batches:
        return
    values = [_batch_values(one.type, one.origin, now) | {"closed_at": now} for one in batches]
    # The rows of the runs name the accounts.
    written = insert_many_new(session, EventBatch, values, EventBatch.key, EventBatch.id, is_shown=False)
    ids: dict[str | None, int] = dict(written)
    rows = [
        _event_values(one.origin.account_id, ids[_key_of(one.type, one.origin)], one.record_type) | row
        for one in batches
        for row in one.rows
    ]
    insert_each(session, Event, rows, is_shown=False)
    wake(session, [EVENTS_QUEUE])


def record_events(session: Session, batch: EventBatch, record_type: str, rows: Sequence[RowValues]) -> None:
    """Add one event for each row `{"record_id", "site_id", "sector_id", "data"?, "snapshot"?}` to `batch`."""
    if rows:
        common = _event_values(batch.account_id, batch.id, record_type)
        insert_each(session, Event, [common | row for row in rows])


def _event_values(account_id: int, batch_id: int, record_type: str) -> RowValues:
    values: RowValues = {"account_id": account_id, "batch_id": batch_id, "record_type": record_type}
    return values | {"data": None, "snapshot": None}


def close_batch(session: Session, batch: EventBatch, now: datetime) -> None:
    """Deliver `batch` to the rules once this transaction commits. Within a run the step's end does it."""
    if batch.run_id is None:
        batch.closed_at = now
        wake(session, [EVENTS_QUEUE])


def close_batches_of_run(session: Session, account_id: int, run_id: int, now: datetime) -> None:
    """Close all batches that the run's finished step, or its end, left open."""
    closed = session.scalars(
        update(EventBatch)
        .where(
            EventBatch.account_id == account_id, EventBatch.run_id == run_id, EventBatch.closed_at.is_(None)
        )
        .values(closed_at=now)
        .returning(EventBatch.id)
    ).all()
    if closed:
        wake(session, [EVENTS_QUEUE])


def wake(session: Session, queues: Iterable[str]) -> None:
    """Wake these queues after the commit; a lost wake-up only delays, because the sweep looks anyway."""
    session.info.setdefault("wake", set()).update(queues)
