"""Is everything there that requests and runs need? Each check is named and answers `ok` or what is wrong."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from app.infrastructure.database import db, migrate
from app.infrastructure.messaging import heartbeats, queues
from app.infrastructure.redis_connection import connect
from app.settings import Settings

log = logging.getLogger(__name__)

SCHEDULER_SILENCE = timedelta(seconds=5)
SWEEP_SILENCE = timedelta(seconds=60)


def check_readiness(settings: Settings) -> Mapping[str, str]:
    """State by check: database, migrations, queue, scheduler, sweep, workers.

    Details go to the log, never to whoever asks.
    """
    checks: dict[str, Callable[[], str]] = {
        "database": _database,
        "migrations": _migrations,
        "queue": lambda: _queue(settings),
        "scheduler": lambda: _heard(settings, heartbeats.SCHEDULER, SCHEDULER_SILENCE),
        "sweep": lambda: _heard(settings, heartbeats.SWEEP, SWEEP_SILENCE),
        "workers": lambda: _workers(settings),
    }
    return {name: _state(name, check) for name, check in checks.items()}


def _state(name: str, check: Callable[[], str]) -> str:
    try:
        return check()
    except (SQLAlchemyError, RedisError, OSError) as error:
        log.warning("not ready: %s: %s", name, error)
        return "does not answer"


def _database() -> str:
    with db.engine.connect():
        return "ok"


def _migrations() -> str:
    wanted = ScriptDirectory.from_config(migrate.get_config()).get_heads()
    with db.engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_heads()
    return "ok" if set(present) == set(wanted) else "the database needs `flask --app wsgi db upgrade`"


def _queue(settings: Settings) -> str:
    with connect(settings) as connection:
        connection.ping()
    return "ok"


def _workers(settings: Settings) -> str:
    with connect(settings) as connection:
        heard = heartbeats.workers(connection, datetime.now(UTC))
    looked_at = {queue for worker in heard for queue in worker.queues}
    missing = [queue for queue in queues.QUEUES if queue not in looked_at]
    return f"no worker looks at {', '.join(missing)}" if missing else "ok"


def _heard(settings: Settings, name: str, within: timedelta) -> str:
    with connect(settings) as connection:
        heard_at = heartbeats.heard_at(connection, name)
    if heard_at is None:
        return "not heard of"
    silent = datetime.now(UTC) - heard_at
    return "ok" if silent <= within else f"silent for {silent.total_seconds():.0f} s"
