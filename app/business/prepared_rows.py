"""Statements over many rows for SQLite, compiled once, with values prepared column by column.

SQLAlchemy prepares every row by itself, which takes several times as long as SQLite needs to write it. Most values of a
set are the same for all its rows; here each is prepared once.

One statement inserts many rows: where a table has triggers, SQLite copies each page that a statement changes, so that
it can take the statement back.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, count
from typing import Any, Self

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import UpdateBase

from app.business.base import ColumnValue, Values

Prepare = Callable[[ColumnValue], ColumnValue]
"""Turns a value into what the driver takes."""

MOST_AT_ONCE = 500
"""Rows of a statement."""
_DIALECT = sqlite.dialect()


@dataclass(frozen=True)
class BoundValue:
    """A value of a statement. column: of the rows, None where all take `default`."""

    column: str | None
    prepare: Prepare | None
    default: ColumnValue = None


@dataclass(frozen=True)
class RowStatement:
    """Executed for one row after the other. text: with the places of its values, in their order."""

    text: str
    places: tuple[BoundValue, ...]

    def execute(self, session: Session, rows: Sequence[Values]) -> int:
        """Execute it for each of the rows, which have the same columns; returns the number of rows written."""
        columns = (_column(place, rows) for place in self.places)
        each = (column if len(column) > 1 else column * len(rows) for column in columns)
        return _execute(session, self.text, list(zip(*each, strict=True)), rows)


@dataclass(frozen=True)
class RowInsert:
    """Inserts so many rows at once. head: table and columns · conflict: what follows the values, with those of its own
    behind those of the columns."""

    head: str
    places: tuple[BoundValue, ...]
    conflict: str
    of_conflict: tuple[BoundValue, ...]

    def execute(self, session: Session, rows: Sequence[Values], *, is_shown: bool = True) -> int:
        """Insert the rows, which have the same columns; returns the number of rows written. is_shown: see
        `change_hints`."""
        parts = (rows[start : start + MOST_AT_ONCE] for start in range(0, len(rows), MOST_AT_ONCE))
        return sum(self._insert(session, part, is_shown) for part in parts)

    def _insert(self, session: Session, rows: Sequence[Values], is_shown: bool) -> int:
        columns = [_column(place, rows) for place in self.places]
        differs = [len(column) > 1 for column in columns]
        if not any(differs):
            # What differs tells the number of rows.
            columns[-1], differs[-1] = columns[-1] * len(rows), True
        same = [column[0] for column, is_other in zip(columns, differs, strict=True) if not is_other]
        each = zip(
            *(column for column, is_other in zip(columns, differs, strict=True) if is_other), strict=True
        )
        own = [place.default for place in self.of_conflict]
        text = _insert_text(self.head, tuple(differs), len(rows), self.conflict)
        return _execute(session, text, (*same, *chain.from_iterable(each), *own), rows, is_shown)


@lru_cache(maxsize=1024)
def _insert_text(head: str, differs: tuple[bool, ...], rows: int, conflict: str) -> str:
    """Columns that do not differ have one value for all rows."""
    names = (f"column{number}" for number in count(1))
    selected = ", ".join(next(names) if is_other else "?" for is_other in differs)
    given = ", ".join([f"({', '.join('?' * sum(differs))})"] * rows)
    # With a condition, or SQLite takes ON CONFLICT for a part of it.
    return f"{head} SELECT {selected} FROM (VALUES {given}) WHERE true{conflict}"  # noqa: S608


def _execute(
    session: Session,
    text: str,
    values: Sequence[Any],
    rows: Sequence[Values],
    is_shown: bool = True,
) -> int:
    accounts = frozenset(row["account_id"] for row in rows if "account_id" in row)
    options = {"accounts": accounts, "preserve_rowcount": True, "is_shown": is_shown}
    return session.connection().exec_driver_sql(text, values, execution_options=options).rowcount


def inserting(table: Table, columns: Sequence[str], statement: UpdateBase) -> RowInsert:
    """`statement` inserts rows of these columns, among them the folds of their texts; the others take the table's
    default."""
    left_out = [column for column in table.columns if column.key not in columns]
    defaults = _Defaults(columns)
    # Those that follow from others come after them.
    for column in sorted(left_out, key=lambda one: one.default is not None and one.default.is_callable):
        if column.default is not None:
            defaults[column.key] = _default(column.default, defaults)
    names = [*columns, *defaults]
    one = _prepared(statement, {name: name for name in columns}, defaults, names)
    head, conflict = one.text.split(f" VALUES ({', '.join('?' * len(names))})")
    return RowInsert(head, one.places[: len(names)], conflict, one.places[len(names) :])


def updating(statement: UpdateBase, column_of: dict[str, str]) -> RowStatement:
    """`statement` names its values by these keys; the values are the columns of the rows."""
    return _prepared(statement, column_of, {}, None)


def _prepared(
    statement: UpdateBase,
    column_of: dict[str, str],
    defaults: Mapping[str, ColumnValue],
    names: Sequence[str] | None,
) -> RowStatement:
    compiled: Any = statement.compile(dialect=_DIALECT, column_keys=names)
    places = []
    for name in compiled.positiontup:
        bind = compiled.binds[name]
        prepare = bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
        if name in column_of:
            places.append(BoundValue(column_of[name], prepare))
        else:
            value = defaults.get(name, bind.effective_value)
            places.append(BoundValue(None, None, prepare(value) if prepare else value))
    return RowStatement(str(compiled), tuple(places))


class _Defaults(dict[str, Any]):
    """Column -> the value that all rows take. It is what the default of a column that follows from another one asks."""

    def __init__(self, given: Collection[str]) -> None:
        super().__init__()
        self.given = given

    def get_current_parameters(self) -> Self:
        return self

    def get(self, name: str, default: Any = None) -> Any:
        if name in self.given:
            raise ValueError(f"rows with {name} must hold what follows from it")
        return super().get(name, default)


def _default(default: Any, others: _Defaults) -> Any:
    return default.arg(others) if default.is_callable else default.arg


def _column(place: BoundValue, rows: Sequence[Values]) -> list[ColumnValue]:
    """The values of all rows, or the one that all of them have."""
    if place.column is None:
        return [place.default]
    name = place.column
    values = [row[name] for row in rows]
    if _are_same(values):
        values = values[:1]
    return values if place.prepare is None else _prepared_values(values, place.prepare)


def _are_same(values: Sequence[ColumnValue]) -> bool:
    first = values[0]
    if isinstance(first, dict | list):
        return all(value is first for value in values)
    return values.count(first) == len(values)


def _prepared_values(values: Sequence[ColumnValue], prepare: Prepare) -> list[ColumnValue]:
    # By identity: documents cannot be keys.
    ids, parts = list(map(id, values)), dict[int, str]()
    prepared = {
        key: _joined(value, prepare, parts) if _is_of_documents(value) else prepare(value)
        for key, value in dict(zip(ids, values, strict=True)).items()
    }
    return [prepared[key] for key in ids]


def _is_of_documents(value: ColumnValue) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(part, dict) for part in value)


def _joined(documents: Any, prepare: Prepare, parts: dict[int, str]) -> str:
    """A list in JSON. parts: its documents that were in another list before, each of them by its identity."""
    for one in documents:
        if id(one) not in parts:
            parts[id(one)] = str(prepare(one))
    return f"[{', '.join([parts[id(one)] for one in documents])}]"
