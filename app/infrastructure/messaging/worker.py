"""Workers: the clock worker does not fork, step workers fork for the jobs of a moment.

Both are RQ's, without its bookkeeping.

RQ keeps states, executions and results of every job in the queue server, at some twenty round trips each. Our jobs
are wake-ups whose loss costs nothing and whose work is recorded in the database, so a job costs two round trips,
and one more each second is the worker's heartbeat.
"""

import gc
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from redis import Redis, RedisError
from redis.client import Pipeline
from rq import Queue, SimpleWorker, Worker
from rq import worker_registration as registration
from rq.exceptions import DequeueTimeout, StopRequested
from rq.job import Job
from rq.timeouts import HorseMonitorTimeoutException, JobTimeoutException
from rq.worker import BaseWorker, WorkerStatus

from app.infrastructure import ai
from app.infrastructure.database import db, trusted_seconds
from app.infrastructure.messaging import queues
from app.infrastructure.messaging.queues import AllowedJob, AllowedQueue
from app.infrastructure.process_life import die_with_parent, set_title, title
from app.settings import load_settings

WORKER_TTL_SECONDS = 20
"""RQ waits for a job this long less 15 seconds, and sends a heartbeat in between."""
HEARTBEAT_EVERY = timedelta(seconds=1)
LONGEST_PAUSE_SECONDS = 2.0
TRUSTED_SECONDS = 1.0
"""A drain has many transactions, and what it does is done again if the connection turns out to be cut."""
HORSE_SECONDS, SOON_SECONDS = 10.0, 1
"""How long a child goes on with new jobs, and waits for one: then the memory that it took is freed."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

draining = threading.Event()
"""Set when this process must end: no new run is begun, the present one is handed back before its next unit."""

log = structlog.get_logger(__name__)


class WakeupWorker(BaseWorker):
    """What both workers share: few round trips, quick recovery, and a graceful end."""

    max_connection_wait_time = LONGEST_PAUSE_SECONDS
    queue_class: type[Queue] = AllowedQueue
    job_class: type[Job] = AllowedJob
    kind = ""

    def __init__(self, queue_names: Sequence[str], connection: Redis) -> None:
        name = f"{self.kind}-{socket.gethostname()}-{os.getpid()}-{time.time_ns():x}"
        super().__init__(
            [AllowedQueue(queue, connection) for queue in queue_names],
            name=name,
            connection=connection,
            worker_ttl=WORKER_TTL_SECONDS,
            log_job_description=False,
        )
        self.last_heartbeat_sent_at = datetime.min.replace(tzinfo=UTC)

    def bootstrap(self, *_log_options: Any) -> None:
        """Register. RQ's own log handlers and its channel for remote commands stay off."""
        self.register_birth()  # type: ignore[no-untyped-call]
        self.set_state(WorkerStatus.STARTED)

    def procline(self, message: str) -> None:
        """RQ would rename the process at each step; its title names the worker instead."""

    def check_for_suspension(self, burst: bool) -> None:
        """Called before each job. Pausing is the account's switch, not the queue's, but a stop must not be missed.

        RQ's loop knows only signals that arrive after it has begun, and raises this in the middle of whatever
        runs just then, which may swallow it.
        """
        if draining.is_set():
            raise StopRequested

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        """Keep it; the next heartbeat sends it."""
        self._state = state

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """At most once a second send everything about this worker, so that a flushed server knows it again."""
        now = datetime.now(UTC)
        if now - self.last_heartbeat_sent_at < HEARTBEAT_EVERY:
            return
        self.last_heartbeat = self.last_heartbeat_sent_at = now
        with self.connection.pipeline(transaction=False) as pipe:
            pipe.hset(self.key, mapping=self.serialize() | {"state": str(self._state)})
            pipe.expire(self.key, timeout or self.worker_ttl + 60)
            registration.register(self, pipe)
            pipe.execute()

    def set_shutdown_requested_date(self) -> None:
        """Not used."""

    def handle_warm_shutdown_request(self) -> None:
        """First SIGTERM or SIGINT: hand back the run in progress."""
        draining.set()

    def perform_logged(self, job: Job) -> None:
        """Perform one job; any failure is logged, and the worker goes on."""
        timeout = job.timeout or queues.SHORT_SECONDS
        with structlog.contextvars.bound_contextvars(job=job.id):
            try:
                with self.death_penalty_class(timeout, JobTimeoutException, job_id=job.id):
                    job.perform()
            except Exception:
                log.exception("job_failed", queue=job.origin)
            finally:
                db.session.remove()


