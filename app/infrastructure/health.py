"""The state of each part of the machinery for people: whether it works, its last heartbeat, and what to do if not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from redis import RedisError

from app.business.automation.services.runs.opening import LONG_QUEUE
from app.business.database_faults import FAULTS
from app.infrastructure.messaging import heartbeats, queues
from app.infrastructure.messaging.heartbeats import Audited, LatestHeartbeats, WorkerState
from app.infrastructure.readiness import (
    NEWER_TABLES,
    OLDER_TABLES,
    SCHEDULER_SILENCE,
    SWEEP_SILENCE,
    WAITS,
    check_readiness,
)
from app.infrastructure.redis_connection import QUICK_SECONDS, connect
from app.settings import Settings

BY_STATE = {fault.state: fault.advice for fault in FAULTS} | {
    NEWER_TABLES: "Start the version of the console that made them, or restore a backup from before it."
}
"""What to do where the state itself says what is wrong."""
SHOWN = {OLDER_TABLES: "Of an older version.", NEWER_TABLES: "Of a newer version."}
"""States that say what to do, or where, to programs; here the advice and the name of the part say so."""
LATER = "Planned runs start late until then; none is lost."
NAMES = {
    "database": ("Database", "Check that the database runs and that DATABASE_URL names it."),
    "migrations": ("Tables", "Stop the console, run “flask --app wsgi db upgrade”, and start it again."),
    "queue": ("Queue server", f"Start it, or check REDIS_URL. {LATER}"),
    "scheduler": ("Scheduler", f"Start “flask --app wsgi scheduler”, or everything with “up”. {LATER}"),
    "sweep": ("Sweep", "The clock worker sweeps every 15 seconds: look whether it runs."),
}
HEARTBEATS = (heartbeats.SCHEDULER, heartbeats.SWEEP)
SILENCE = {heartbeats.SCHEDULER: SCHEDULER_SILENCE, heartbeats.SWEEP: SWEEP_SILENCE}
HINT_SECONDS = 0.3
KINDS = (
    (queues.CLOCK_QUEUE, "Clock worker", f"Start “flask --app wsgi clock”, or everything with “up”. {LATER}"),
    (
        LONG_QUEUE,
        "Step workers",
        "Start “flask --app wsgi worker”. Runs that write or group wait for one.",
    ),
)


@dataclass(frozen=True)
class HealthCheck:
    """`state`: details, in words; `advice`: what to do, empty while all is well."""

    name: str
    is_well: bool
    state: str
    advice: str = ""
    last_heartbeat_at: datetime | None = None


@dataclass(frozen=True)
class Health:
    """The state of the whole machinery at one moment. depths: waiting jobs by queue."""

    parts: Sequence[HealthCheck]
    depths: dict[str, int]
    audited: Audited | None

    @property
    def is_well(self) -> bool:
        return all(part.is_well for part in self.parts)


def look(settings: Settings, now: datetime, *, answer_within: float = QUICK_SECONDS) -> Health:
    """Check every part. A queue server that does not answer within these seconds is one of the results, no error."""
    with connect(settings, answer_within=answer_within) as server:
        latest = LatestHeartbeats(server, now)
        states = check_readiness(server, latest)
        try:
            parts = [*_services(states, latest), *_workers(latest)]
            return Health(parts, queues.waiting_jobs(server), heartbeats.last_audit(server))
        except (RedisError, OSError):
            return Health(list(_services(states, None)), {}, None)


def silent_parts(settings: Settings, now: datetime) -> str:
    """A quick check for open pages: the parts without a recent heartbeat, for which `look` would find details."""
    try:
        with connect(settings, answer_within=HINT_SECONDS) as connection:
            heartbeat_at = {name: heartbeats.last_heartbeat_at(connection, name) for name in HEARTBEATS}
            queues_looked_at = {
                queue for worker in heartbeats.workers(connection, now) for queue in worker.queues
            }
    except (RedisError, OSError):
        return "queue"
    silent = [name for name, at in heartbeat_at.items() if at is None or now - at > SILENCE[name]]
    return " ".join([*silent, *(queue for queue, _, _ in KINDS if queue not in queues_looked_at)])


def _services(states: Mapping[str, str], latest: LatestHeartbeats | None) -> Iterator[HealthCheck]:
    for key, (name, advice) in NAMES.items():
        is_well = states[key] == "ok"
        last_heartbeat_at = latest.last_of(key) if latest and key in HEARTBEATS else None
        state = "" if is_well else SHOWN.get(states[key], f"{states[key][:1].upper()}{states[key][1:]}.")
        if is_well or states[key].startswith(WAITS):
            advice = ""
        elif key in ("database", "migrations"):
            advice = BY_STATE.get(states[key], advice)
        yield HealthCheck(name, is_well, state, advice, last_heartbeat_at)


def _workers(latest: LatestHeartbeats) -> Iterator[HealthCheck]:
    for queue, name, advice in KINDS:
        mine = [worker for worker in latest.workers if queue in worker.queues]
        state = f"{len(mine)} at work." if mine else "Not heard of for 30 seconds."
        yield HealthCheck(name, bool(mine), state, "" if mine else advice, _latest(mine))


def _latest(workers: Sequence[WorkerState]) -> datetime | None:
    return max((worker.last_heartbeat_at for worker in workers), default=None)
