"""Wake-up jobs: many are one, none is lost while another is performed, and only ours are ever performed."""

import json
import pickle
import zlib

import pytest
import structlog
from redis import Redis
from rq import Queue
from rq.job import Job

from app.infrastructure.messaging import queues
from app.infrastructure.messaging.queues import AllowedJob, AllowedQueue, ForeignJob, wake


def take(valkey: Redis, queue: str) -> AllowedJob:
    found = AllowedQueue.dequeue_any([AllowedQueue(queue, valkey)], None, valkey, job_class=AllowedJob)
    assert found is not None
    assert isinstance(found[0], AllowedJob)
    return found[0]


def test_many_wake_ups_of_one_queue_are_one_job(valkey: Redis) -> None:
    for _ in range(3):
        wake(valkey, ["due", "events", "due"])
    assert queues.waiting_jobs(valkey) == {
        "clock": 0,
        "due": 1,
        "manual": 0,
        "events": 1,
        "deliveries": 0,
        "long": 0,
    }


def test_a_wake_up_during_a_job_queues_another_job(valkey: Redis) -> None:
    wake(valkey, ["due"])
    being_worked_on = take(valkey, "due")
    wake(valkey, ["due"])
    assert being_worked_on.id == take(valkey, "due").id == "drain-due"


def test_a_wake_up_job_names_its_queue_and_nothing_else(valkey: Redis) -> None:
    wake(valkey, ["long"])
    job = take(valkey, "long")
    assert (job.func_name, tuple(job.args), job.kwargs) == (queues.DRAIN, ("long",), {})


def test_an_empty_wake_up_sends_no_command(valkey: Redis) -> None:
    wake(valkey, [])
    assert valkey.keys("*") == []


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(["os.system", None, ["true"], {}]).encode(),
        json.dumps([queues.DRAIN, None, ["somewhere-else"], {}]).encode(),
        json.dumps([queues.SWEEP, None, ["due"], {}]).encode(),
        json.dumps([queues.DRAIN, None, ["due"], {"more": 1}]).encode(),
        pickle.dumps(("os.system", None, ("true",), {})),
        b"[]",
    ],
)
def test_a_foreign_job_is_refused_and_logged_as_a_security_event(valkey: Redis, data: bytes) -> None:
    valkey.hset("rq:job:intruder", mapping={"data": zlib.compress(data), "origin": "due"})
    valkey.rpush(AllowedQueue("due", valkey).key, "intruder")
    with structlog.testing.capture_logs() as events, pytest.raises(ForeignJob):
        take(valkey, "due").perform()
    assert [(event["event"], event["security"]) for event in events] == [("foreign_job_refused", True)]


def test_callbacks_and_webhooks_added_to_a_job_are_ignored(valkey: Redis) -> None:
    wake(valkey, ["due"])
    hooks = json.dumps([{"url": "http://127.0.0.1:1/", "statuses": ["finished"]}])
    valkey.hset("rq:job:drain-due", mapping={"success_callback_name": "os.getcwd", "webhooks": hooks})
    job = take(valkey, "due")
    assert (job.success_callback, job.webhooks) == (None, [])


def test_what_rq_enqueues_by_default_is_refused(valkey: Redis) -> None:
    job: Job = Queue("due", connection=valkey).enqueue("os.getcwd")
    assert job.id
    with pytest.raises(ForeignJob):
        take(valkey, "due").perform()
