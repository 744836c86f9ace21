"""Statements over many rows of the same columns; each is the same for any number of them.

SQLite executes it for one row after the other, inside the process. PostgreSQL gets all rows as one JSON value, because
its driver is slow with thousands of parameters, and because it would plan the statement anew for each row.
"""

import json
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    JSON,
    BindParameter,
    ColumnElement,
    Select,
    String,
    Table,
    Update,
    bindparam,
    cast,
    column,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.business.base import Base, RowValues, Values
from app.business.updates import changed_rows, table_of

Columns = tuple[str, ...]


def is_on_postgresql(session: Session) -> bool:
    """Whether the session's database is PostgreSQL; else it is SQLite."""
    return session.get_bind().dialect.name == "postgresql"


def insert_each(session: Session, model: type[Base], rows: Sequence[RowValues]) -> None:
    """Insert the rows; columns that they leave out take the model's default."""
    if not rows:
        return
    table, columns = table_of(model), tuple(rows[0])
    if is_on_postgresql(session):
        session.execute(_inserting(table, columns), document(rows))
    else:
        session.execute(insert(table), rows)


def update_each(
    session: Session,
    model: type[Any],
    rows: Sequence[RowValues],
    key: str = "id",
    where: ColumnElement[bool] | None = None,
) -> int:
    """Write each row over the one with the same key and account, if `where` holds for it; returns how many were
    written."""
    if not rows:
        return 0
    table, columns = table_of(model), tuple(rows[0])
    is_one = is_on_postgresql(session)
    statement = (_updating_all if is_one else _updating_one)(table, columns, key)
    if where is not None:
        statement = statement.where(where)
    return changed_rows(session, statement, document(rows) if is_one else [_as_bound(row) for row in rows])


def upsert_each(
    session: Session,
    model: type[Base],
    rows: Sequence[RowValues],
    *,
    unique: Sequence[str],
    change: Sequence[str],
    where: ColumnElement[bool],
) -> int:
    """Insert the rows; existing ones take the `change` columns of the row that was given for them, where `where`
    holds. Returns the number of rows written."""
    if not rows:
        return 0
    table, columns = table_of(model), tuple(rows[0])
    if is_on_postgresql(session):
        adding = postgresql.insert(table).from_select(list(columns), given_rows(table, columns))
        changes = {name: adding.excluded[name] for name in change}
        adding = adding.on_conflict_do_update(index_elements=list(unique), set_=changes, where=where)
        return changed_rows(session, adding, document(rows))
    setting = sqlite.insert(table)
    changes = {name: setting.excluded[name] for name in change}
    setting = setting.on_conflict_do_update(index_elements=list(unique), set_=changes, where=where)
    return changed_rows(session, setting, rows)


@lru_cache(maxsize=256)
def given_rows(table: Table, columns: Columns) -> Select[Any]:
    """The rows of a `document`, with the types of the table's columns. PostgreSQL only."""
    given = func.json_to_recordset(cast(bindparam("given_rows", type_=String), JSON)).table_valued(
        *(column(name, table.c[name].type) for name in columns)
    )
    rows = given.render_derived(with_types=True).c
    found = select(*(rows[name] for name in columns))
    if "account_id" in columns:
        # Change hints read the accounts from the parameters of the statement.
        found = found.where(rows.account_id.in_(bindparam("account_id_1", expanding=True)))
    return found


def document(rows: Sequence[Values]) -> RowValues:
    """The parameters of a statement over `given_rows`."""
    accounts = {account for row in rows if isinstance(account := row.get("account_id"), int)}
    text = json.dumps([dict(row) for row in rows], default=_as_text)
    return {"given_rows": text, "account_id_1": sorted(accounts)}


@lru_cache(maxsize=256)
def _inserting(table: Table, columns: Columns) -> postgresql.Insert:
    return postgresql.insert(table).from_select(list(columns), given_rows(table, columns))


@lru_cache(maxsize=256)
def _updating_all(table: Table, columns: Columns, key: str) -> Update:
    given = given_rows(table, columns).subquery("given")
    same = table.c[key] == given.c[key], table.c.account_id == given.c.account_id
    changes = {name: given.c[name] for name in columns if name not in (key, "account_id")}
    return update(table).where(*same).values(changes)


@lru_cache(maxsize=256)
def _updating_one(table: Table, columns: Columns, key: str) -> Update:
    same = table.c[key] == bindparam(f"given_{key}"), table.c.account_id == bindparam("account_id_1")
    changes: dict[str, BindParameter[Any]] = {
        name: bindparam(f"given_{name}") for name in columns if name not in (key, "account_id")
    }
    return update(table).where(*same).values(changes)


def _as_bound(row: RowValues) -> RowValues:
    """Under the names of `_updating_one`. In an UPDATE names of columns stand for what is set."""
    bound = {f"given_{name}": value for name, value in row.items() if name != "account_id"}
    bound["account_id_1"] = row["account_id"]
    return bound


def _as_text(value: date) -> str:
    return value.isoformat()
