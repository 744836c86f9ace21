"""A database of release 0.3.0 with runs in every state, as its own services left it at `STOPPED_AT`.

`tests/data/release_0_3_0` holds its rows by table, as each database stores them; the migrations of that release make
the tables. Account "Harbour" holds runs that are pending, planned, waiting for each cause, running for a dead worker,
awaiting a retry and part-way through follow-ups, batches of events in each state, two rules named alike, and rules with
values that were accepted then; in "Poor", "Paused" and "Capped" runs wait for credits, for the end of a pause, and for
a daily ceiling.
"""

import json
from pathlib import Path
from typing import Any

from flask_migrate import upgrade
from sqlalchemy import Connection, text

from app.infrastructure.database import db
from tests.factories import NOW

STOPPED_AT = NOW
REVISION = "0007"
FOLDER = Path(__file__).parent / "data" / "release_0_3_0"


def restore() -> None:
    """Build the tables of 0.3.0 in the empty database of the current application and fill them."""
    upgrade(revision=REVISION)
    with db.engine.begin() as connection:
        stored: dict[str, Any] = json.loads((FOLDER / f"{connection.dialect.name}.json").read_text())
        fill = _fill_postgresql if connection.dialect.name == "postgresql" else _fill_sqlite
        for table, content in stored.items():
            fill(connection, table, content["columns"], content["rows"])


def _fill_sqlite(connection: Connection, table: str, columns: list[str], rows: list[list[Any]]) -> None:
    names, places = ", ".join(f'"{name}"' for name in columns), ", ".join("?" * len(columns))
    statement = f'INSERT INTO "{table}" ({names}) VALUES ({places})'
    connection.exec_driver_sql(statement, [tuple(row) for row in rows])


def _fill_postgresql(connection: Connection, table: str, columns: list[str], rows: list[list[Any]]) -> None:
    objects = json.dumps([dict(zip(columns, row, strict=True)) for row in rows])
    filled = (
        f'INSERT INTO "{table}" SELECT * FROM json_populate_recordset(null::"{table}", CAST(:rows AS json))'
    )
    connection.execute(text(filled), {"rows": objects})
    last = f"SELECT setval(pg_get_serial_sequence('\"{table}\"', 'id'), (SELECT max(id) FROM \"{table}\"))"
    connection.execute(text(last))
