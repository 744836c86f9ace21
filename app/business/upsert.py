"""Insert unless the row exists, in one statement for both databases."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ClauseElement, ColumnElement, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import KeyedColumnElement

from app.business.base import Assigned, Base, RowValues, Values
from app.business.row_sets import document, given_rows, is_on_postgresql
from app.business.updates import table_of

Insert = postgresql.Insert | sqlite.Insert
Given = ReadOnlyColumnCollection[str, KeyedColumnElement[Any]]
"""The columns of the row that was given for an existing one. Any: each has a type of its own."""


def insert_missing(session: Session, model: type[Base], values: Values) -> None:
    """Insert the row; an existing one with the same unique key stays as it is."""
    session.execute(inserting(session, model).values(**values).on_conflict_do_nothing())


def insert_new(session: Session, model: type[Base], rows: Sequence[Values]) -> Insert:
    """The statement that inserts the rows except those whose unique key exists."""
    return inserting(session, model).values(_given(rows)).on_conflict_do_nothing()


def insert_many_new(
    session: Session,
    model: type[Base],
    rows: Sequence[Values],
    *returning: InstrumentedAttribute[Any],
    is_shown: bool = True,
) -> Sequence[Any]:
    """Insert the rows except those whose unique key exists; returns `returning` of the inserted ones.

    All rows must have the same columns; the others take the model's defaults. is_shown: False where a statement beside
    it names the accounts whose rows change.
    """
    # By the table: for a model the rows that differ in what they leave out would be statements of their own.
    table, names = table_of(model), tuple(rows[0])
    statement = inserting(session, table)
    given: RowValues | list[Values] = list(rows)
    if is_on_postgresql(session):
        same, given = document(rows)
        statement = statement.from_select(list(names), given_rows(table, names, same))
    columns = [table.c[attribute.key] for attribute in returning]
    inserted = statement.on_conflict_do_nothing().returning(*columns)
    return session.execute(inserted, given, execution_options={"is_shown": is_shown}).all()


def upsert(
    session: Session,
    model: type[Base],
    values: Values,
    *,
    unique: Sequence[str],
    change: Mapping[str, Assigned],
) -> None:
    """Insert the row, or apply `change` (values or expressions) to the one with the same `unique` columns."""
    session.execute(
        upserting(session, model, [values], unique=unique, change=change),
        execution_options={"synchronize_session": False},
    )


def upserting(
    session: Session,
    model: type[Base],
    rows: Sequence[Values],
    *,
    unique: Sequence[str],
    change: Mapping[str, Assigned],
    where: ColumnElement[bool] | None = None,
) -> Insert:
    """The statement of `upsert`, for many rows; existing ones are changed only where `where` holds."""
    statement = inserting(session, model).values(_given(rows))
    return statement.on_conflict_do_update(index_elements=list(unique), set_=dict(change), where=where)


def upserting_as_given(
    session: Session,
    model: type[Base],
    rows: Sequence[Values],
    *,
    unique: Sequence[str],
    change: Mapping[str, Callable[[Given], ClauseElement]],
    where: Callable[[Given], ColumnElement[bool]],
) -> Insert:
    """The same where `change` and `where` depend on the row that was given for the existing one."""
    statement = inserting(session, model).values(_given(rows))
    new = statement.excluded
    values = {name: value(new) for name, value in change.items()}
    return statement.on_conflict_do_update(index_elements=list(unique), set_=values, where=where(new))


def _given(rows: Sequence[Values]) -> dict[str, Any] | list[dict[str, Any]]:
    """One row as it is: a statement over a list of rows is compiled anew each time, which takes longer than it does."""
    return dict(rows[0]) if len(rows) == 1 else [dict(row) for row in rows]


def inserting(session: Session, model: type[Base] | Table) -> Insert:
    """INSERT of the database, which can leave out rows that exist."""
    return postgresql.insert(model) if is_on_postgresql(session) else sqlite.insert(model)
