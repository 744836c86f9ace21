"""Workers perform jobs with few commands, survive bad ones, and stop gracefully."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from redis import Redis

from app.infrastructure.messaging import automation_tasks, heartbeats, queues, worker
from app.infrastructure.messaging.engine import utc_now
from app.infrastructure.messaging.queues import waiting_jobs, wake
from app.infrastructure.messaging.worker import ClockWorker, StepWorker
from tests.processes import eventually, title_of


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queues that were worked on; the work itself is tested elsewhere."""
    seen: list[str] = []
    monkeypatch.setattr(automation_tasks, "drain", seen.append)
    return seen


@pytest.fixture
def clock_worker(app: Flask, valkey: Redis) -> Iterator[ClockWorker]:
    with app.app_context():
        yield ClockWorker(queues.CLOCK_WORKER_QUEUES, valkey)


def questions(valkey: Redis) -> int:
    return int(valkey.info("stats")["total_commands_processed"])


def test_the_clock_worker_takes_its_queues_in_their_order(
    clock_worker: ClockWorker, valkey: Redis, looked_at: list[str]
) -> None:
    wake(valkey, ["events", "manual", "due"])
    clock_worker.work(burst=True)
    assert looked_at == ["due", "manual", "events"]
    assert sum(waiting_jobs(valkey).values()) == 0


def test_a_job_costs_few_commands(clock_worker: ClockWorker, valkey: Redis, looked_at: list[str]) -> None:
    wake(valkey, ["due"])
    clock_worker.work(burst=True)
    for second in range(50):
        job = queues.drain_job(valkey, "due", f"drain-due-{second}")
        with valkey.pipeline() as pipeline:
            queues.push(pipeline, valkey, job, "due")
            pipeline.execute()
    before = questions(valkey)
    clock_worker.work(burst=True)
    assert len(looked_at) == 51
    assert questions(valkey) - before < 50 * 3 + 60


