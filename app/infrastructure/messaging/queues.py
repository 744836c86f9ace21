"""Queue names, the only jobs that may run, and the wake-up jobs.

A job carries no work: the row in the database is the truth. So a wake-up job may be lost, repeated or late, and many
of them for one queue are as good as one.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from redis import Redis
from redis.client import Pipeline
from rq import Queue
from rq.exceptions import DeserializationError
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from app.business.automation.services.runs.opening import DUE_QUEUE, LONG_QUEUE, MANUAL_QUEUE
from app.business.events import EVENTS_QUEUE
from app.business.outlets.services.outgoing import DELIVERIES_QUEUE

CLOCK_QUEUE = "clock"
CLOCK_WORKER_QUEUES = (CLOCK_QUEUE, DUE_QUEUE, MANUAL_QUEUE, EVENTS_QUEUE)
"""In this order: the clock never waits behind people, people never behind imports."""
STEP_WORKER_QUEUES = (DELIVERIES_QUEUE, LONG_QUEUE)
"""Messages that leave come before runs, which may take long."""
QUEUES = CLOCK_WORKER_QUEUES + STEP_WORKER_QUEUES

TASKS = "app.infrastructure.messaging.automation_tasks"
EXECUTE_RULES = f"{TASKS}.execute_scheduled_automation_rules"
REPLENISH = f"{TASKS}.replenish_monthly_credits"
SWEEP = f"{TASKS}.sweep"
DRAIN = f"{TASKS}.drain"
ALLOWED = frozenset({EXECUTE_RULES, REPLENISH, SWEEP, DRAIN})

SHORT_SECONDS = 15 * 60
LONG_SECONDS = 6 * 3600
"""Last resorts: units have their own time limits, and a drain begins nothing new after a few seconds."""
KEPT_FIELDS = frozenset(
    [
        "data",
        "created_at",
        "origin",
        "description",
        "enqueued_at",
        "timeout",
        "result_ttl",
        "failure_ttl",
        "status",
        "meta",
    ]
)

log = structlog.get_logger(__name__)


class ForeignJob(Exception):
    """A job in our queues that is not one of ours."""


class AllowedJob(Job):
    """A job as JSON that can name only our four functions, with a queue name as its one possible argument."""

    def __init__(
        self, id: str | None = None, connection: Redis | None = None, serializer: type | None = None
    ) -> None:
        super().__init__(id, connection, JSONSerializer)

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Read only what we write: no callbacks, webhooks, dependencies or class names."""
        super().restore(
            {key: value for key, value in raw_data.items() if key.decode(errors="replace") in KEPT_FIELDS}
        )

    def perform(self) -> Any:
        """Run the function. Raises ForeignJob, after a security event in the log, for anything not allowed."""
        if not self._is_ours():
            log.error("foreign_job_refused", security=True, job=self.id, queue=self.origin)
            raise ForeignJob(self.id)
        return super().perform()

    def _is_ours(self) -> bool:
        try:
            name, instance, arguments, named = self.func_name, self.instance, self.args, self.kwargs
        except DeserializationError:
            return False
        expects = [(queue,) for queue in QUEUES] if name == DRAIN else [()]
        return name in ALLOWED and instance is None and not named and tuple(arguments) in expects


class AllowedQueue(Queue):
    job_class = AllowedJob

    def __init__(self, name: str, connection: Redis, **options: Any) -> None:
        super().__init__(
            name, connection, **(options | {"job_class": AllowedJob, "serializer": JSONSerializer})
        )

    @classmethod
    def lmove(cls, connection: Redis, queue_key: str, timeout: int | None) -> Any:
        # RQ moves the job of a single queue to a second list until it has begun; losing a wake-up job is harmless.
        return cls.lpop([queue_key], timeout, connection=connection)


def push(pipeline: Pipeline, connection: Redis, job: Job, queue: str) -> None:
    """Queue `job` once: one still waiting is replaced, one that has begun is followed by another."""
    # RQ's own enqueue asks several questions first and so does not fit into one transaction.
    target = AllowedQueue(queue, connection)
    job.origin, job.enqueued_at = queue, datetime.now(UTC)
    job.set_status(JobStatus.QUEUED, pipeline=pipeline)
    job.save(pipeline=pipeline)
    pipeline.sadd(target.redis_queues_keys, target.key)
    pipeline.lrem(target.key, 0, job.id)
    target.push_job_id(job.id, pipeline=pipeline)


def drain_job(connection: Redis, queue: str, id: str | None = None) -> Job:
    """The wake-up job of `queue`. Its hash is never deleted: another one may be queued while one is executing."""
    return AllowedJob.create(
        DRAIN,
        args=(queue,),
        id=id or f"drain-{queue}",
        connection=connection,
        origin=queue,
        timeout=LONG_SECONDS if queue in STEP_WORKER_QUEUES else SHORT_SECONDS,
        result_ttl=-1,
        description=f"look at {queue}",
    )


def wake(connection: Redis, queues: Iterable[str]) -> None:
    """Queue one wake-up job for each of the queues, in a single round trip."""
    with connection.pipeline() as pipeline:
        for queue in sorted(set(queues)):
            push(pipeline, connection, drain_job(connection, queue), queue)
        pipeline.execute()


def waiting_jobs(connection: Redis) -> dict[str, int]:
    """The number of waiting jobs by queue."""
    with connection.pipeline(transaction=False) as pipeline:
        for queue in QUEUES:
            pipeline.llen(AllowedQueue(queue, connection).key)
        return dict(zip(QUEUES, pipeline.execute(), strict=True))
