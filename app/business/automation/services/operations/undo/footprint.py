"""What a run left on records: those it made, and the statuses it set."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, Row, func, or_, select
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.catalogue.actions.update_records import UPDATE_RECORDS
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.unit_models import ActionRun
from app.business.events import Event, EventBatch, EventType, StatusMove

CHILDREN_FIRST = ("content", "task", "idea", "cluster", "keyword")
CHUNK = 500
Item = TypeVar("Item")


@dataclass(frozen=True)
class UndoneRun:
    """The run, without its row: it is undone in many transactions."""

    account_id: int
    id: int


@dataclass(frozen=True)
class Move:
    """What the run made of a record's status after the last change by anybody else.

    changes: how often it did · is_aim: the action was to set it; else it follows from what the run made · cluster_id:
    where it put a keyword.
    """

    came_from: str
    became: str
    changes: int = 1
    is_aim: bool = False
    cluster_id: int | None = None


@dataclass(frozen=True)
class Moves:
    """Of records of one type. overtaken: those whose status was changed since -> the run that did (None: a person)."""

    ours: Mapping[int, Move]
    overtaken: Mapping[int, int | None]


def undone(run: ScheduledTask) -> UndoneRun:
    return UndoneRun(run.account_id, run.id)


def footprint_of(session: Session, run: UndoneRun) -> dict[str, list[int]]:
    """The records that the run made or moved, by type, children before their parents."""
    found: dict[str, set[int]] = defaultdict(set)
    receipts = select(ActionRun.made).where(ActionRun.run_id == run.id, ActionRun.done_by_run_id.is_(None))
    for made in session.scalars(receipts):
        for record_type, ids in made.items():
            found[record_type].update(ids)
    moved = select(Event.record_type, Event.record_id).distinct().join(EventBatch, _batch())
    for record_type, record_id in session.execute(moved.where(*_by(run))):
        found[record_type].add(record_id)
    return {name: sorted(found[name]) for name in CHILDREN_FIRST if found[name]}


def moves_of(session: Session, run: UndoneRun, record_type: str, ids: Sequence[int]) -> Moves:
    """The run's moves of these records."""
    others = _moved_by_others(session, run, record_type, ids)
    last_of_others = {record_id: event_id for record_id, (event_id, _) in others.items()}
    aims = _aims(session, run, record_type)
    moves: dict[int, Move] = {}
    overtaken: dict[int, int | None] = {}
    for event_id, record_id, data, snapshot in _own_moves(session, run, record_type, ids):
        if event_id < last_of_others.get(record_id, 0):
            overtaken[record_id] = others[record_id][1]
            continue
        overtaken.pop(record_id, None)
        before, move = moves.get(record_id), StatusMove.model_validate(data)
        moves[record_id] = Move(
            before.came_from if before else move.came_from,
            move.to,
            before.changes + 1 if before else 1,
            record_id in aims,
            _cluster_in(snapshot),
        )
    return Moves({key: move for key, move in moves.items() if key not in overtaken}, overtaken)


def _cluster_in(snapshot: JsonObject | None) -> int | None:
    found = (snapshot or {}).get("cluster_id")
    return found if isinstance(found, int) else None


def _own_moves(
    session: Session, run: UndoneRun, record_type: str, ids: Sequence[int]
) -> Iterator[Row[int, int, JsonObject | None, JsonObject | None]]:
    columns = Event.id, Event.record_id, Event.data, Event.snapshot
    own = select(*columns).join(EventBatch, _batch()).where(*_by(run), Event.record_type == record_type)
    for chunk in chunks(ids):
        yield from session.execute(own.where(Event.record_id.in_(chunk)).order_by(Event.id))


def _moved_by_others(
    session: Session, run: UndoneRun, record_type: str, ids: Sequence[int]
) -> dict[int, tuple[int, int | None]]:
    """Record -> the last event of a move by another run or a person, and that run. Undone runs do not count."""
    found: dict[int, tuple[int, int | None]] = {}
    last = (
        select(func.max(Event.id))
        .join(EventBatch, _batch())
        .outerjoin(ScheduledTask, ScheduledTask.id == EventBatch.run_id)
        .where(
            ScheduledTask.undo_id.is_(None),
            Event.account_id == run.account_id,
            Event.record_type == record_type,
            EventBatch.type == EventType.STATUS_CHANGED,
            or_(EventBatch.run_id.is_(None), EventBatch.run_id != run.id),
        )
        .group_by(Event.record_id)
    )
    for chunk in chunks(ids):
        events = session.scalars(last.where(Event.record_id.in_(chunk))).all()
        named = select(Event.record_id, Event.id, EventBatch.run_id).join(EventBatch, _batch())
        for record_id, event_id, run_id in session.execute(named.where(Event.id.in_(events))):
            found[record_id] = (event_id, run_id)
    return found


def _aims(session: Session, run: UndoneRun, record_type: str) -> set[int]:
    return set(
        session.scalars(
            select(ActionRun.record_id).where(
                ActionRun.run_id == run.id,
                ActionRun.type == UPDATE_RECORDS.key,
                ActionRun.record_type == record_type,
            )
        )
    )


def _batch() -> ColumnElement[bool]:
    return EventBatch.id == Event.batch_id


def _by(run: UndoneRun) -> tuple[ColumnElement[bool], ...]:
    return (
        EventBatch.account_id == run.account_id,
        EventBatch.run_id == run.id,
        EventBatch.type == EventType.STATUS_CHANGED,
    )


def chunks(items: Sequence[Item], size: int = CHUNK) -> Iterator[Sequence[Item]]:
    """The items in order, some at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))
