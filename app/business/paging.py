"""Keyset pages: stable while rows arrive, as fast on page 200 as on page 1."""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Generic, Literal, TypeVar, cast

from sqlalchemy import BindParameter, ColumnElement, Select, func, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.business.errors import Invalid
from app.business.settled_ids import all_committed

Row = TypeVar("Row")

MOST_ROWS = 100_000
"""Of a file."""
AT_ONCE = 500
"""Rows that are read at once for a file."""

KeyValue = str | int | float | date | None
"""Of a row: what a list is sorted by."""
LastRow = Sequence[BindParameter[Any]]
"""The keys of the last row of the page before."""
_DAMAGED = "This page address is damaged. Start again from the first page."
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Page(Generic[Row]):
    """One page of rows and the cursor of the next (None on the last page). count: asks for the number of all rows."""

    rows: Sequence[Row]
    next_cursor: str | None
    count: Callable[[], int] = field(default=lambda: 0, compare=False)


def keyset_page(
    session: Session,
    query: Select[Row],
    *,
    keys: Sequence[InstrumentedAttribute[Any]],
    cursor: str | None,
    limit: int,
    oldest: bool = False,
) -> Page[Row]:
    """Rows of `query` in descending order of `keys` (the last one unique), after `cursor`; `oldest`: ascending.

    Raises Invalid({"cursor": …}) when the cursor is not one of ours, Busy for the oldest first while others write.
    """
    if oldest and len(keys) == 1:
        query = query.where(all_committed(session, keys[-1].expression))
    last = _bound([key.expression for key in keys], decode(cursor, len(keys))) if cursor else None
    part = first_part(query, keys=keys, last=last, limit=limit, oldest=oldest)
    rows = session.scalars(part).all()
    return page_of(rows, keys=keys, limit=limit, count=lambda: count_of(session, query, keys[-1].expression))


def first_part(
    query: Select[Row],
    *,
    keys: Sequence[InstrumentedAttribute[Any]],
    last: LastRow | None,
    limit: int,
    oldest: bool = False,
) -> Select[Row]:
    """The query of `keyset_page`: one row more than `limit`, which shows whether there is a next page."""
    ordered = query.order_by(*(key.asc() if oldest else key.desc() for key in keys)).limit(limit + 1)
    if last is None:
        return ordered
    return ordered.where(tuple_(*keys) > tuple_(*last) if oldest else tuple_(*keys) < tuple_(*last))


def page_of(
    rows: Sequence[Row],
    *,
    keys: Sequence[InstrumentedAttribute[Any]],
    limit: int,
    count: Callable[[], int],
) -> Page[Row]:
    """The page made of these rows of `first_part`."""
    if len(rows) <= limit:
        return Page(rows, None, count)
    last = rows[limit - 1]
    return Page(rows[:limit], encode([getattr(last, key.key) for key in keys]), count)


def count_of(session: Session, query: Select[Any], id_column: ColumnElement[int]) -> int:
    """The number of all rows of `query`."""
    counted = query.with_only_columns(func.count(id_column), maintain_column_froms=True)
    return session.scalar(counted.order_by(None)) or 0


@dataclass(frozen=True)
class Order:
    """How a list is sorted: by a column, and how to read its value from a row.

    nulls: where rows without a value stand; None: every row has one.
    """

    by: ColumnElement[Any]
    value: Callable[[Any], KeyValue]
    descending: bool = True
    nulls: Literal["lowest", "highest"] | None = None


