"""Rows that are put away but kept: no query of ours finds them unless it asks for them.

An archived row reads as a deleted one wherever it would be read: lists, counts, fetches, conditions, checks for a
free title, relations, and updates by condition. So one hook on the session says it, and not each query. Its children
stay as they are and keep its number; what is asked of the parent itself reads as absent, until it is restored.

The hook sees the statements of the ORM: SELECT with everything inside it, UPDATE, DELETE. It does not see
`Model.__table__`, a UNION at the top or `select(exists(...))` without an entity, which no query over these rows is.
"""

from datetime import datetime

from sqlalchemy import Index, event, text
from sqlalchemy.orm import Mapped, ORMExecuteState, Session, mapped_column, with_loader_criteria

WITH_ARCHIVED = {"with_archived": True}
"""Execution options of a statement that means archived rows too."""


class Archivable:
    """A row that can be put away. The restorable state is the instant itself; NULL is in use."""

    archived_at: Mapped[datetime | None] = mapped_column(sort_order=97)


IN_USE = with_loader_criteria(
    Archivable, lambda model: model.archived_at.is_(None), include_aliases=True, propagate_to_loaders=False
)
"""The option that the hook gives to each statement."""


def index_in_use(name: str | None, *columns: str, unique: bool = False) -> Index:
    """An index of the rows in use: it answers their queries alone, and archived rows take no place in it."""
    in_use = text("archived_at IS NULL")
    return Index(name, *columns, unique=unique, sqlite_where=in_use, postgresql_where=in_use)


@event.listens_for(Session, "do_orm_execute")
def _leave_out_archived(state: ORMExecuteState) -> None:
    # A column load reads more of a row that somebody has already.
    finds_rows = (state.is_select or state.is_update or state.is_delete) and not state.is_column_load
    if state.is_orm_statement and finds_rows and not state.execution_options.get("with_archived"):
        state.statement = state.statement.options(IN_USE)
