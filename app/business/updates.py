"""Statements over many rows, whose effect is given by the number of rows that they changed."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CursorResult, Table
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import UpdateBase

from app.business.base import Base, RowValues


def table_of(model: type[Any]) -> Table:
    """The table of a mapped class (Any: also one that is known by what it shares with others, as records are), for
    statements that are the same for any number of rows."""
    return Base.metadata.tables[model.__tablename__]


def changed_rows(
    session: Session, statement: UpdateBase, given: RowValues | Sequence[RowValues] | None = None
) -> int:
    """Execute the statement with these parameters, or for each of several; returns the number of rows that it changed.

    Objects that the session knows already keep what they hold.
    """
    options = {"synchronize_session": False, "preserve_rowcount": True}
    result = session.execute(statement, given, execution_options=options)
    # Of the result of a statement that may return rows the type does not tell that it counts them.
    return result.rowcount if isinstance(result, CursorResult) else 0
