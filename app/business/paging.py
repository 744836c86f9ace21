"""Keyset pages: stable while rows arrive, as quick on page 200 as on page 1."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.business.errors import Invalid

Row = TypeVar("Row")


@dataclass(frozen=True)
class Page(Generic[Row]):
    """One page of rows and the cursor of the next (None on the last page)."""

    rows: Sequence[Row]
    next_cursor: str | None


def keyset_page(
    session: Session,
    query: Select[tuple[Row]],
    *,
    keys: Sequence[InstrumentedAttribute[Any]],
    cursor: str | None,
    limit: int,
) -> Page[Row]:
    """Rows of `query` in descending order of `keys` (the last one unique), after `cursor`.

    Raises Invalid({"cursor": …}) when the cursor is not one that we gave.
    """
    ordered = query.order_by(*(key.desc() for key in keys)).limit(limit + 1)
    if cursor:
        ordered = ordered.where(tuple_(*keys) < tuple_(*_bound(keys, decode(cursor, len(keys)))))
    rows = session.scalars(ordered).all()
    if len(rows) <= limit:
        return Page(rows, None)
    last = rows[limit - 1]
    return Page(rows[:limit], encode([getattr(last, key.key) for key in keys]))


def encode(values: Sequence[Any]) -> str:
    """Opaque text of a row's key values."""
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def decode(cursor: str, length: int) -> list[Any]:
    """The key values of a cursor made by `encode`. Raises Invalid."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        values = None
    if not isinstance(values, list) or len(values) != length:
        raise Invalid({"cursor": ["This page address is damaged. Start again from the first page."]})
    return values


def _bound(keys: Sequence[InstrumentedAttribute[Any]], values: Sequence[Any]) -> list[Any]:
    bound = []
    for key, value in zip(keys, values, strict=True):
        try:
            python = (
                datetime.fromisoformat(value)
                if key.type.python_type is datetime
                else key.type.python_type(value)
            )
        except (TypeError, ValueError):
            raise Invalid(
                {"cursor": ["This page address is damaged. Start again from the first page."]}
            ) from None
        bound.append(literal(python, key.type))
    return bound
