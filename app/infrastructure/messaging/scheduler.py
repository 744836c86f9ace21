"""Our rq-scheduler: it recovers by itself, enqueues in one transaction, and any number of them may run.

Each method says what the library's loop lacks and why it matters. The jobs it enqueues are only wake-ups, so one too
many harms nothing; a recurring job must never be lost, and the loop must never end.
"""

import math
import os
import secrets
import signal
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import structlog
from redis import Redis, RedisError, ResponseError
from redis.client import Pipeline
from rq.job import Job
from rq_scheduler import Scheduler

from app.infrastructure.messaging import heartbeats, queues
from app.infrastructure.messaging.periodic import BY_ID, PERIODIC, Periodic
from app.infrastructure.messaging.queues import AllowedJob, AllowedQueue, drain_job, push

INTERVAL_SECONDS = 0.25
LOCK_MILLISECONDS = 2000
HEARTBEAT_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 5.0
ALARM_KEPT = timedelta(days=1)
QUARANTINE_KEY = "igny8:quarantined-entries"

HOLD_LOCK = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end
return redis.call('set', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
"""
RELEASE_LOCK = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"

log = structlog.get_logger(__name__)


class AutomationScheduler(Scheduler):  # type: ignore[misc]
    """One of possibly several schedulers; the one that holds the lock enqueues jobs."""

    job_class = AllowedJob
    queue_class = AllowedQueue

    def __init__(self, connection: Redis) -> None:
        super().__init__(connection=connection, queue_name=queues.CLOCK_QUEUE, interval=INTERVAL_SECONDS)
        self.token = secrets.token_hex(16)
        self.stopping = False
        self.last_heartbeat_sent_at = 0.0
        self._hold = connection.register_script(HOLD_LOCK)
        self._release = connection.register_script(RELEASE_LOCK)

    def acquire_lock(self) -> bool:
        """Take or renew the lock. It contains our token, so that only its holder can release it."""
        held = self._hold(keys=[self.scheduler_lock_key], args=[self.token, LOCK_MILLISECONDS])
        self._lock_acquired = bool(held)
        return self._lock_acquired

    def remove_lock(self) -> None:
        """Release the lock if it is still ours."""
        self._release(keys=[self.scheduler_lock_key], args=[self.token])
        self._lock_acquired = False

    def run(self, burst: bool = False) -> None:
        """Until stopped: keep the recurring jobs, enqueue what is due. No fault of the server ends it."""
        pause = self._interval
        started = False
        while not self.stopping:
            try:
                if not started:
                    self.begin()
                started = True
                self.pass_once()
                pause = self._interval
            except RedisError as error:
                log.warning("queue_server_away", error=str(error), retry_in=pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            if burst:
                return
            time.sleep(pause)
        self.end()

    def begin(self) -> None:
        """Register, remove recurring jobs that are no longer in the table, and apply the table's present form."""
        self.register_birth()
        for job in self.get_jobs():
            if _recurs(job) and job.id not in BY_ID:
                self.cancel(job)
        for entry in PERIODIC:
            # Jobs with an interval in seconds are due at once after a start, so that a restart finds its work.
            if entry.seconds or self._spec(entry) != entry.meta:
                self.register(entry)

    def end(self) -> None:
        """Unregister; the server may be gone already."""
        try:
            self.remove_lock()
            self.register_death()
        except RedisError as error:
            log.warning("queue_server_away", error=str(error))

    def pass_once(self) -> None:
        """One round: heartbeat, recurring jobs, and, for the holder of the lock, what is due."""
        now = datetime.now(UTC)
        if now.timestamp() - self.last_heartbeat_sent_at >= HEARTBEAT_SECONDS:
            heartbeats.record_heartbeat(self.connection, heartbeats.SCHEDULER, now)
            self.heartbeat()
            self.last_heartbeat_sent_at = now.timestamp()
        self.restore_missing()
        if self.acquire_lock():
            self.enqueue_jobs()

    def restore_missing(self) -> None:
        """Restore recurring jobs that are not scheduled: after a flush, an eviction, or a manual deletion."""
        scores = self.connection.zmscore(self.scheduled_jobs_key, [entry.id for entry in PERIODIC])
        for entry, score in zip(PERIODIC, scores, strict=True):
            if score is None:
                log.info("recurring_job_restored", job=entry.id)
                self.register(entry)

    def register(self, entry: Periodic) -> None:
        """Write the entry's job and its first time, replacing whatever was there before."""
        job = self._job_of(entry)
        first = entry.first_at(datetime.now(UTC))
        with self.connection.pipeline() as pipeline:
            pipeline.delete(job.key)
            job.save(pipeline=pipeline)
            pipeline.zadd(self.scheduled_jobs_key, {job.id: first.timestamp()})
            pipeline.execute()

    def enqueue_jobs(self) -> None:
        """Enqueue every entry that is due. An unreadable entry is quarantined and does not stop the others."""
        for raw in self.connection.zrangebyscore(self.scheduled_jobs_key, 0, time.time()):
            id = raw.decode(errors="replace")
            try:
                self.enqueue_job(AllowedJob.fetch(id, connection=self.connection))
            except ResponseError as error:
                self._quarantine(raw, error)
            except RedisError:
                raise
            except Exception as error:
                self._quarantine(raw, error)
            self.acquire_lock()

    def enqueue_job(self, job: Job) -> None:
        """Enqueue one entry in one transaction, so that no crash can come between.

        The order is safe even without a transaction: a recurring job's next time first, an alarm's removal last.
        """
        with self.connection.pipeline() as pipeline:
            if entry := BY_ID.get(job.id):
                self._schedule_next(pipeline, entry)
                push(pipeline, self.connection, self._job_of(entry), queues.CLOCK_QUEUE)
            else:
                push(pipeline, self.connection, job, job.origin)
                pipeline.zrem(self.scheduled_jobs_key, job.id)
            pipeline.execute()

    def _schedule_next(self, pipeline: Pipeline, entry: Periodic) -> None:
        next_at = entry.next_at(datetime.now(UTC))
        pipeline.zadd(self.scheduled_jobs_key, {entry.id: next_at.timestamp()})

    def _job_of(self, entry: Periodic) -> Job:
        # The library would write its jobs as pickle, read cron lines in the local zone, and set no time limit.
        return AllowedJob.create(
            entry.function,
            id=entry.id,
            connection=self.connection,
            origin=queues.CLOCK_QUEUE,
            timeout=queues.SHORT_SECONDS,
            result_ttl=-1,
            meta=entry.meta,
            description=entry.id,
        )

    def _spec(self, entry: Periodic) -> object:
        try:
            return AllowedJob.fetch(entry.id, connection=self.connection).meta
        except RedisError as error:
            if isinstance(error, ResponseError):
                return None
            raise
        except Exception:
            # Missing or unreadable: it is written again.
            return None

    def _quarantine(self, raw: bytes, error: Exception) -> None:
        log.error("scheduled_entry_quarantined", entry=repr(raw), error=f"{type(error).__name__}: {error}")
        with self.connection.pipeline() as pipeline:
            pipeline.zrem(self.scheduled_jobs_key, raw)
            pipeline.zadd(QUARANTINE_KEY, {raw: time.time()})
            pipeline.execute()


def _recurs(job: Job) -> bool:
    return "cron_string" in job.meta or "interval" in job.meta


def alarm_id(instant: datetime, queue: str) -> str:
    """The one job id of all alarms for this queue and second.

    Rounded up: a wake-up must not come before its row is due.
    """
    return f"drain-{queue}-{math.ceil(instant.timestamp())}"


def arm(connection: Redis, alarms: Iterable[tuple[datetime, str]]) -> None:
    """Schedule a wake-up of each queue at its instant: one entry for each second and queue, in a single round trip."""
    with connection.pipeline() as pipeline:
        for id, queue, second in sorted({(alarm_id(at, queue), queue, _second(at)) for at, queue in alarms}):
            job = drain_job(connection, queue, id)
            job.save(pipeline=pipeline)
            pipeline.expireat(job.key, second + ALARM_KEPT)
            pipeline.zadd(Scheduler.scheduled_jobs_key, {id: second.timestamp()})
        pipeline.execute()


def missing_alarms(connection: Redis, alarms: Iterable[tuple[datetime, str]]) -> set[tuple[datetime, str]]:
    """The alarms that are not scheduled, by one query."""
    wanted = list(alarms)
    if not wanted:
        return set()
    scores = connection.zmscore(Scheduler.scheduled_jobs_key, [alarm_id(*alarm) for alarm in wanted])
    return {alarm for alarm, score in zip(wanted, scores, strict=True) if score is None}


def run_scheduler(connection: Redis) -> None:
    """The scheduler process: until SIGTERM or SIGINT."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    scheduler = AutomationScheduler(connection)

    def stop(_signal: int, _frame: object) -> None:
        scheduler.stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    scheduler.run()


def _second(instant: datetime) -> datetime:
    return datetime.fromtimestamp(math.ceil(instant.timestamp()), UTC)
