"""Statements over many rows of the same columns; each is the same for any number of them.

SQLite executes it for one row after the other, inside the process. PostgreSQL gets all rows as one JSON value, because
its driver is slow with thousands of parameters, and because it would plan the statement anew for each row.
"""

import json
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    BigInteger,
    BindParameter,
    ColumnElement,
    FromClause,
    Select,
    String,
    Table,
    Update,
    any_,
    bindparam,
    cast,
    column,
    func,
    insert,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.business.base import Base, RowValues, Values
from app.business.prepared_rows import RowInsert, RowStatement, inserting, updating
from app.business.updates import changed_rows, table_of

Columns = tuple[str, ...]
Insert = postgresql.Insert | sqlite.Insert
GivenRows = Select[Any]
"""Any: each column has a type of its own."""


def is_on_postgresql(session: Session) -> bool:
    """Whether the session's database is PostgreSQL; else it is SQLite."""
    return session.get_bind().dialect.name == "postgresql"


def among(session: Session, column: InstrumentedAttribute[int], ids: Sequence[int]) -> ColumnElement[bool]:
    """Whether the column has one of many ids, which PostgreSQL gets as one value: hundreds of parameters cost it, its
    driver and whoever writes the statement more than the rows do."""
    if is_on_postgresql(session):
        return column == any_(literal(list(ids), postgresql.ARRAY(BigInteger)))
    return column.in_(ids)


def insert_each(
    session: Session, model: type[Base], rows: Sequence[RowValues], *, is_shown: bool = True
) -> None:
    """Insert the rows; columns that they leave out take the model's default. is_shown: False where a statement beside
    it names the accounts whose rows change."""
    if not rows:
        return
    table, columns = table_of(model), tuple(rows[0])
    if is_on_postgresql(session):
        same, given = document(rows)
        options = {"is_shown": is_shown}
        session.execute(inserting_document(table, columns, same), given, execution_options=options)
    else:
        _inserting_all(table, columns).execute(session, rows, is_shown=is_shown)


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
    if not is_on_postgresql(session):
        return _updating_one(table, columns, key, where).execute(session, rows)
    same, given = document(rows)
    statement = _updating_all(table, columns, same, key)
    if where is not None:
        statement = statement.where(where)
    return changed_rows(session, statement, given)


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
    existing = OfExisting(tuple(unique), tuple(change), (), where)
    return _insert_or_change(session, table_of(model), rows, existing)


def add_each(
    session: Session,
    model: type[Base],
    rows: Sequence[RowValues],
    *,
    unique: Sequence[str],
    add: Sequence[str],
) -> None:
    """Insert the rows; to existing ones the `add` columns of the row that was given for them are added."""
    existing = OfExisting(tuple(unique), (), tuple(add), true())
    _insert_or_change(session, table_of(model), rows, existing)


class OfExisting(NamedTuple):
    """What becomes of a row that exists where one with the same `unique` columns is given: takes its `change` columns,
    and more by its `add` columns, where `where` holds."""

    unique: Columns
    change: Columns
    add: Columns
    where: ColumnElement[bool]

    def applied(self, setting: Insert, table: Table) -> Insert:
        new = setting.excluded
        changes = {name: new[name] for name in self.change} | {
            name: table.c[name] + new[name] for name in self.add
        }
        return setting.on_conflict_do_update(index_elements=[*self.unique], set_=changes, where=self.where)


def _insert_or_change(session: Session, table: Table, rows: Sequence[RowValues], existing: OfExisting) -> int:
    if not rows:
        return 0
    columns = tuple(rows[0])
    if is_on_postgresql(session):
        same, given = document(rows)
        return changed_rows(session, _setting_all(table, columns, same, existing), given)
    return _setting_one(table, columns, existing).execute(session, rows)


