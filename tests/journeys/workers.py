"""A scheduler, a clock worker and a step worker on the tests' own database and queue server."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from redis import Redis

from app.infrastructure.messaging import heartbeats
from app.settings import Settings
from tests.faults.fleet.processes import AS_SHIPPED, Fleet
from tests.processes import clean_environment, eventually
from tests.shared_clock import SharedClock


@contextmanager
def working(
    fork_server: "subprocess.Popen[str]",
    settings: Settings,
    valkey: Redis,
    folder: Path,
    clock: SharedClock | None = None,
    **values: str,
) -> Iterator[Fleet]:
    """They are at work for the length of the block. clock: their time · values: further settings of theirs."""
    environment = clean_environment(
        DATABASE_URL=settings.database_url,
        REDIS_URL=settings.redis_url,
        SECRET_KEY=settings.signing_key,
        DATA_DIR=str(settings.data_dir),
        TZ="Asia/Kathmandu",
        **values,
    )
    logs = folder / "logs"
    logs.mkdir()
    fleet = Fleet(fork_server, environment, logs, AS_SHIPPED, clock=str(clock.path) if clock else "")
    now = clock.now if clock else lambda: datetime.now(UTC)
    try:
        fleet.start_all({"scheduler": 1, "clock": 1, "worker": 1})
        eventually(lambda: heartbeats.last_heartbeat_at(valkey, heartbeats.SWEEP), within=120)
        eventually(lambda: len(heartbeats.workers(valkey, now())) == 2, within=60)
        yield fleet
    finally:
        fleet.stop_all()
