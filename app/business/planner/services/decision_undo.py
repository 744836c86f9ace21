"""Taking back a person's decision on records: their former statuses, where nobody has changed them since."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.events import Event, EventBatch, EventType, Origin, StatusMove
from app.business.planner.services.record_changes import IDS_AT_ONCE, Kind, move_status

MOST_BATCHES = 6
"""A decision writes one for each former status."""


def decided_at(session: Session, origin: Origin, at: datetime) -> list[int]:
    """The batches of the decision that this person has just taken; in its transaction."""
    newest = select(EventBatch.id, EventBatch.created_at).where(*_mine(origin)).order_by(EventBatch.id.desc())
    return [
        batch_id for batch_id, created_at in session.execute(newest.limit(MOST_BATCHES)) if created_at == at
    ]


def take_back(
    session: Session,
    kinds: Mapping[str, Kind],
    batches: Sequence[int],
    scope: Scope,
    origin: Origin,
    now: datetime,
) -> tuple[int, int]:
    """Give the records of these batches in scope their former statuses; returns how many got it, and how many did
    not."""
    back, asked = 0, 0
    for (name, former, present, at), ids in _moved(session, batches, origin).items():
        kind, asked = kinds[name], asked + len(ids)
        if present not in kind.by_people.get(former, ()):
            continue
        model = kind.model
        unchanged = select(model.id).where(scope.sees(model), model.id.in_(ids), model.status_since == at)
        still = session.scalars(unchanged.order_by(model.id)).all()
        back += len(move_status(session, kind, still, {present}, former, origin, now))
    return back, asked - back


def _moved(
    session: Session, batches: Sequence[int], origin: Origin
) -> Mapping[tuple[str, str, str, datetime], list[int]]:
    """(type, former status, status, moment) -> records."""
    query = (
        select(Event.record_type, Event.record_id, Event.data, EventBatch.created_at)
        .join(EventBatch, EventBatch.id == Event.batch_id)
        .where(*_mine(origin), EventBatch.id.in_(batches))
        .order_by(Event.id)
        .limit(IDS_AT_ONCE)
    )
    found: dict[tuple[str, str, str, datetime], list[int]] = defaultdict(list)
    for name, record_id, data, at in session.execute(query):
        change = StatusMove.model_validate(data)
        found[name, change.came_from, change.to, at].append(record_id)
    return found


def _mine(origin: Origin) -> tuple[ColumnElement[bool], ...]:
    return (
        EventBatch.account_id == origin.account_id,
        EventBatch.run_id.is_(None),
        EventBatch.user_id == origin.user_id,
        EventBatch.type == EventType.STATUS_CHANGED,
    )
