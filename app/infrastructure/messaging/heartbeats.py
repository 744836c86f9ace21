"""Heartbeats of the scheduler, the sweep and every worker in the queue server, read by the health page."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from redis import Redis
from rq.utils import as_text
from rq.worker import BaseWorker

SCHEDULER = "scheduler"
SWEEP = "sweep"
AUDIT_KEY = "igny8:audit"
SWEEPING_KEY = "igny8:sweeping-since"
KEPT_SECONDS = 3600
UNBROKEN_SECONDS = 60
"""A longer gap between two sweeps begins a new unbroken series."""
FRESH_WORKER = timedelta(seconds=30)


@dataclass(frozen=True)
class WorkerState:
    """One worker process as it last described itself."""

    name: str
    pid: int
    queues: tuple[str, ...]
    state: str
    last_heartbeat_at: datetime


@dataclass(frozen=True)
class Audited:
    """When the last audit ran, and each invariant that did not hold, as a sentence."""

    at: datetime
    broken: tuple[str, ...]


def record_heartbeat(connection: Redis, name: str, now: datetime) -> None:
    """Record that `name` is alive at `now`."""
    connection.set(_key(name), now.timestamp(), ex=KEPT_SECONDS)


def last_heartbeat_at(connection: Redis, name: str) -> datetime | None:
    """The last heartbeat of `name`; None when there was none within the last hour."""
    value = connection.get(_key(name))
    return datetime.fromtimestamp(float(value), UTC) if value else None


def note_sweep(connection: Redis, now: datetime) -> datetime:
    """Record a sweep at `now`; returns when the unbroken series of sweeps it belongs to began."""
    record_heartbeat(connection, SWEEP, now)
    connection.set(SWEEPING_KEY, now.timestamp(), ex=UNBROKEN_SECONDS, nx=True)
    connection.expire(SWEEPING_KEY, UNBROKEN_SECONDS)
    began = connection.get(SWEEPING_KEY)
    return datetime.fromtimestamp(float(began), UTC) if began else now


def note_audit(connection: Redis, broken: Sequence[str], now: datetime) -> None:
    """Record the last audit: which invariants did not hold."""
    connection.set(AUDIT_KEY, json.dumps({"at": now.isoformat(), "broken": list(broken)}))


def last_audit(connection: Redis) -> Audited | None:
    """The result of the last audit; None when there was none since the queue server was emptied."""
    value = connection.get(AUDIT_KEY)
    if not value:
        return None
    said = json.loads(value)
    return Audited(datetime.fromisoformat(said["at"]), tuple(said["broken"]))


def workers(connection: Redis, now: datetime) -> list[WorkerState]:
    """Workers with a heartbeat within 30 seconds, by name."""
    keys = sorted(as_text(key) for key in connection.smembers(BaseWorker.redis_workers_keys))
    with connection.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.hgetall(key)
        rows = pipeline.execute()
    states = [_state(key, row) for key, row in zip(keys, rows, strict=True) if row]
    return [state for state in states if now - state.last_heartbeat_at < FRESH_WORKER]


class LatestHeartbeats:
    """The heartbeats at one moment; each is read when it is first asked for, and once."""

    def __init__(self, connection: Redis, now: datetime) -> None:
        self.now = now
        self._connection = connection
        self._last: dict[str, datetime | None] = {}

    @cached_property
    def workers(self) -> list[WorkerState]:
        """Those whose heartbeat is fresh."""
        return workers(self._connection, self.now)

    def last_of(self, name: str) -> datetime | None:
        """The last one of this process; None: none is known."""
        if name not in self._last:
            self._last[name] = last_heartbeat_at(self._connection, name)
        return self._last[name]


def _state(key: str, row: dict[bytes, bytes]) -> WorkerState:
    values = {name.decode(): value.decode() for name, value in row.items()}
    return WorkerState(
        name=key.removeprefix(BaseWorker.redis_worker_namespace_prefix),
        pid=int(values.get("pid", 0)),
        queues=tuple(filter(None, values.get("queues", "").split(","))),
        state=values.get("state", ""),
        last_heartbeat_at=datetime.fromisoformat(values.get("last_heartbeat", "1970-01-01T00:00:00Z")),
    )


def _key(name: str) -> str:
    return f"igny8:heartbeat:{name}"
