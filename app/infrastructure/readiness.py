"""Whether everything is there that requests and runs need: each check is named and answers `ok` or what is wrong."""

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from redis import Redis, RedisError
from sqlalchemy import Connection, text
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
PRESENT_TABLES = text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")

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
    """Whether the database can be written: most of its faults leave it readable."""
    with hardly_waiting(), db.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("SELECT 1"))
            _write_beside(db.engine.url.database)
        else:
            connection.execute(text("SET LOCAL work_mem = '64kB'"))
            connection.execute(SPILLED)
            if connection.scalar(text("SHOW transaction_read_only")) == "on":
                return READ_ONLY.state
            _lock_tables(connection)
    return "ok"


def _lock_tables(connection: Connection) -> None:
    """Take the lock of every write on every table: PostgreSQL locks single tables, and the others stay usable."""
    present, prepare = set(connection.scalars(PRESENT_TABLES)), connection.dialect.identifier_preparer
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
    if {*present} == _revisions().newest:
        return "ok"
    return NEWER_TABLES if _unknown(present) else OLDER_TABLES


def revision_of_a_newer_version() -> str | None:
    """The database's revision, where this version does not know it."""
    return _unknown(_present())


def _unknown(revisions: Sequence[str]) -> str | None:
    return next((revision for revision in revisions if revision not in _revisions().known), None)


@dataclass(frozen=True)
class Revisions:
    """Those of the version that this process runs, whatever is installed meanwhile."""

    newest: frozenset[str]
    known: frozenset[str]


@cache
def _revisions() -> Revisions:
    """Read once: compiling every migration takes longer than all other checks."""
    scripts = ScriptDirectory.from_config(migrate.get_config())
    known = frozenset(script.revision for script in scripts.walk_revisions())
    return Revisions(frozenset(scripts.get_heads()), known)


def is_up_to_date() -> bool:
    """Whether the tables and their triggers are those of this version."""
    with only_reading(), db.engine.connect() as connection:
        return _heads(connection) == (newest_revision(),) and is_protected(connection)


def newest_revision() -> str:
    """Told by its file's name: reading all migrations takes longer than everything else of a start."""
    return max(path.name.partition("_")[0] for path in Path(migrate.directory, "versions").glob("[0-9]*.py"))


def _present() -> tuple[str, ...]:
    with only_reading(), db.engine.connect() as connection:
        return _heads(connection)


def _heads(connection: Connection) -> tuple[str, ...]:
    return MigrationContext.configure(connection).get_current_heads()


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
