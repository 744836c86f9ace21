"""Ids of rows before they are inserted, where other rows have to name them."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.base import AccountOwned
from app.business.row_sets import is_on_postgresql
from app.business.updates import table_of


def next_ids(session: Session, model: type[AccountOwned], number: int) -> Sequence[int]:
    """So many ids for new rows, ascending. On SQLite nobody else can take them while this transaction lasts."""
    if not number:
        return ()
    if is_on_postgresql(session):
        sequence = func.pg_get_serial_sequence(table_of(model).name, "id")
        following = select(func.nextval(sequence)).select_from(func.generate_series(1, number))
        return sorted(session.scalars(following))
    last = session.scalar(select(func.max(model.id))) or 0
    return range(last + 1, last + 1 + number)
