"""How migrations run: in one transaction on the application's own database, with history protected at the end."""

from typing import Any

from alembic import context
from flask import current_app
from sqlalchemy import BigInteger, Connection, String, text

from app.business.base import Base, Json, UtcDateTime
from app.infrastructure import query_statistics
from app.infrastructure.schema import APPEND_ONLY, protect_history

engine = current_app.extensions["migrate"].db.engine

UPGRADE_LOCK = 7_462_001
"""Any number that no other program on the server uses: two starters must not migrate at once."""


def render_item(kind: str, item: Any, autogen_context: Any) -> str | bool:
    """Our column types under their own names, so that one migration serves both databases."""
    if kind != "type":
        return False
    name = _our_name(item)
    if name:
        autogen_context.imports.add("from app.business.base import Id, Json, Text, UtcDateTime")
    return name or False


def _our_name(item: Any) -> str:
    if isinstance(item, UtcDateTime | Json):
        return f"{type(item).__name__}()"
    if isinstance(item, BigInteger):
        return "Id"
    return f"Text({item.length or ''})" if isinstance(item, String) else ""


def run() -> None:
    """Upgrade or downgrade on one connection."""
    with engine.connect() as connection:
        _prepare(connection)
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=True,
            compare_type=True,
            render_item=render_item,
        )
        with context.begin_transaction():
            context.run_migrations()
            _protect(connection)
        connection.commit()


def _prepare(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Another upgrade is waited for however long it takes.
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
        return
    # Rebuilding a table that others refer to needs foreign keys off, and that works only outside a transaction.
    raw = connection.connection.driver_connection
    connection.rollback()
    raw.execute("PRAGMA foreign_keys=OFF")


def _protect(connection: Connection) -> None:
    present = set(connection.dialect.get_table_names(connection))
    if present.issuperset(APPEND_ONLY):
        protect_history(connection)
    query_statistics.assume(connection)
    if connection.dialect.name == "sqlite":
        broken = connection.execute(text("PRAGMA foreign_key_check")).all()
        if broken:
            raise RuntimeError(f"references are broken after the migration: {broken[:5]}")


run()