def sorted_page(
    session: Session,
    query: Select[Row],
    order: Order,
    id_column: ColumnElement[int],
    *,
    cursor: str | None,
    limit: int,
    read: Callable[[Session, Select[Any]], Iterable[Row]] = Session.scalars,
) -> Page[Row]:
    """Rows of `query`, as `read` has them, in that order, ties by id in the same direction, after `cursor`.

    Raises Invalid, and Busy by ascending ids while others write.
    """
    keys = (order.by, id_column)
    if not order.descending and order.by.compare(id_column):
        query = query.where(all_committed(session, id_column))
    ordered = query.order_by(*(key.desc() if order.descending else key.asc() for key in keys))
    rows: list[Row] = []
    for clauses in _parts(order, keys, decode(cursor, len(keys)) if cursor else None):
        if len(rows) <= limit:
            rows += read(session, ordered.where(*clauses).limit(limit + 1 - len(rows)))
    following = None
    if len(rows) > limit:
        following = encode([order.value(rows[limit - 1]), cast(Any, rows[limit - 1]).id])
    return Page(rows[:limit], following, lambda: count_of(session, query, id_column))


def _parts(
    order: Order, keys: Sequence[ColumnElement[Any]], last: Sequence[KeyValue] | None
) -> Iterator[Sequence[ColumnElement[bool]]]:
    """The clauses of the rows with a value and of those without, in their order, after the row `last`.

    Two queries, because an index serves each: nulls stand at other ends of it on the two databases.
    """
    begun = last is None
    for has_value in _with_and_without(order):
        kind = [] if order.nulls is None else [order.by.is_not(None) if has_value else order.by.is_(None)]
        if begun or last is None:
            yield kind
        elif order.nulls is None or (last[0] is not None) == has_value:
            begun = True
            compared = keys if has_value else keys[1:]
            bound = tuple_(*_bound(compared, last[-len(compared) :]))
            yield [*kind, tuple_(*compared) < bound if order.descending else tuple_(*compared) > bound]


def _with_and_without(order: Order) -> tuple[bool, ...]:
    if order.nulls is None:
        return (True,)
    return (True, False) if (order.nulls == "lowest") == order.descending else (False, True)


def every_page(read: Callable[[str | None, int], Page[Row]]) -> Iterator[Sequence[Row]]:
    """The rows of page after page, so that memory stays flat whatever their number; at most MOST_ROWS."""
    cursor, left = None, MOST_ROWS
    while left > 0:
        page = read(cursor, min(AT_ONCE, left))
        yield page.rows
        left -= len(page.rows)
        if not (cursor := page.next_cursor):
            return


def encode(values: Sequence[KeyValue]) -> str:
    """Opaque text of a row's key values."""
    plain = [value.isoformat() if isinstance(value, date) else value for value in values]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def decode(cursor: str, length: int) -> list[KeyValue]:
    """The key values of a cursor made by `encode`. Raises Invalid."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        values = None
    if not isinstance(values, list) or len(values) != length:
        raise Invalid({"cursor": [_DAMAGED]})
    return values


def row_of(cursor: str, keys: Sequence[InstrumentedAttribute[Any]]) -> list[Any]:
    """The keys of the row that a cursor made by `encode` names, as their columns hold them. Raises Invalid."""
    return _as_held([key.expression for key in keys], decode(cursor, len(keys)))


def _bound(keys: Sequence[ColumnElement[Any]], values: Sequence[KeyValue]) -> list[BindParameter[Any]]:
    return [literal(value, key.type) for key, value in zip(keys, _as_held(keys, values), strict=True)]


def _as_held(keys: Sequence[ColumnElement[Any]], values: Sequence[KeyValue]) -> list[Any]:
    try:
        return [_typed(key, value) for key, value in zip(keys, values, strict=True)]
    except (TypeError, ValueError):
        raise Invalid({"cursor": [_DAMAGED]}) from None


def _typed(key: ColumnElement[Any], value: Any) -> Any:
    wanted = key.type.python_type
    if wanted is datetime:
        return datetime.fromisoformat(value).astimezone(UTC)
    if wanted is date:
        return date.fromisoformat(value)
    storable = "\0" not in value if wanted is str else -_LARGEST <= wanted(value) <= _LARGEST
    if not storable:
        raise ValueError("no database could hold this")
    return wanted(value)
