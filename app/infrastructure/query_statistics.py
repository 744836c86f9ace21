"""What SQLite knows of how rows are spread over an index: without it, its choice of one gets worse as tables grow.

PostgreSQL keeps its own. Connections read these figures when they are opened, so pools open theirs anew every hour
(`database.engine_options`).
"""

from sqlalchemy import Connection, Engine, Table

from app.business.base import Base

FEW = 10_000
"""Tables with fewer rows are left out: their figures would soon be wrong, and any index serves them."""
LOOKED_AT = 1_000
"""Rows of each index that are read: milliseconds, however large the table is."""


def keep(engine: Engine) -> None:
    """Take the figures of every large table anew, each in a transaction of its own."""
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
