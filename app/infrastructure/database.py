"""The database session: SQLite embedded, PostgreSQL at scale; one engine per process."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from time import monotonic
from typing import Any

from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, Dialect, Engine, event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

# All tables, so that every process and the migrations know the whole schema.
import app.business.accounts.models
import app.business.accounts.passkey_models
import app.business.accounts.saved_filter_models
import app.business.accounts.second_factor_models
import app.business.accounts.upload_models
import app.business.automation.calendar_models
import app.business.automation.models
import app.business.automation.operation_models
import app.business.automation.record_total_models
import app.business.automation.report_models
import app.business.automation.rhythm_models
import app.business.automation.rule_change_models
import app.business.automation.run_models
import app.business.automation.total_models
import app.business.billing.models
import app.business.events
import app.business.outlets.incident_models
import app.business.outlets.incoming_models
import app.business.outlets.mail_models
import app.business.outlets.models
import app.business.outlets.webhook_models
import app.business.outlets.wordpress_models
import app.business.planner.grouping_models
import app.business.planner.import_models
import app.business.planner.models
import app.business.writer.models
import app.business.writer.publication_models
import app.business.writer.share_models
import app.infrastructure.process_restarts  # noqa: F401
from app.business.base import Base
from app.business.folding import words
from app.infrastructure import writers_queue

db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})
migrate = Migrate(db=db, render_as_batch=True)

reading: ContextVar[bool] = ContextVar("reading", default=False)
"""True while a request only reads: on SQLite its transactions then take no write lock."""

impatient: ContextVar[bool] = ContextVar("impatient", default=False)
"""True while transactions hardly wait for a write lock held by somebody else."""

trusted_seconds: ContextVar[float] = ContextVar("trusted_seconds", default=0.0)
"""A connection that was used so recently is not asked whether it is still there, at a round trip for each transaction:
for processes that do again what was cut off, and within one request."""

LOCK_WAIT_SECONDS = 10
HARDLY_SECONDS = 0.5
A_MOMENT_SECONDS = 0.1
CONNECT_SECONDS = 5
REOPENED_SECONDS = 3600
STANDSTILL_SECONDS = 60
"""PostgreSQL ends a transaction that has been idle for so long: its process hangs or is cut off, and would otherwise
keep its rows locked for those who continue its work.
"""


def engine_options(url: str) -> dict[str, Any]:
    """Options of `create_engine` for this database address."""
    # Values written are private: the log of a fault must not show them.
    shared: dict[str, Any] = {"hide_parameters": True}
    # More than the web process has threads: none waits for another's connection.
    shared |= {"pool_size": 10, "max_overflow": 10}
    if url.startswith("sqlite"):
        # A connection uses the statistics from the time when it was opened.
        arguments = {"timeout": LOCK_WAIT_SECONDS, "factory": writers_queue.WritersConnection}
        return shared | {"connect_args": arguments, "pool_recycle": REOPENED_SECONDS}
    # After some executions a prepared statement gets a generic plan, which cannot use our partial indexes.
    connecting = {"connect_timeout": CONNECT_SECONDS, "prepare_threshold": None}
    return shared | {"connect_args": connecting}


def prepare(engine: Engine) -> None:
    """Set the pragmas and transaction hooks that we rely on for every connection of `engine`."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _open_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _open_postgresql)
        event.listen(engine, "begin", _begin_postgresql)
        event.listen(engine, "checkout", partial(_ask_whether_alive, engine.dialect))
        event.listen(engine, "checkin", _note_return)


