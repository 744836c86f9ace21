"""Rows of columns, read past the session."""

from collections.abc import Sequence
from typing import Any, TypeVarTuple, cast

from sqlalchemy import CompoundSelect, Row, Select
from sqlalchemy.orm import Session

from app.business.archived_rows import in_use
from app.business.kept_queries import KeptQuery
from app.business.ready_statements import Values

Columns = TypeVarTuple("Columns")
AnyColumns = Select[*tuple[Any, ...]]
"""A query of columns that are not named one by one."""
AnyUnion = CompoundSelect[*tuple[Any, ...]]
"""The same of several queries."""
AnyQuery = AnyColumns | KeptQuery[AnyColumns]


def plain_rows(
    session: Session,
    query: Select[*Columns]
    | CompoundSelect[*Columns]
    | KeptQuery[Select[*Columns]]
    | KeptQuery[CompoundSelect[*Columns]],
    values: Values | None = None,
) -> Sequence[Row[*Columns]]:
    """The rows of a query of columns, in the transaction of the session; archived records are left out.

    For pages, which ask much in small queries: over each of them the session takes several times as long as the
    database, to no effect where no entity is loaded. What the session has not flushed yet is not seen.
    """
    connection = session.connection()
    if isinstance(query, KeptQuery):
        return cast(Sequence[Row[*Columns]], query.rows(connection, values or {}))
    return connection.execute(in_use(query), values).all()
