"""Insert unless the row exists, in one statement for both databases."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import ClauseElement, ColumnElement, Select, Table, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.sql.elements import KeyedColumnElement

from app.business import prepared_rows
from app.business.base import Assigned, Base, RowValues, Values
from app.business.row_sets import Columns, document, inserting_document, is_on_postgresql
from app.business.updates import table_of

Insert = postgresql.Insert | sqlite.Insert
Given = ReadOnlyColumnCollection[str, KeyedColumnElement[Any]]
"""The columns of the row that was given for an existing one. Any: each has a type of its own."""
MANY = 20
"""Rows that SQLite writes faster one after the other than by one statement that returns them."""


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
    table, names = table_of(model), tuple(rows[0])
    wanted, options = tuple(attribute.key for attribute in returning), {"is_shown": is_shown}
    if is_on_postgresql(session):
        same, given = document(rows)
        statement = _adding_all(table, names, same, wanted)
        return session.execute(statement, given, execution_options=options).all()
    if len(rows) < MANY:
        return session.execute(_adding_few(table, wanted), list(rows), execution_options=options).all()
    # A statement that returns something takes all rows as one text, which SQLite compiles anew each time. Nobody else
    # writes meanwhile, and each new row gets the number behind the highest.
    written = _adding_each(table, names).execute(session, rows, is_shown=is_shown)
    return session.execute(_newest(table, wanted), {"written": written}).all()


@lru_cache(maxsize=256)
def _adding_all(table: Table, names: Columns, same: Columns, wanted: Columns) -> ReturningInsert[Any]:
    adding = inserting_document(table, names, same)
    return adding.on_conflict_do_nothing().returning(*(table.c[name] for name in wanted))


@lru_cache(maxsize=256)
def _adding_few(table: Table, wanted: Columns) -> ReturningInsert[Any]:
    return sqlite.insert(table).on_conflict_do_nothing().returning(*(table.c[name] for name in wanted))


@lru_cache(maxsize=256)
def _adding_each(table: Table, names: Columns) -> prepared_rows.RowInsert:
    return prepared_rows.inserting(table, names, sqlite.insert(table).on_conflict_do_nothing())


@lru_cache(maxsize=256)
def _newest(table: Table, wanted: Columns) -> Select[Any]:
    highest = select(func.max(table.c.id)).scalar_subquery()
    return select(*(table.c[name] for name in wanted)).where(table.c.id > highest - bindparam("written"))


def upsert_many(
    session: Session,
    model: type[Base],
    rows: Sequence[RowValues],
    *returning: InstrumentedAttribute[Any],
    unique: Sequence[str],
    change: Sequence[str],
    where: ColumnElement[bool],
) -> Sequence[Any]:
    """Insert the rows; existing ones take the `change` columns of the row that was given for them, where `where`
    holds. Returns `returning` of the rows written."""
    if not rows:
        return []
    table = table_of(model)
    statement, given = _inserting_all(session, table, rows)
    changes = {name: statement.excluded[name] for name in change}
    statement = statement.on_conflict_do_update(index_elements=list(unique), set_=changes, where=where)
    return session.execute(statement.returning(*(table.c[one.key] for one in returning)), given).all()


def _inserting_all(
    session: Session, table: Table, rows: Sequence[Values]
) -> tuple[Insert, RowValues | list[Values]]:
    """The statement, and its parameters."""
    # By the table: for a model the rows that differ in what they leave out would be statements of their own.
    if not is_on_postgresql(session):
        return sqlite.insert(table), list(rows)
    same, given = document(rows)
    return inserting_document(table, tuple(rows[0]), same), given


def upsert(
    session: Session,
    model: type[Base],
    values: Values,
    *,
    unique: Sequence[str],
    change: Mapping[str, Assigned],
) -> None:
    """Insert the row, or apply `change` (values or expressions) to the one with the same `unique` columns."""
    statement = inserting(session, model).values(**values)
    statement = statement.on_conflict_do_update(index_elements=list(unique), set_=dict(change))
    session.execute(statement, execution_options={"synchronize_session": False})


def upserting_as_given(
    session: Session,
    model: type[Base],
    rows: Sequence[Values],
    *,
    unique: Sequence[str],
    change: Mapping[str, Callable[[Given], ClauseElement]],
    where: Callable[[Given], ColumnElement[bool]],
) -> Insert:
    """The statement of `upsert` for many rows, where `change` and `where` depend on the row that was given for the
    existing one."""
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
