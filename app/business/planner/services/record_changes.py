"""Creating records and changing their status: the legal moves, and the events that report them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from pydantic import JsonValue
from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from app.business.base import Assigned, ColumnValue, RowValues, Values
from app.business.errors import Conflict, Invalid
from app.business.events import (
    EventBatch,
    EventType,
    Origin,
    close_batch,
    open_batch,
    record_events,
)
from app.business.folded_columns import with_folded
from app.business.planner.models import (
    Cluster,
    ClusterStatus,
    Idea,
    IdeaStatus,
    Keyword,
    KeywordStatus,
    Record,
)
from app.business.planner.services.record_snapshot import Snapshot, snapshot_of_new, snapshots
from app.business.planner.services.record_versions import by_maker

IDS_AT_ONCE = 5_000

Announce = Callable[[Session, EventType, Sequence[int], Origin, datetime, Mapping[str, JsonValue]], None]
"""Called with the ids of the records and the data of the event, in the transaction of the change."""
Moves = Mapping[str, Collection[str]]
"""Status -> the statuses it may be reached from."""


class Placed(Protocol):
    """A sector, or a record of it: what a new record takes its place from."""

    @property
    def account_id(self) -> int: ...
    @property
    def site_id(self) -> int: ...
    @property
    def id(self) -> int | None: ...


class RecordPlace(Protocol):
    """A record, or its id and place."""

    @property
    def id(self) -> int: ...
    @property
    def site_id(self) -> int: ...
    @property
    def sector_id(self) -> int: ...


class MovedRecord(NamedTuple):
    """A record whose status changes, with the one it has."""

    id: int
    site_id: int
    sector_id: int
    status: str


@dataclass(frozen=True)
class Kind:
    """A record type, and the status moves that rules and people may ask for.

    Moves that belong to a piece of work (keyword clustered, idea used, task writing) are left to its service.
    `sets`: further values set with a status · `announces`: who else is told of its events, with them.
    """

    name: str
    model: type[Record]
    by_rules: Moves
    by_people: Moves
    sets: Mapping[str, Values] = field(default_factory=dict)
    announces: Announce | None = None


KEYWORD = Kind(
    "keyword",
    Keyword,
    by_rules={KeywordStatus.IGNORED: {KeywordStatus.NEW}},
    by_people={
        KeywordStatus.NEW: {KeywordStatus.IGNORED, KeywordStatus.CLUSTERED},
        KeywordStatus.IGNORED: {KeywordStatus.NEW, KeywordStatus.CLUSTERED},
    },
    sets={KeywordStatus.NEW: {"cluster_id": None}},
)
CLUSTER = Kind(
    "cluster",
    Cluster,
    by_rules={ClusterStatus.DONE: {ClusterStatus.PLANNED}},
    by_people={
        ClusterStatus.NEW: {ClusterStatus.PLANNED, ClusterStatus.DONE},
        ClusterStatus.PLANNED: {ClusterStatus.NEW, ClusterStatus.DONE},
        ClusterStatus.DONE: {ClusterStatus.NEW, ClusterStatus.PLANNED},
    },
)
IDEA = Kind(
    "idea",
    Idea,
    by_rules={IdeaStatus.ACCEPTED: {IdeaStatus.NEW}, IdeaStatus.REJECTED: {IdeaStatus.NEW}},
    by_people={
        IdeaStatus.NEW: {IdeaStatus.ACCEPTED, IdeaStatus.REJECTED},
        IdeaStatus.ACCEPTED: {IdeaStatus.NEW, IdeaStatus.REJECTED},
        IdeaStatus.REJECTED: {IdeaStatus.NEW, IdeaStatus.ACCEPTED},
    },
)


def new_record(
    place: Placed, status: str, origin: Origin, now: datetime, ordinal: int | None = None
) -> RowValues:
    """The values every new record starts with; `place` is its sector, or a record of the same sector."""
    return {
        "account_id": place.account_id,
        "site_id": place.site_id,
        "sector_id": getattr(place, "sector_id", place.id),
        "status": status,
        "status_since": now,
        "labels": [],
        "note": "",
        "made_by_run_id": origin.run_id,
        "made_key": None if ordinal is None else origin.made_key(ordinal),
        "created_at": now,
        "updated_at": now,
    }


def report(
    session: Session,
    event: EventType,
    kind: Kind,
    records: Iterable[RecordPlace],
    origin: Origin,
    now: datetime,
    **data: JsonValue,
) -> None:
    """Write one batch with the event of each record (anything with id, site_id and sector_id).

    Each event keeps a snapshot of its record: call it when the change is complete.
    """
    places = list(records)
    if not places:
        return
    batch = open_batch(session, event, origin, now)
    add_events(session, batch, kind, places, **data)
    close_batch(session, batch, now)
    if kind.announces:
        kind.announces(session, event, [row.id for row in places], origin, now, data)


def add_events(
    session: Session, batch: EventBatch, kind: Kind, places: Sequence[RecordPlace], **data: JsonValue
) -> None:
    """The same for an open batch that continues afterwards."""
    said = snapshots(session, kind.model, [row.id for row in places], batch.created_at)
    record_events(session, batch, kind.name, [event_row(row, row.id, said, data) for row in places])


def add_events_of_new(
    session: Session, batch: EventBatch, kind: Kind, made: Sequence[tuple[RecordPlace, Values]]
) -> None:
    """The same for records that were inserted with these values just now."""
    said = {place.id: snapshot_of_new(kind.model, values, batch.created_at) for place, values in made}
    record_events(session, batch, kind.name, [event_row(place, place.id, said) for place, _ in made])


def event_row(
    place: RecordPlace | Record,
    record_id: int,
    said: Mapping[int, Snapshot],
    data: Mapping[str, JsonValue] | None = None,
) -> RowValues:
    """The event of a record: where that is, its snapshot, and what else is said."""
    return {
        "record_id": record_id,
        "site_id": place.site_id,
        "sector_id": place.sector_id,
        "data": dict(data) if data else None,
        "snapshot": said.get(record_id),
    }


def set_status(
    session: Session, kind: Kind, ids: Sequence[int], status: str, origin: Origin, now: datetime
) -> list[int]:
    """Move the records that may be moved and return their ids; a rule never undoes a person's decision.

    Raises Invalid for a status that rules (or people) may not set.
    """
    moves = kind.by_rules if origin.run_id else kind.by_people
    if status not in moves:
        words = ", ".join(moves)
        raise Invalid({"status": [f"A {kind.name} cannot be set to “{status}” here. Possible: {words}."]})
    return move_status(session, kind, ids, moves[status], status, origin, now)


def move_status(
    session: Session,
    kind: Kind,
    ids: Sequence[int],
    came_from: Collection[str],
    status: str,
    origin: Origin,
    now: datetime,
    **values: ColumnValue,
) -> list[int]:
    """Move those of `ids` whose status is one of `came_from`, setting `values` too; returns them in order.

    Each change of status sets status_since and writes a status_changed event with `from` and `to`; a record that
    has the status already only takes the `values`.
    """
    since = case((kind.model.status == status, kind.model.status_since), else_=now)
    changed: dict[str, Assigned] = {
        "status": status,
        "status_since": since,
        "updated_at": now,
        "version": kind.model.version + 1,
        **by_maker(kind.model, origin.run_id),
        **kind.sets.get(status, {}),
        **with_folded(kind.model, values),
    }
    moved: dict[int, MovedRecord] = {}
    for start in range(0, len(ids), IDS_AT_ONCE):
        some = _lock(session, kind.model, ids[start : start + IDS_AT_ONCE], came_from, origin.account_id)
        if not some:
            continue
        moved |= {row.id: row for row in some}
        session.execute(
            update(kind.model)
            .where(kind.model.id.in_([row.id for row in some]), kind.model.status.in_(list(came_from)))
            .values(changed)
        )
    for old in sorted({row.status for row in moved.values()} - {status}):
        rows = [row for row in moved.values() if row.status == old]
        report(session, EventType.STATUS_CHANGED, kind, rows, origin, now, **{"from": old, "to": status})
    return [key for key in ids if key in moved]


def require_move(
    session: Session, kind: Kind, record: Record, status: str, origin: Origin, now: datetime
) -> None:
    """Move one record. Raises Conflict, which names its present status."""
    if record.status == status:
        return
    if not set_status(session, kind, [record.id], status, origin, now):
        session.refresh(record)
        raise Conflict(f"This {kind.name} is “{record.status}” and cannot become “{status}”.")


def _lock(
    session: Session, model: type[Record], ids: Sequence[int], came_from: Collection[str], account_id: int
) -> list[MovedRecord]:
    rows = session.execute(
        select(model.id, model.site_id, model.sector_id, model.status)
        .where(model.account_id == account_id, model.id.in_(ids), model.status.in_(list(came_from)))
        .order_by(model.id)
        .with_for_update(key_share=True)
    )
    return [MovedRecord(*row) for row in rows]
