"""Lists in ascending order of ids: a page must not pass an id whose row is still to be committed.

PostgreSQL gives out an id before its row is committed. Of two writers, the second may commit first; whoever walks the
list from the oldest row on would step over the row of the first, and never see it. Newest first this does no harm: the
row is one that arrived after the walk began. SQLite has one writer at a time, so that ids are committed in order.

Every transaction that holds an id has a lock on the table since before it took the id, until its end. So whatever has
an id up to the highest one that is committed now is seen once these transactions have ended. New ones do not matter:
their ids are higher.
"""

import time

from sqlalchemy import ColumnElement, func, select, text, true
from sqlalchemy.orm import Session

from app.business.errors import Busy

LONGEST_WAIT_SECONDS = 2.0
LOOK_EVERY_SECONDS = 0.02
_WRITERS = text(
    "SELECT virtualtransaction FROM pg_locks "
    "WHERE locktype = 'relation' AND relation = CAST(:table AS regclass) AND mode = 'RowExclusiveLock' AND granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()"
)


def all_committed(session: Session, id_column: ColumnElement[int]) -> ColumnElement[bool]:
    """Clause of the rows whose id no row can precede any more that is still to come. Raises Busy."""
    highest = settled_id(session, id_column)
    return true() if highest is None else id_column <= highest


def settled_id(session: Session, id_column: ColumnElement[int]) -> int | None:
    """The id up to which all rows are committed, after a short wait for those who write; None: all are.

    Raises Busy when somebody has been writing for longer.
    """
    if session.get_bind().dialect.name != "postgresql":
        return None
    table = id_column.table.name
    highest: int = session.scalars(select(func.coalesce(func.max(id_column), 0))).one()
    waiting, until = _writers(session, table), time.monotonic() + LONGEST_WAIT_SECONDS
    while waiting:
        if time.monotonic() > until:
            raise Busy("Rows of this list are being saved at this moment. Ask again in a few seconds.")
        time.sleep(LOOK_EVERY_SECONDS)
        waiting &= _writers(session, table)
    return highest


def _writers(session: Session, table: str) -> set[str]:
    return {*session.scalars(_WRITERS, {"table": _quoted(session, table)})}


def _quoted(session: Session, table: str) -> str:
    return session.get_bind().dialect.identifier_preparer.quote(table)
