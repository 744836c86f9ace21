"""Plans that PostgreSQL keeps: of the queries that a process keeps ready for pages.

Reading and planning such a query costs the server more than answering it, and a page asks some twenty. Only they are
prepared: words of enumerations are a part of their text, so that a plan which serves any values still finds partial
indexes, and what differs is compared with whole columns. A plan follows changes of the schema and of the statistics by
itself.
"""

from typing import Any

from psycopg import Cursor
from psycopg.errors import FeatureNotSupported
from psycopg.pq import TransactionStatus
from sqlalchemy import ExceptionContext, event
from sqlalchemy.engine.default import DefaultExecutionContext

from app.business.kept_queries import KEEPS_PLAN
from app.business.ready_statements import EXECUTES
from app.infrastructure.database import db, reading


def init_app(app: Any) -> None:
    """Call it after access is guarded: a request's transaction ends while it is still known that it only read."""
    with app.app_context():
        event.listen(db.engine, "do_execute", _execute)
        db.engine.update_execution_options(**{EXECUTES: execute_kept})
        event.listen(db.engine, "handle_error", _renew_all)
        app.teardown_request(_end_reading)


def _execute(cursor: Cursor, statement: str, values: Any, context: DefaultExecutionContext) -> bool:
    """Whether the statement was executed here: as one that the server keeps."""
    if not context.execution_options.get(KEEPS_PLAN):
        return False
    execute_kept(cursor, statement, values)
    return True


def execute_kept(cursor: Cursor, statement: Any, values: Any) -> None:
    """Execute the statement as one that the server keeps."""
    # The driver prepares what it has seen so often, and counts nothing while it is told to prepare nothing.
    cursor.connection.prepare_threshold = 0
    try:
        cursor.execute(statement, values)
    finally:
        cursor.connection.prepare_threshold = None


def _renew_all(context: ExceptionContext) -> None:
    """Where an upgrade has changed the type of a column, a kept plan fails once: on this connection, and by and by on
    all others of the process, so none of them is used again."""
    if isinstance(context.original_exception, FeatureNotSupported):
        context.is_disconnect = context.invalidate_pool_on_disconnect = True


def _end_reading(error: BaseException | None) -> None:
    """A transaction that only read ends by COMMIT: at a ROLLBACK the driver has the server let go of all plans."""
    if error is not None or not reading.get() or not db.session.registry.has():
        return
    session = db.session()
    if not session.in_transaction():
        return
    connection = session.connection()
    driver: Any = connection.connection.driver_connection
    if driver.info.transaction_status == TransactionStatus.INTRANS and not connection.info.get("written"):
        driver.commit()
