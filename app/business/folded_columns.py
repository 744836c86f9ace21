"""Folded texts, stored beside the text they fold: the database compares without case and never folds itself.

A folded column follows its text in every row that is inserted and in every attribute that is set. An UPDATE that
names columns must name the folded ones too: `with_folded`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Table, event
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import InstrumentedAttribute, MappedColumn, mapped_column
from sqlalchemy.orm.attributes import AttributeEventToken as Event
from sqlalchemy.types import TypeEngine

from app.business.base import Base, ColumnValue, Json, Text
from app.business.folding import fold

Value = TypeVar("Value")
Absent = str | list[str] | None
"""What stands where there is no text to fold."""
FOLDS = "folds"
"""In a column's info: which column it folds."""


def folded_text(of: str, *, nullable: bool = False) -> MappedColumn[Any]:
    """The column for the fold of the text column `of`. A fold may be longer than its text."""
    return _column(of, Text(), None if nullable else "")


def folded_list(of: str) -> MappedColumn[Any]:
    """The column for the folds of the texts in the JSON column `of`."""
    return _column(of, Json(), [])


def folded_value(value: Any) -> Any:
    """A text, or the texts in a list, folded; anything else as it is."""
    if isinstance(value, str):
        return fold(value)
    return [folded_value(item) for item in value] if isinstance(value, list | tuple) else value


@cache
def folds_of(table: Table) -> Mapping[str, str]:
    """Folded column -> the column that it folds."""
    return {column.key: column.info[FOLDS] for column in table.columns if FOLDS in column.info}


def with_folded(model: type[Any], values: Mapping[str, Value]) -> dict[str, Value]:
    """`values` of an UPDATE, with the folds of the texts among them."""
    folds = folds_of(model.__table__)
    return {**values, **{name: folded_value(values[of]) for name, of in folds.items() if of in values}}


def folded_default(of: str, absent: Absent = "") -> Callable[[DefaultExecutionContext], ColumnValue]:
    """The default of a column: the fold of the column `of`."""

    def default(context: DefaultExecutionContext) -> ColumnValue:
        value = context.get_current_parameters().get(of)  # type: ignore[no-untyped-call]
        return absent if value is None else folded_value(value)

    return default


def _column(of: str, type: TypeEngine[str] | Json, absent: Absent) -> MappedColumn[Any]:
    return mapped_column(
        type,
        default=folded_default(of, absent),
        nullable=absent is None,
        server_default=None if absent is None else str(absent),
        info={FOLDS: of},
        deferred=True,
        sort_order=95,
    )


@event.listens_for(Base, "attribute_instrument", propagate=True)
def _follow(mapped: type[Base], key: str, attribute: InstrumentedAttribute[ColumnValue]) -> None:
    table = mapped.__dict__.get("__table__")
    for name, of in folds_of(table).items() if table is not None else ():
        if of == key:
            event.listen(attribute, "set", _setter(name))


def _setter(name: str) -> Callable[[Base, ColumnValue, ColumnValue, Event], None]:
    def follow(row: Base, value: ColumnValue, _old: ColumnValue, _initiator: Event) -> None:
        setattr(row, name, folded_value(value))

    return follow
