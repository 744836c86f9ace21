"""Archives and restores records of any kind. Queries exclude archived records (`archived_rows`)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from pydantic import JsonValue
from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.business.accounts.services import audit_log
from app.business.accounts.services.audit_log import AuditActor
from app.business.accounts.services.scope import LARGEST_ID, Scope
from app.business.archived_rows import WITH_ARCHIVED
from app.business.errors import Conflict, NotFound, Stale
from app.business.planner.models import Keyword, Record
from app.business.planner.services.record_versions import STALE

Row = TypeVar("Row", bound=Record)

IN_WORK = "A run is working on this just now. Wait until it is done, then archive it."
WRITING = "writing"


def archived_record(session: Session, model: type[Row], id: int, scope: Scope) -> Row:
    """The archived record. Raises NotFound, also if it is not archived."""
    query = select(model).where(model.id == id, scope.sees(model), model.archived_at.is_not(None))
    fresh = WITH_ARCHIVED | {"populate_existing": True}
    found = session.scalar(query, execution_options=fresh) if 0 < id <= LARGEST_ID else None
    if found is None:
        raise NotFound
    return found


def archive(
    session: Session,
    record: Record,
    *,
    seen: int | None = None,
    actor: AuditActor,
    now: datetime,
    data: Mapping[str, JsonValue] | None = None,
) -> None:
    """Archive the record. Its children stay; a run that holds it leaves it out from its next step on.

    seen: the version that the person saw · data: further facts for the audit log. Raises Stale, NotFound, or Conflict
    for a task that is being written.
    """
    if record.status == WRITING:
        raise Conflict(IN_WORK)
    _write(session, record, seen, now, archived_at=now)
    _note(session, record, "archived", actor, now, data)


def restore(
    session: Session, record: Record, *, seen: int | None = None, actor: AuditActor, now: datetime
) -> None:
    """Restore an archived record. Raises Stale, or Conflict if its site has the same keyword again."""
    try:
        with session.begin_nested():
            _require_free_place(session, record)
            _write(session, record, seen, now, archived_at=None)
    except IntegrityError:
        _require_free_place(session, record)
        raise
    _note(session, record, "restored", actor, now)


def _require_free_place(session: Session, record: Record) -> None:
    """Keywords are unique in a site; other records may have equal names."""
    if not isinstance(record, Keyword):
        return
    same = or_(Keyword.text_key == record.text_key, Keyword.text == record.text)
    taken = session.execute(
        select(Keyword.id, Keyword.text).where(
            Keyword.site_id == record.site_id, Keyword.id != record.id, same
        )
    ).first()
    if taken:
        raise Conflict(
            f"The site has the keyword “{taken.text}” (number {taken.id}) meanwhile, so this one cannot come back. "
            "Archive that one first."
        )


def _write(
    session: Session, record: Record, seen: int | None, now: datetime, *, archived_at: datetime | None
) -> None:
    model = type(record)
    was = model.archived_at.is_not(None) if archived_at is None else model.archived_at.is_(None)
    version = record.version if seen is None else seen
    mine = model.account_id == record.account_id, model.id == record.id, model.version == version
    changed = update(model).where(*mine, was)
    written = session.execute(
        changed.values(archived_at=archived_at, updated_at=now, version=model.version + 1).returning(
            model.id
        ),
        execution_options=WITH_ARCHIVED | {"synchronize_session": False},
    )
    if written.first() is None:
        raise Stale(STALE)
    session.refresh(record)


def _note(
    session: Session,
    record: Record,
    done: str,
    actor: AuditActor,
    now: datetime,
    data: Mapping[str, JsonValue] | None = None,
) -> None:
    row: Any = record
    audit_log.record(session, record.account_id, actor, f"{row.__tablename__}.{done}", row, data, now)
