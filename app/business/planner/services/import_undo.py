"""Undoing a cancelled import: delete the keywords that it made and nobody has touched, and its empty sectors."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.business.events import Event, EventBatch
from app.business.planner.import_models import ImportState, KeywordImport
from app.business.planner.models import Keyword, KeywordStatus, Sector
from app.business.planner.services.import_parts import end_import


@dataclass(frozen=True)
class Uses:
    """How runs use keywords. claimed: condition on `Keyword`, true for those that a rule has claimed."""

    awaited: Callable[[Session, int, Sequence[int]], Collection[int]]
    """(session, account, keyword ids) -> those that a run is waiting to work on."""
    claimed: ColumnElement[bool]


def start_taking_back(session: Session, found: KeywordImport) -> None:
    """From now on the import is undone, also by a process that takes it over."""
    importing = KeywordImport.id == found.id, KeywordImport.state == ImportState.IMPORTING
    session.execute(update(KeywordImport).where(*importing).values(state=ImportState.TAKING_BACK))


def take_back_some(session: Session, found: KeywordImport, most: int, uses: Uses, now: datetime) -> int:
    """One transaction's part of the undo; returns the number of keywords processed, 0 when the undo has ended.

    The import's events list the keywords that it made.
    """
    events = session.execute(
        select(Event.id, Event.record_id)
        .where(Event.batch_id == found.batch_id, Event.id > found.undone_to)
        .order_by(Event.id)
        .limit(most)
    ).all()
    if not events:
        _end(session, found, now)
        return 0
    ids = [event.record_id for event in events]
    gone = _delete_untouched(session, found, ids, uses)
    session.execute(delete(Event).where(Event.batch_id == found.batch_id, Event.record_id.in_(gone)))
    session.execute(
        update(KeywordImport)
        .where(KeywordImport.id == found.id, KeywordImport.undone_to == found.undone_to)
        .values(
            undone_to=events[-1].id,
            taken_back=KeywordImport.taken_back + len(gone),
            left=KeywordImport.left + len(ids) - len(gone),
        )
        .execution_options(synchronize_session=False)
    )
    return len(ids)


def _delete_untouched(
    session: Session, found: KeywordImport, ids: Sequence[int], uses: Uses
) -> Sequence[int]:
    """A keyword is untouched at version 1: every change by a person, a rule or another import increases the version.

    The DELETE repeats the conditions, so keywords that were changed after the SELECT stay.
    """
    untouched = (
        Keyword.account_id == found.account_id,
        Keyword.version == 1,
        Keyword.status == KeywordStatus.NEW,
        Keyword.cluster_id.is_(None),
        Keyword.cluster_tried_at.is_(None),
        ~uses.claimed,
    )
    free = select(Keyword.id).where(Keyword.id.in_(ids), *untouched).order_by(Keyword.id)
    candidates = session.scalars(free.with_for_update()).all()
    awaited = uses.awaited(session, found.account_id, candidates) if candidates else ()
    mine = [id for id in candidates if id not in awaited]
    gone = delete(Keyword).where(Keyword.id.in_(mine), *untouched).returning(Keyword.id)
    return session.scalars(gone.execution_options(synchronize_session=False)).all()


def _end(session: Session, found: KeywordImport, now: datetime) -> None:
    empty = [id for id in found.sectors if _delete_sector(session, found.account_id, id)]
    batch_id = found.batch_id
    end_import(session, found, ImportState.CANCELLED, now)
    found.sectors = [id for id in found.sectors if id not in empty]
    session.flush()
    if batch_id and not session.scalar(select(func.count(Event.id)).where(Event.batch_id == batch_id)):
        # No event is left for rules to receive.
        found.batch_id = None
        session.flush()
        session.execute(delete(EventBatch).where(EventBatch.id == batch_id))


def _delete_sector(session: Session, account_id: int, id: int) -> bool:
    """Whether it was deleted: the database refuses while anything refers to it."""
    try:
        with session.begin_nested():
            session.execute(
                delete(Sector)
                .where(Sector.account_id == account_id, Sector.id == id, Sector.version == 1)
                .execution_options(synchronize_session=False)
            )
    except IntegrityError:
        return False
    return True
