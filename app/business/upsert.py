"""Insert unless the row exists, in one statement for both databases."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import (
    JSON,
    ClauseElement,
    ColumnElement,
    Select,
    String,
    Table,
    bindparam,
    column,
    func,
    literal,
    select,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import KeyedColumnElement

from app.business.base import Assigned, Base, Values
from app.business.updates import changed_rows, table_of

Insert = postgresql.Insert | sqlite.Insert
Given = ReadOnlyColumnCollection[str, KeyedColumnElement[Any]]
"""The columns of the row that was given for an existing one. Any: each has a type of its own."""


def insert_missing(session: Session, model: type[Base], values: Values) -> None:
    """Insert the row; an existing one with the same unique key stays as it is."""
    session.execute(inserting(session, model).values(**values).on_conflict_do_nothing())


def insert_new(session: Session, model: type[Base], rows: Sequence[Values]) -> Insert:
    """The statement that inserts the rows except those whose unique key exists."""
    return inserting(session, model).values(list(rows)).on_conflict_do_nothing()


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
    statement = inserting(session, table_of(model))
    values: Sequence[Values] | None = rows
    if session.get_bind().dialect.name == "postgresql":
        # As one JSON value: the driver is slow with thousands of parameters, and one statement per row is slower.
        statement = statement.from_select(list(rows[0]), _as_rows(model, rows))
        values = None
    columns = [table_of(model).c[attribute.key] for attribute in returning]
    inserted = statement.on_conflict_do_nothing().returning(*columns)
    return session.execute(inserted, values and list(values), execution_options={"is_shown": is_shown}).all()


def _as_rows(model: type[Base], rows: Sequence[Values]) -> Select[Any]:
    types = {name: table_of(model).c[name].type for name in rows[0]}
    document = sql_cast(literal(json.dumps([dict(row) for row in rows], default=_as_text), String), JSON)
    function = func.json_to_recordset(document)
    derived = function.table_valued(*(column(*named) for named in types.items())).render_derived(
        with_types=True
    )
    values: dict[str, ColumnElement[Any]] = dict(derived.c)
    accounts = {row.get("account_id") for row in rows}
    if len(accounts) == 1 and "account_id" in values:
        # Change hints read the account from the parameters of the statement.
        values["account_id"] = bindparam("account_id_1", accounts.pop(), type_=types["account_id"])
    return select(*values.values())


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
    statement = inserting(session, model).values(list(rows))
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
    statement = inserting(session, model).values(list(rows))
    new = statement.excluded
    values = {name: value(new) for name, value in change.items()}
    return statement.on_conflict_do_update(index_elements=list(unique), set_=values, where=where(new))


def upsert_each(
    session: Session,
    model: type[Base],
    rows: Sequence[Values],
    *,
    unique: Sequence[str],
    change: Sequence[str],
    where: ColumnElement[bool],
) -> int:
    """Insert the rows; existing ones take the `change` columns of the row that was given for them, where `where`
    holds. Returns the number of rows written. The statement is the same for any number of rows."""
    statement = inserting(session, table_of(model))
    values = {name: statement.excluded[name] for name in change}
    upserting = statement.on_conflict_do_update(index_elements=list(unique), set_=values, where=where)
    return changed_rows(session, upserting, [dict(row) for row in rows])


def _as_text(value: date) -> str:
    return value.isoformat()


def inserting(session: Session, model: type[Base] | Table) -> Insert:
    """INSERT of the database, which can leave out rows that exist."""
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    return postgresql.insert(model) if is_postgresql else sqlite.insert(model)
