"""Statistics of SQLite's indexes: without them it chooses indexes worse as tables grow.

PostgreSQL keeps its own. Connections read these figures when they are opened, so pools open theirs anew every hour
(`database.engine_options`).
"""

from sqlalchemy import Connection, Engine, Table

from app.business.base import Base

FEW = 10_000
"""Smaller tables are left out: their statistics would soon be outdated, and any index is fast enough."""
LOOKED_AT = 1_000
"""Rows sampled from each index: takes milliseconds, whatever the size of the table."""


def keep(engine: Engine) -> None:
    """Update the statistics of every large table, each in its own transaction."""
    if engine.dialect.name != "sqlite":
        return
    for table in Base.metadata.sorted_tables:
        with engine.begin() as connection:
            if _is_large(connection, table):
                connection.exec_driver_sql(f"PRAGMA analysis_limit={LOOKED_AT}")
                connection.exec_driver_sql(f"ANALYZE {_quoted(connection, table)}")


def _is_large(connection: Connection, table: Table) -> bool:
    found = connection.exec_driver_sql(f"SELECT MAX(rowid) FROM {_quoted(connection, table)}")  # noqa: S608
    return (found.scalar() or 0) >= FEW


def _quoted(connection: Connection, table: Table) -> str:
    return connection.dialect.identifier_preparer.format_table(table)