def _open_sqlite(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    # The driver must not begin transactions by itself: _begin_sqlite chooses read or write.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"busy_timeout={LOCK_WAIT_SECONDS * 1000}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    connection.create_function("words", 1, _null_safe(words), deterministic=True)
    writers_queue.join(connection)


def _open_postgresql(connection: Any, _record: ConnectionPoolEntry) -> None:
    connection.execute(f"SET idle_in_transaction_session_timeout = '{STANDSTILL_SECONDS}s'")
    connection.execute(f"SET lock_timeout = {LOCK_WAIT_SECONDS * 1000:.0f}")
    # Kept plans serve any values, so they expect far more rows than most queries find: over many runs the server would
    # start other processes or compile the plan, each of which takes longer than all queries of a page.
    connection.execute("SET max_parallel_workers_per_gather = 0")
    connection.execute("SET jit = off")
    connection.commit()


def _note_return(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = monotonic()


def _ask_whether_alive(
    dialect: Dialect, connection: Any, record: ConnectionPoolEntry, _proxy: object
) -> None:
    """One that the server has ended is replaced, and so are all others of the pool."""
    if monotonic() - record.info.get("used_at", 0) < trusted_seconds.get():
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        if dialect.is_disconnect(error, connection, None):
            raise InvalidatePoolError from error
        raise


def _begin_postgresql(connection: Connection) -> None:
    if impatient.get():
        connection.exec_driver_sql(_lock_timeout(HARDLY_SECONDS))


def _null_safe(function: Callable[[str], str]) -> Callable[[Any], Any]:
    return lambda value: function(value) if isinstance(value, str) else value


def _begin_sqlite(connection: Connection) -> None:
    # IMMEDIATE: a transaction that will write waits at its start, where waiting is safe;
    # a deferred one that turns into a writer later is refused at once when somebody else wrote meanwhile.
    if reading.get() and not impatient.get():
        # Past SQLAlchemy, which takes longer over it than over most answers of a page; nothing can refuse it.
        connection.connection.execute("BEGIN")
        return
    most = HARDLY_SECONDS if impatient.get() else LOCK_WAIT_SECONDS
    turn = getattr(connection.connection.dbapi_connection, "turn", None)
    left = turn.take(most) if turn else most
    if left is None:
        raise OperationalError("BEGIN IMMEDIATE", None, _busy())
    try:
        _begin_immediate(connection, left)
    except BaseException:
        if turn:
            turn.end()
        raise


def _begin_immediate(connection: Connection, most_seconds: float) -> None:
    """Somebody who takes no turns may have locked the database: a backup, a shell."""
    if most_seconds > LOCK_WAIT_SECONDS - A_MOMENT_SECONDS:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return
    connection.exec_driver_sql(f"PRAGMA busy_timeout={most_seconds * 1000:.0f}")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={LOCK_WAIT_SECONDS * 1000}")


def _busy() -> sqlite3.OperationalError:
    """The error with which SQLite itself refuses a writer."""
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_BUSY, "SQLITE_BUSY"
    return error


@contextmanager
def only_reading() -> Iterator[None]:
    """Transactions begun in the block take no write lock."""
    token = reading.set(True)
    try:
        yield
    finally:
        reading.reset(token)


@contextmanager
def reading_one_statement(session: Session) -> Iterator[None]:
    """The session's transaction in the block is one statement that reads. On PostgreSQL that begins and ends by itself,
    without the round trips of BEGIN and COMMIT; one that has begun goes on as it is.
    """
    with only_reading():
        if session.get_bind().dialect.name == "postgresql" and not session.in_transaction():
            session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        yield
        session.commit()


@contextmanager
def hardly_waiting() -> Iterator[None]:
    """Transactions begun in the block write or are refused, without waiting long for a lock."""
    token, reads = impatient.set(True), reading.set(False)
    try:
        yield
    finally:
        reading.reset(reads)
        impatient.reset(token)


@contextmanager
def reading_aside(session: Session) -> Iterator[None]:
    """For what a page can do without: reads in the block hardly wait for a lock, and the refusal of one leaves the
    transaction usable. On SQLite reads wait for nobody.
    """
    if session.get_bind().dialect.name == "sqlite":
        yield
        return
    # By the driver, which sends several statements in one round trip; the session's own savepoint takes five.
    driver: Any = session.connection().connection.driver_connection
    driver.execute(f"SAVEPOINT aside; {_lock_timeout(HARDLY_SECONDS)}")
    try:
        yield
    except DBAPIError as error:
        if not error.connection_invalidated:
            driver.execute("ROLLBACK TO SAVEPOINT aside")
        raise
    driver.execute(f"{_lock_timeout(LOCK_WAIT_SECONDS)}; RELEASE SAVEPOINT aside")


def _lock_timeout(seconds: float) -> str:
    return f"SET LOCAL lock_timeout = {seconds * 1000:.0f}"


@contextmanager
def transaction() -> Iterator[Session]:
    """One short write transaction: commits at the end, rolls back on any error."""
    session = db.session()
    try:
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise


@contextmanager
def reading_transaction() -> Iterator[Session]:
    """One short read-only transaction: on SQLite it does not block writers."""
    with only_reading(), transaction() as session:
        yield session


def init_app(app: Any, url: str, options: dict[str, Any]) -> None:
    """Bind the session to the database at `url`; nothing is connected yet. options: what sessions know of the
    installation, as execution options."""
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(url) | {"execution_options": options}
    db.init_app(app)
    migrate.init_app(app, directory=f"{app.root_path}/migrations")
    with app.app_context():
        prepare(db.engine)
