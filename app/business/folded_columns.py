"""Folded texts, stored beside the text they fold: the database compares without case and never folds itself.

A folded column follows its text in every row that is inserted and in every attribute that is set. An UPDATE that
names columns must name the folded ones too: `with_folded`.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import mapped_column

from app.business.base import Base, Json, Text
from app.business.folding import fold

FOLDS = "folds"
"""In a column's info: which column it folds."""


def folded_text(of: str, *, nullable: bool = False) -> Any:
    """The column for the fold of the text column `of`. A fold may be longer than its text."""
    return _column(of, Text(), None if nullable else "")


def folded_list(of: str) -> Any:
    """The column for the folds of the texts in the JSON column `of`."""
    return _column(of, Json(), [])


def folded_value(value: Any) -> Any:
    """A text, or the texts in a list, folded; anything else as it is."""
    if isinstance(value, str):
        return fold(value)
    return [folded_value(item) for item in value] if isinstance(value, list | tuple) else value


def folds_of(table: Any) -> dict[str, str]:
    """Folded column -> the column that it folds."""
    return {column.key: column.info[FOLDS] for column in table.columns if FOLDS in column.info}


def with_folded(model: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` of an UPDATE, with the folds of the texts among them."""
    folds = folds_of(model.__table__)
    return {**values, **{name: folded_value(values[of]) for name, of in folds.items() if of in values}}


def folded_default(of: str, absent: Any = "") -> Any:
    """The default of a column: the fold of the column `of`."""

    def default(context: Any) -> Any:
        value = context.get_current_parameters().get(of)
        return absent if value is None else folded_value(value)

    return default


def _column(of: str, type: Any, absent: Any) -> Any:
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
def _follow(mapped: Any, key: str, attribute: Any) -> None:
    table = mapped.__dict__.get("__table__")
    for name, of in folds_of(table).items() if table is not None else ():
        if of == key:
            event.listen(attribute, "set", _setter(name))


def _setter(name: str) -> Any:
    def follow(row: Any, value: Any, _old: Any, _initiator: Any) -> None:
        setattr(row, name, folded_value(value))

    return follow
