"""Statements that SQLite executes for each of many rows, compiled once, with values prepared column by column.

SQLAlchemy prepares every row by itself, which takes several times as long as SQLite needs to write it. Most values of a
set are the same for all its rows; here each is prepared once.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import UpdateBase

from app.business.base import ColumnValue, Values

Prepare = Callable[[ColumnValue], ColumnValue]
"""Turns a value into what the driver takes."""

_DIALECT = sqlite.dialect()


@dataclass(frozen=True)
class BoundValue:
    """A value of a statement. column: of the rows, None where all take `default`."""

    column: str | None
    prepare: Prepare | None
    default: ColumnValue = None


@dataclass(frozen=True)
class RowStatement:
    """text: with the places of its values, in their order."""

    text: str
    places: tuple[BoundValue, ...]

    def execute(self, session: Session, rows: Sequence[Values], *, is_shown: bool = True) -> int:
        """Execute it for each of the rows, which have the same columns; returns the number of rows written. is_shown:
        see `change_hints`."""
        values = list(zip(*(_column(place, rows) for place in self.places), strict=True))
        accounts = frozenset(row["account_id"] for row in rows if "account_id" in row)
        options = {"accounts": accounts, "preserve_rowcount": True, "is_shown": is_shown}
        result = session.connection().exec_driver_sql(self.text, values, execution_options=options)
        return result.rowcount


def inserting(table: Table, columns: Sequence[str], statement: UpdateBase) -> RowStatement:
    """`statement` inserts rows of these columns, among them the folds of their texts; the others take the table's
    default."""
    left_out = [column for column in table.columns if column.key not in columns]
    defaults = _Defaults(columns)
    # Those that follow from others come after them.
    for column in sorted(left_out, key=lambda one: one.default is not None and one.default.is_callable):
        if column.default is not None:
            defaults[column.key] = _default(column.default, defaults)
    return _prepared(statement, {name: name for name in columns}, defaults, [*columns, *defaults])


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


def _column(place: BoundValue, rows: Sequence[Values]) -> Iterable[ColumnValue]:
    if place.column is None:
        return [place.default] * len(rows)
    values = [row[place.column] for row in rows]
    return values if place.prepare is None else _prepared_values(values, place.prepare)


def _prepared_values(values: Sequence[ColumnValue], prepare: Prepare) -> list[ColumnValue]:
    # By identity: documents cannot be keys.
    ids = list(map(id, values))
    prepared = {key: prepare(value) for key, value in dict(zip(ids, values, strict=True)).items()}
    return [prepared[key] for key in ids]