@lru_cache(maxsize=256)
def given_rows(table: Table, columns: Columns, same: Columns) -> GivenRows:
    """The rows of a `document`, with the types of the table's columns. same: the columns of which it has one value for
    all rows. PostgreSQL only."""
    values: dict[str, ColumnElement[Any]] = {}
    tables: list[FromClause] = []
    for function, bound, names in (
        (func.json_to_recordset, "given_rows", [name for name in columns if name not in same]),
        (func.json_to_record, "given_for_all", [name for name in columns if name in same]),
    ):
        if names:
            document = cast(bindparam(bound, type_=String), JSON)
            given = function(document).table_valued(*(column(name, table.c[name].type) for name in names))
            found = given.render_derived(name=bound, with_types=True)
            values.update({name: found.c[name] for name in names})
            tables.append(found)
    one, *others = tables
    for other in others:
        one = one.join(other, true())
    rows = select(*(values[name] for name in columns)).select_from(one)
    if "account_id" in columns:
        # Change hints read the accounts from the parameters of the statement.
        rows = rows.where(values["account_id"].in_(bindparam("account_id_1", expanding=True)))
    return rows


def rows_to_select(session: Session, table: Table, rows: Sequence[RowValues]) -> tuple[GivenRows, RowValues]:
    """The rows as what one statement can select, and its parameters; on SQLite only numbers, texts and dates."""
    columns = tuple(rows[0])
    if is_on_postgresql(session):
        same, given = document(rows)
        return given_rows(table, columns, same), given
    return _listed_rows(table, columns), {"given_rows": _as_json(rows)}


@lru_cache(maxsize=256)
def _listed_rows(table: Table, columns: Columns) -> GivenRows:
    row = func.json_each(bindparam("given_rows", type_=String)).table_valued("value").c.value
    values = (func.json_extract(row, f"$.{name}", type_=table.c[name].type).label(name) for name in columns)
    # With a condition, or SQLite takes ON CONFLICT for a part of it.
    return select(*values).where(row.is_not(None))


def document(rows: Sequence[Values]) -> tuple[Columns, RowValues]:
    """The columns that have the same value in several rows, and the parameters of a statement over `given_rows`."""
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    same = {name: values[0] for name, values in columns.items() if values.count(values[0]) == len(rows) > 1}
    if len(same) == len(columns):
        same.popitem()
    names = [name for name in columns if name not in same]
    each = zip(*(columns[name] for name in names), strict=True)
    differing = [dict(zip(names, values, strict=True)) for values in each]
    accounts = {account for row in rows if isinstance(account := row.get("account_id"), int)}
    given: RowValues = {"given_rows": _as_json(differing), "account_id_1": sorted(accounts)}
    return tuple(same), given | ({"given_for_all": _as_json(same)} if same else {})


@lru_cache(maxsize=256)
def inserting_document(table: Table, columns: Columns, same: Columns) -> postgresql.Insert:
    """The statement that inserts the rows of a `document`. PostgreSQL only."""
    return postgresql.insert(table).from_select(list(columns), given_rows(table, columns, same))


@lru_cache(maxsize=256)
def _setting_all(table: Table, columns: Columns, same: Columns, existing: OfExisting) -> Insert:
    return existing.applied(inserting_document(table, columns, same), table)


@lru_cache(maxsize=256)
def _updating_all(table: Table, columns: Columns, same: Columns, key: str) -> Update:
    given = given_rows(table, columns, same).subquery("given")
    is_its = table.c[key] == given.c[key], table.c.account_id == given.c.account_id
    changes = {name: given.c[name] for name in columns if name not in (key, "account_id")}
    return update(table).where(*is_its).values(changes)


@lru_cache(maxsize=256)
def _inserting_all(table: Table, columns: Columns) -> RowInsert:
    return inserting(table, columns, insert(table))


@lru_cache(maxsize=256)
def _updating_one(
    table: Table, columns: Columns, key: str, where: ColumnElement[bool] | None
) -> RowStatement:
    # Names of columns stand for what is set.
    given: dict[str, BindParameter[Any]] = {name: bindparam(f"given_{name}") for name in columns}
    is_its = table.c[key] == given[key], table.c.account_id == given["account_id"]
    changes = {name: value for name, value in given.items() if name not in (key, "account_id")}
    statement = update(table).where(*is_its).values(changes)
    statement = statement if where is None else statement.where(where)
    return updating(statement, {value.key: name for name, value in given.items()})


@lru_cache(maxsize=256)
def _setting_one(table: Table, columns: Columns, existing: OfExisting) -> RowInsert:
    return inserting(table, columns, existing.applied(sqlite.insert(table), table))


def _as_json(value: object) -> str:
    return json.dumps(value, default=_as_text)


def _as_text(value: date) -> str:
    return value.isoformat()
