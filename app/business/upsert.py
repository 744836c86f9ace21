"""Insert unless the row exists, in one statement for both databases."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, cast

from sqlalchemy import JSON, CursorResult, String, bindparam, column, func, literal, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.business.base import Base


def insert_missing(session: Session, model: type[Base], values: Mapping[str, Any]) -> None:
    """Insert the row; an existing one with the same unique key stays as it is."""
    session.execute(_insert(session, model).values(**values).on_conflict_do_nothing())


def insert_new(session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> Any:
    """The statement that inserts the rows except those whose unique key exists."""
    return _insert(session, model).values(list(rows)).on_conflict_do_nothing()


def insert_many_new(
    session: Session,
    model: type[Base],
    rows: Sequence[Mapping[str, Any]],
    *returning: Any,
    is_shown: bool = True,
) -> Sequence[Any]:
    """Insert the rows except those whose unique key exists; returns `returning` of the inserted ones.

    All rows must have the same columns; the others take the model's defaults. is_shown: False where a statement beside
    it names the accounts whose rows change.
    """
    # By the table: for a model the rows that differ in what they leave out would be statements of their own.
    statement: Any = _insert(session, model.__table__)
    values: Sequence[Mapping[str, Any]] | None = rows
    if session.get_bind().dialect.name == "postgresql":
        # As one JSON value: the driver is slow with thousands of parameters, and one statement per row is slower.
        statement = statement.from_select(list(rows[0]), _as_rows(model, rows))
        values = None
    columns = [model.__table__.c[attribute.key] for attribute in returning]
    statement = statement.on_conflict_do_nothing().returning(*columns)
    return session.execute(statement, values and list(values), execution_options={"is_shown": is_shown}).all()


def _as_rows(model: type[Base], rows: Sequence[Mapping[str, Any]]) -> Any:
    types = {name: model.__table__.c[name].type for name in rows[0]}
    document = sql_cast(literal(json.dumps([dict(row) for row in rows], default=_as_text), String), JSON)
    function = func.json_to_recordset(document)
    derived = function.table_valued(*(column(*named) for named in types.items())).render_derived(
        with_types=True
    )
    values = dict(derived.c)
    accounts = {row.get("account_id") for row in rows}
    if len(accounts) == 1 and "account_id" in values:
        # Change hints read the account from the parameters of the statement.
        values["account_id"] = bindparam("account_id_1", accounts.pop(), type_=types["account_id"])
    return select(*values.values())


def upsert(
    session: Session,
    model: type[Base],
    values: Mapping[str, Any],
    *,
    unique: Sequence[str],
    change: Mapping[str, Any],
) -> None:
    """Insert the row, or apply `change` (values or expressions) to the one with the same `unique` columns."""
    session.execute(
        upserting(session, model, values, unique=unique, change=change),
        execution_options={"synchronize_session": False},
    )


def upserting(
    session: Session,
    model: type[Base],
    values: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    unique: Sequence[str],
    change: Mapping[str, Any],
    where: Any = None,
) -> Any:
    """The statement of `upsert`, for one row or many; existing rows are changed only where `where` holds."""
    statement = _insert(session, model).values(values)
    return statement.on_conflict_do_update(index_elements=list(unique), set_=dict(change), where=where)


def upserting_as_given(
    session: Session,
    model: type[Base],
    rows: Sequence[Mapping[str, Any]],
    *,
    unique: Sequence[str],
    change: Mapping[str, Callable[[Any], Any]],
    where: Callable[[Any], Any],
) -> Any:
    """The same for many rows, where `change` and `where` depend on the row that was given for the existing one."""
    statement = _insert(session, model).values(list(rows))
    new = statement.excluded
    values = {name: value(new) for name, value in change.items()}
    return statement.on_conflict_do_update(index_elements=list(unique), set_=values, where=where(new))


def upsert_each(
    session: Session,
    model: type[Base],
    rows: Sequence[Mapping[str, Any]],
    *,
    unique: Sequence[str],
    change: Sequence[str],
    where: Any,
) -> int:
    """Insert the rows; existing ones take the `change` columns of the row that was given for them, where `where`
    holds. Returns the number of rows written. The statement is the same for any number of rows."""
    statement = _insert(session, model.__table__)
    values = {name: statement.excluded[name] for name in change}
    upserting = statement.on_conflict_do_update(index_elements=list(unique), set_=values, where=where)
    written = session.execute(upserting, list(rows), execution_options={"preserve_rowcount": True})
    return cast(CursorResult[Any], written).rowcount


def _as_text(value: date) -> str:
    return value.isoformat()


def _insert(session: Session, model: Any) -> Any:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(model)
