"""Optimistic locking: every change increases the version, and a change of an old version is refused."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import and_, case, inspect, select, update
from sqlalchemy.orm import Session

from app.business.base import Assigned, RowValues, Values, Versioned
from app.business.errors import NotFound, Stale
from app.business.folded_columns import with_folded
from app.business.planner.models import Record

Row = TypeVar("Row", bound=Versioned)
"""Of a table with an `id`."""

STALE = "Somebody else changed this meanwhile. Read it again, then make your change on the new version."


def lock_version(session: Session, row: Row, seen: int | None = None) -> Row:
    """The row as it is now, locked; values read before may be outdated.

    Raises Stale when `seen`, the version that a change was made from, is another one; NotFound.
    """
    model: Any = type(row)
    key: Any = inspect(row).identity
    query = select(model).where(model.id == key[0]).with_for_update(key_share=True)
    found: Row | None = session.scalar(query.execution_options(populate_existing=True))
    if found is None:
        raise NotFound
    if seen is not None and found.version != seen:
        raise Stale(STALE)
    return found


def write_changes(session: Session, row: Any, values: Mapping[str, Assigned], now: datetime) -> None:
    """Set `values` on the version that `row` has, as its next version. Raises Stale."""
    model = type(row)
    guarded = update(model).where(
        model.account_id == row.account_id, model.id == row.id, model.version == row.version
    )
    changed = guarded.values(**with_folded(model, values), updated_at=now, version=model.version + 1)
    written = changed.returning(model).execution_options(synchronize_session=False, populate_existing=True)
    if session.scalar(written) is None:
        raise Stale(STALE)


def differing(row: Any, values: Values) -> RowValues:
    """The `values` that differ from the row's."""
    return {name: value for name, value in values.items() if getattr(row, name) != value}


def by_maker(model: type[Record], run_id: int | None) -> dict[str, Assigned]:
    """Values of a change by a run: a record that only its maker has changed so far stays one."""
    if run_id is None:
        return {}
    own = and_(model.made_by_run_id == run_id, model.made_version == model.version)
    return {"made_version": case((own, model.version + 1), else_=model.made_version)}
