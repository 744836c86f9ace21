"""Ids of rows before they are inserted, where other rows have to name them."""

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import Integer, Select, bindparam, cast, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from app.business.base import AccountOwned
from app.business.row_sets import is_on_postgresql
from app.business.updates import table_of


def next_ids(session: Session, model: type[AccountOwned], number: int) -> Sequence[int]:
    """So many ids for new rows, ascending. On SQLite nobody else can take them while this transaction lasts."""
    if not number:
        return ()
    if is_on_postgresql(session):
        return sorted(session.scalars(_following(table_of(model).name), {"number": number}))
    last = session.scalar(select(func.max(model.id))) or 0
    return range(last + 1, last + 1 + number)


@lru_cache(maxsize=64)
def _following(table: str) -> Select[int]:
    """As many numbers of the table's sequence as `number` says."""
    # As a query of its own its name is looked up once, not for each number.
    sequence = select(cast(func.pg_get_serial_sequence(table, "id"), postgresql.REGCLASS)).scalar_subquery()
    numbers = func.generate_series(1, bindparam("number", type_=Integer))
    return select(func.nextval(sequence)).select_from(numbers)
