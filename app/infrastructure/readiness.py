"""Whether everything is there that requests and runs need: each check is named and answers `ok` or what is wrong."""

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from redis import Redis, RedisError
from sqlalchemy import Connection, column, inspect, select, table, text
from sqlalchemy.exc import SQLAlchemyError

from app.business.base import Base
from app.business.database_faults import AWAY, BY_ERRNO, READ_ONLY, fault_of, in_one_line
from app.infrastructure.database import db, hardly_waiting, migrate, only_reading
from app.infrastructure.messaging import heartbeats, queues
from app.infrastructure.messaging.heartbeats import LatestHeartbeats
from app.infrastructure.schema import is_protected

log = logging.getLogger(__name__)

SCHEDULER_SILENCE = timedelta(seconds=5)
SWEEP_SILENCE = timedelta(seconds=60)
WAITS = "waits for"
OLDER_TABLES = "the database needs `flask --app wsgi db upgrade`"
NEWER_TABLES = "the database is of a newer version of this console"


PROBE_BYTES = 64 * 1024
SPILLED = text("SELECT COUNT(*) FROM generate_series(1, 4000)")
"""The server uses more memory than it was given and swaps to disk."""
VERSIONS = table("alembic_version", column("version_num"))
READ_ONLY_AND_TABLES = text(
    "SELECT current_setting('transaction_read_only') = 'on', ARRAY(SELECT CAST(relname AS text) FROM pg_class "
    "WHERE relkind IN ('r', 'p') AND relnamespace = CAST(current_schema() AS regnamespace))"
)
"""Whether the transaction can only read, and the names of the tables that there are."""

NEEDS = {
    "migrations": ("database",),
    "scheduler": ("queue",),
    "sweep": ("database", "queue"),
    "workers": ("queue",),
}
"""The checks that a check depends on: where one of those fails, this one is not to blame."""
NAMES = {"database": "the database", "queue": "the queue server"}


def check_readiness(server: Redis, latest: LatestHeartbeats) -> Mapping[str, str]:
    """State by check: database, migrations, queue, scheduler, sweep, workers. `server`: the queue server.

    Only the failing part is reported; what depends on it is skipped. Details go to the log, never to the caller.
    """
    checks: dict[str, Callable[[], str]] = {
        "database": _database,
        "queue": lambda: _queue(server),
        "migrations": _migrations,
        "scheduler": lambda: _heartbeat_state(latest, heartbeats.SCHEDULER, SCHEDULER_SILENCE),
        "sweep": lambda: _heartbeat_state(latest, heartbeats.SWEEP, SWEEP_SILENCE),
        "workers": lambda: _workers(latest),
    }
    states: dict[str, str] = {}
    for name, check in checks.items():
        ill = next((NAMES[part] for part in NEEDS.get(name, ()) if states[part] != "ok"), None)
        states[name] = f"{WAITS} {ill}" if ill else _state(name, check)
    return states


def _state(name: str, check: Callable[[], str]) -> str:
    try:
        return check()
    except (SQLAlchemyError, RedisError, OSError) as error:
        log.warning("not ready: %s: %s", name, in_one_line(error))
        fault = fault_of(error) or (BY_ERRNO.get(error.errno or 0) if isinstance(error, OSError) else None)
        return fault.state if fault else AWAY.state


def _database() -> str:
    """Whether the database can be written: most of its faults leave it readable. Ends with a COMMIT: after a ROLLBACK
    PostgreSQL would have to plan anew what it keeps for pages."""
    with hardly_waiting(), db.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("SELECT 1"))
            _write_beside(db.engine.url.database)
        else:
            connection.execute(text("SET LOCAL work_mem = '64kB'"))
            connection.execute(SPILLED)
            only_reads, present = connection.execute(READ_ONLY_AND_TABLES).one()
            if only_reads:
                return READ_ONLY.state
            _lock_tables(connection, set(present))
    return "ok"


def _lock_tables(connection: Connection, present: Set[str]) -> None:
    """Take the lock of every write on every table: PostgreSQL locks single tables, and the others stay usable."""
    prepare = connection.dialect.identifier_preparer
    # A table that a migration has yet to create is reported by the check of the migrations.
    names = [prepare.format_table(table) for name, table in Base.metadata.tables.items() if name in present]
    if names:
        connection.exec_driver_sql(f"LOCK TABLE {', '.join(names)} IN ROW EXCLUSIVE MODE")


def _write_beside(path: str | None) -> None:
    """Only a real write meets a full disk: SQLite writes nothing before a commit."""
    if path and path != ":memory:":
        with tempfile.TemporaryFile(dir=Path(path).parent, buffering=0) as file:
            file.write(bytes(PROBE_BYTES))


def _migrations() -> str:
    present = _present()
    if present == (revisions().newest,):
        return "ok"
    return NEWER_TABLES if _unknown(present) else OLDER_TABLES


def revision_of_a_newer_version() -> str | None:
    """The database's revision, where this version does not know it."""
    return _unknown(_present())


def _unknown(present: Sequence[str]) -> str | None:
    return next((revision for revision in present if revision not in revisions().known), None)


@dataclass(frozen=True)
class Revisions:
    """Those of the version that this process runs, whatever is installed meanwhile."""

    newest: str
    known: frozenset[str]


@cache
def revisions() -> Revisions:
    """Told by the names of their files: reading all migrations takes longer than everything else of a start."""
    found = Path(migrate.directory, "versions").glob("[0-9]*.py")
    known = frozenset(path.name.partition("_")[0] for path in found)
    return Revisions(max(known), known)


def is_up_to_date() -> bool:
    """Whether the tables and their triggers are those of this version."""
    with only_reading(), db.engine.connect() as connection:
        return _heads(connection) == (revisions().newest,) and is_protected(connection)


def _present() -> tuple[str, ...]:
    with only_reading(), db.engine.begin() as connection:
        return _heads(connection)


def _heads(connection: Connection) -> tuple[str, ...]:
    if not inspect(connection).has_table(VERSIONS.name):
        return ()
    return tuple(connection.scalars(select(VERSIONS.c.version_num)))


def _queue(server: Redis) -> str:
    server.ping()
    return "ok"


def _workers(latest: LatestHeartbeats) -> str:
    looked_at = {queue for worker in latest.workers for queue in worker.queues}
    missing = [queue for queue in queues.QUEUES if queue not in looked_at]
    return f"no worker looks at {', '.join(missing)}" if missing else "ok"


def _heartbeat_state(latest: LatestHeartbeats, name: str, within: timedelta) -> str:
    last_heartbeat_at = latest.last_of(name)
    if last_heartbeat_at is None:
        return "not heard of"
    silent = latest.now - last_heartbeat_at
    return "ok" if silent <= within else f"silent for {silent.total_seconds():.0f} s"
