"""Archived rows: stored, but excluded from every query that does not ask for them.

An archived row behaves as if it were deleted in lists, counts, fetches, conditions, checks for a free title,
relations, and bulk updates. A hook on the session adds the condition, so that no query can forget it. The children of
an archived row are not changed and keep its id; values read through the parent are null until it is restored.

The hook covers ORM statements: SELECT with all its subqueries, UPDATE, DELETE. It does not cover `Model.__table__`, a
top-level UNION, or `select(exists(...))` without an entity; no query over these rows uses them.
"""

from datetime import datetime
from typing import TypeVar, cast
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import Executable, Index, event, text
from sqlalchemy.orm import Mapped, ORMExecuteState, Session, mapped_column, with_loader_criteria

WITH_ARCHIVED = {"with_archived": True}
"""Execution options of a statement that includes archived rows."""


class Archivable:
    """A row that can be archived: `archived_at` is the time of it; NULL means in use."""

    archived_at: Mapped[datetime | None] = mapped_column(sort_order=97)


IN_USE = with_loader_criteria(
    Archivable, lambda model: model.archived_at.is_(None), include_aliases=True, propagate_to_loaders=False
)
"""The option that the hook adds to each statement."""


def index_in_use(name: str | None, *columns: str, unique: bool = False) -> Index:
    """A partial index of the rows in use."""
    in_use = text("archived_at IS NULL")
    return Index(name, *columns, unique=unique, sqlite_where=in_use, postgresql_where=in_use)


@event.listens_for(Session, "do_orm_execute")
def _leave_out_archived(state: ORMExecuteState) -> None:
    # A column load reads more columns of a row that is loaded already.
    finds_rows = (state.is_select or state.is_update or state.is_delete) and not state.is_column_load
    if state.is_orm_statement and finds_rows and not state.execution_options.get("with_archived"):
        state.statement = in_use(state.statement)


Statement = TypeVar("Statement", bound=Executable)
_narrowed: WeakKeyDictionary[Executable, Executable] = WeakKeyDictionary()
"""Statements that are kept ready are narrowed once: SQLAlchemy keeps with a statement what it found out about it."""
_narrow: WeakSet[Executable] = WeakSet()


def in_use(statement: Statement) -> Statement:
    """The statement without archived rows, for where no session executes it."""
    if statement in _narrow:
        return statement
    narrowed = _narrowed.get(statement)
    if narrowed is None:
        narrowed = _narrowed[statement] = statement.options(IN_USE)
        _narrow.add(narrowed)
    return cast(Statement, narrowed)
