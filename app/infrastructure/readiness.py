"""Is everything there that requests and runs need? Each check is named and answers `ok` or what is wrong."""

import logging
from collections.abc import Callable, Mapping

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from redis import Redis, RedisError
from sqlalchemy.exc import SQLAlchemyError

from app.infrastructure.database import db, migrate
from app.settings import Settings

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 2


def check_readiness(settings: Settings) -> Mapping[str, str]:
    """State by check: database, migrations, queue. Details go to the log, never to whoever asks."""
    checks: dict[str, Callable[[], str]] = {
        "database": _database,
        "migrations": _migrations,
        "queue": lambda: _queue(settings),
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
    if not settings.redis_url:
        return "no REDIS_URL"
    with Redis.from_url(
        settings.redis_url, socket_connect_timeout=PATIENCE_SECONDS, socket_timeout=PATIENCE_SECONDS
    ) as connection:
        connection.ping()
    return "ok"