class ClockWorker(WakeupWorker, SimpleWorker):
    """Executes in its own process, so that nothing that is due waits for a fork or an AI service."""

    kind = "clock"

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Execute the job."""
        self.set_state(WorkerStatus.BUSY)
        self.perform_logged(job)
        self.set_state(WorkerStatus.IDLE)


class StepWorker(WakeupWorker, Worker):
    """Forks for the jobs of a moment: memory used by a provider call or by clustering is freed with the child."""

    kind = "step"

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Fork, and monitor the child to its end."""
        self.set_state(WorkerStatus.BUSY)
        self.fork_work_horse(job, queue)
        ended = False
        while not ended:
            ended = self._watch()
        self._horse_pid = 0
        self.set_state(WorkerStatus.IDLE)

    def _watch(self) -> bool:
        try:
            with self.death_penalty_class(
                int(HEARTBEAT_EVERY.total_seconds()) * 5, HorseMonitorTimeoutException
            ):
                _pid, status, _usage = self.wait_for_horse()
        except HorseMonitorTimeoutException:
            self._send_heartbeat()
            return False
        if status:
            log.error("work_horse_died", status=status)
        return True

    def _send_heartbeat(self) -> None:
        try:
            self.heartbeat()
        except RedisError as error:
            log.warning("queue_server_away", error=str(error))

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Fork. A stop signal waits until the parent knows its child and the child handles the signal."""
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            super().fork_work_horse(job, queue)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        if draining.is_set():
            # A mask holds for one thread: another one may have taken the signal before the child was known.
            self.kill_horse(signal.SIGTERM)

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        """In the child. Connections of the parent are not used, and the child never outlives the parent."""
        die_with_parent(self.pid or 0)
        set_title(f"work horse of {title() or 'a step worker'}, for queue {queue.name}")
        db.engine.dispose(close=False)
        self.setup_work_horse_signals()
        self._is_horse = True
        self.perform_logged(job)
        self._perform_what_comes_soon()
        os._exit(0)

    def _perform_what_comes_soon(self) -> None:
        """Further jobs, one after the other: a child for each would begin by compiling the same statements."""
        until = time.monotonic() + HORSE_SECONDS
        while not draining.is_set() and time.monotonic() < until:
            try:
                found = self.queue_class.dequeue_any(
                    self.queues, SOON_SECONDS, self.connection, self.job_class, self.serializer
                )
            except (DequeueTimeout, RedisError):
                return
            if found:
                self.perform_logged(found[0])

    def setup_work_horse_signals(self) -> None:
        """SIGTERM, from the parent, means drain; Ctrl-C is handled by the parent."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda _signal, _frame: draining.set())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def kill_horse(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """Signal the child by its own id: until it has a group of its own, its group is ours."""
        if self.horse_pid:
            with suppress(ProcessLookupError):
                os.kill(self.horse_pid, sig)

    def handle_warm_shutdown_request(self) -> None:
        """Hand back the run that the child executes."""
        super().handle_warm_shutdown_request()
        self.kill_horse(signal.SIGTERM)


def run_clock_worker(connect: Callable[[], Redis]) -> None:
    """The clock worker process: until SIGTERM or SIGINT."""
    _work(lambda: ClockWorker(queues.CLOCK_WORKER_QUEUES, connect()))


def run_step_worker(connect: Callable[[], Redis]) -> None:
    """One step worker process: until SIGTERM or SIGINT."""
    _work(lambda: StepWorker(queues.STEP_WORKER_QUEUES, connect()))


def _work(make_worker: Callable[[], WakeupWorker]) -> None:
    """RQ's loop ends at any fault of the queue server; ours begins again until it is told to stop."""
    trusted_seconds.set(TRUSTED_SECONDS)
    # Imported now, not in the first run that is due, nor again in each child.
    ai.load_client(load_settings())
    # Kept from the collector: to look at what is loaded by now takes a fifth of a second, and copies it in a child.
    gc.freeze()
    # The rows of a set are thousands of objects that live for milliseconds: at the default of 700 they are looked
    # through again and again, which takes a twentieth of a burst.
    gc.set_threshold(20_000)
    for number in STOP_SIGNALS:
        signal.signal(number, lambda _signal, _frame: draining.set())
    # RQ's signal handlers stay after its loop has ended, and raise this while no job runs.
    with suppress(StopRequested):
        while not draining.is_set():
            try:
                make_worker().work()
            except RedisError as error:
                log.warning("queue_server_away", error=str(error))
            if not draining.is_set():
                time.sleep(1)
