"""From a commit to the queues: wake-ups that a transaction asked for are sent once it has committed.

The business notes them in `session.info`: "wake", queue names; "alarms", (instant, queue) pairs. A lost wake-up only
delays: the row is the truth, and the sweep looks every 15 seconds.
"""

from collections.abc import Set
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from redis import Redis, RedisError
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from app.infrastructure.database import db
from app.infrastructure.messaging.queues import wake
from app.infrastructure.messaging.scheduler import arm
from app.infrastructure.redis_connection import connect
from app.settings import Settings

log = structlog.get_logger(__name__)

_servers: WeakKeyDictionary[Engine, Redis] = WeakKeyDictionary()


def init_app(app: Any, settings: Settings) -> None:
    """Let commits to the application's database wake the queues of its queue server."""
    with app.app_context():
        _servers[db.engine] = connect(settings)


def server() -> Redis:
    """The queue server of the active application."""
    return _servers[db.engine]


@event.listens_for(db.session, "after_commit")
def _send_wakeups(session: Session) -> None:
    # SQLAlchemy calls this when a savepoint is released, too: nothing has committed yet.
    if session.in_nested_transaction():
        return
    wakeups, alarms = session.info.pop("wake", set()), session.info.pop("alarms", set())
    if wakeups or alarms:
        send(server(), wakeups, alarms, datetime.now(UTC))


@event.listens_for(db.session, "after_rollback")
def _forget_wakeups(session: Session) -> None:
    # What a rolled back savepoint asked for stays: one wake-up too many harms nothing, one too few delays.
    if not session.in_nested_transaction():
        session.info.pop("wake", None)
        session.info.pop("alarms", None)


def send(connection: Redis, wakeups: Set[str], alarms: Set[tuple[datetime, str]], now: datetime) -> None:
    """Wake the queues of `wakeups` and of due alarms; schedule the rest. A fault of the server is only logged."""
    later = {alarm for alarm in alarms if alarm[0] > now}
    due = wakeups | {queue for _instant, queue in alarms - later}
    try:
        if due:
            wake(connection, due)
        if later:
            arm(connection, later)
    except RedisError as error:
        log.warning("queue_server_away", error=str(error), wake=sorted(due), alarms=len(later))