def test_a_failing_job_stops_nobody(
    clock_worker: ClockWorker, valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def drain(queue: str) -> None:
        seen.append(queue)
        raise RuntimeError("no")

    monkeypatch.setattr(automation_tasks, "drain", drain)
    wake(valkey, ["due", "manual"])
    clock_worker.work(burst=True)
    assert seen == ["due", "manual"]


def test_a_foreign_job_is_skipped(clock_worker: ClockWorker, valkey: Redis, looked_at: list[str]) -> None:
    valkey.hset("rq:job:intruder", mapping={"data": b'["os.system", null, ["true"], {}]', "origin": "clock"})
    valkey.rpush("rq:queue:clock", "intruder", "gone")
    wake(valkey, ["due"])
    clock_worker.work(burst=True)
    assert looked_at == ["due"]


def test_a_worker_is_known_again_after_the_server_was_flushed(
    clock_worker: ClockWorker, valkey: Redis, looked_at: list[str]
) -> None:
    clock_worker.bootstrap()
    valkey.flushall()
    clock_worker.heartbeat()
    (state,) = heartbeats.workers(valkey, utc_now())
    assert (state.pid, state.queues) == (os.getpid(), queues.CLOCK_WORKER_QUEUES)
    clock_worker.register_death()
    assert heartbeats.workers(valkey, utc_now()) == []


@pytest.mark.both_databases
def test_a_step_worker_works_in_a_child_process(
    app: Flask, valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drain(queue: str) -> None:
        valkey.set("looked-at", f"{queue} {os.getpid()} {os.getppid()}")

    monkeypatch.setattr(automation_tasks, "drain", drain)
    with app.app_context():
        wake(valkey, ["long"])
        StepWorker(queues.STEP_WORKER_QUEUES, valkey).work(burst=True)
    queue, child, parent = valkey.get("looked-at").decode().split()
    assert (queue, int(parent)) == ("long", os.getpid())
    assert int(child) != os.getpid()


def test_a_child_goes_on_with_what_comes_soon(
    app: Flask, valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has loaded and compiled serves the next job too."""

    def drain(queue: str) -> None:
        valkey.rpush("looked-at", f"{queue} {os.getpid()}")
        if valkey.llen("looked-at") < 3:
            wake(valkey, ["deliveries" if queue == "long" else "long"])

    monkeypatch.setattr(automation_tasks, "drain", drain)
    with app.app_context():
        wake(valkey, ["long"])
        StepWorker(queues.STEP_WORKER_QUEUES, valkey).work(burst=True)
    looks = [look.decode().split() for look in valkey.lrange("looked-at", 0, -1)]
    assert [queue for queue, _ in looks] == ["long", "deliveries", "long"]
    assert len({child for _, child in looks}) == 1


def test_a_work_horse_names_its_parent(
    app: Flask, valkey: Redis, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    monkeypatch.setattr(automation_tasks, "drain", lambda _queue: said.write_text(title_of(os.getpid())))
    with app.app_context():
        wake(valkey, ["long"])
        StepWorker(queues.STEP_WORKER_QUEUES, valkey).work(burst=True)
    assert said.read_text() == "igny8: work horse of a step worker, for queue long"


def test_the_first_stop_signal_asks_to_hand_back(clock_worker: ClockWorker, monkeypatch: Any) -> None:
    try:
        clock_worker.handle_warm_shutdown_request()
        assert worker.draining.is_set()
    finally:
        worker.draining.clear()


@contextmanager
def stopping() -> Iterator[None]:
    """The worker installs signal handlers and sets a flag of this process: both as before afterwards."""
    before = [signal.getsignal(number) for number in worker.STOP_SIGNALS]
    try:
        yield
    finally:
        worker.draining.clear()
        for number, handler in zip(worker.STOP_SIGNALS, before, strict=True):
            signal.signal(number, handler)


def stop_parent() -> None:
    os.kill(os.getppid(), signal.SIGTERM)


def test_a_step_worker_that_is_told_to_stop_lets_its_child_hand_back(
    app: Flask, valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drain(queue: str) -> None:
        stop_parent()
        eventually(worker.draining.is_set, within=10)
        valkey.set("handed-back", queue)

    monkeypatch.setattr(automation_tasks, "drain", drain)
    with stopping(), app.app_context():
        wake(valkey, ["long"])
        StepWorker(queues.STEP_WORKER_QUEUES, valkey).work()
    assert valkey.get("handed-back") == b"long"


def test_a_stop_signal_while_the_worker_appears_ends_it(
    app: Flask, valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes when our handler is in place and RQ's is not yet; one is enough."""
    appear = ClockWorker.bootstrap

    def appear_and_be_stopped(self: ClockWorker, *options: Any) -> None:
        appear(self, *options)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(ClockWorker, "bootstrap", appear_and_be_stopped)
    second_signal = threading.Timer(8, os.kill, (os.getpid(), signal.SIGTERM))
    with stopping(), app.app_context():
        second_signal.start()
        worker.run_clock_worker(lambda: valkey)
        was_needed = not second_signal.is_alive()
        second_signal.cancel()
    assert not was_needed


@contextmanager
def another_thread() -> Iterator[None]:
    """Signals to the process may be taken by it, whatever the main thread has masked."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


@pytest.mark.parametrize("company", [nullcontext, another_thread])
def test_a_stop_signal_in_the_middle_of_the_fork_reaches_the_child(
    app: Flask, valkey: Redis, monkeypatch: pytest.MonkeyPatch, company: Any
) -> None:
    def drain(queue: str) -> None:
        eventually(worker.draining.is_set, within=10)
        valkey.set("handed-back", queue)

    def first_act_of_the_child() -> None:
        stop_parent()
        leave_group()

    def fork_and_look_away() -> int:
        child = fork()
        if child and company is another_thread:
            # The signal comes before the worker has noted its child.
            eventually(worker.draining.is_set, within=10)
        return child

    leave_group, fork = os.setpgrp, os.fork
    monkeypatch.setattr(os, "setpgrp", first_act_of_the_child)
    monkeypatch.setattr(os, "fork", fork_and_look_away)
    monkeypatch.setattr(automation_tasks, "drain", drain)
    with stopping(), company(), app.app_context():
        wake(valkey, ["long"])
        StepWorker(queues.STEP_WORKER_QUEUES, valkey).work()
    assert valkey.get("handed-back") == b"long"
