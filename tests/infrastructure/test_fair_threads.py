"""Threads are shared by person, account and kind: a caller with many requests waits without a thread."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.infrastructure.fair_threads import Caller, FairThreads, ThreadBounds
from tests.processes import eventually

BOUNDS = ThreadBounds(threads=8, changes=6, waiting=20, waiting_seconds=1000)


class Asked:
    """A request as the server hands it over."""

    def __init__(self, who: str, command: str, path: str) -> None:
        self.headers, self.command, self.path = {"WHO": who}, command, path
        self.error: Any = None


@dataclass
class Slow:
    """A request that is answered when it may be."""

    who: str
    command: str = "GET"
    path: str = "/keywords"
    addr: tuple[str, int] = ("127.0.0.1", 1)
    begun: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)
    refusal: Any = None
    cancelled: bool = False

    def __post_init__(self) -> None:
        self.requests = [Asked(self.who, self.command, self.path)]

    def service(self) -> None:
        self.refusal = self.requests[0].error
        self.begun.set()
        if not self.refusal:
            self.may_end.wait(20)

    def cancel(self) -> None:
        self.cancelled = True


def caller(headers: Mapping[str, str], _address: str) -> Caller:
    """Three threads for a person, five for an account."""
    who = headers["WHO"]
    return Caller(((who, 3), (who.partition("@")[2], 5)))


@pytest.fixture
def threads() -> Iterator[FairThreads]:
    """Callers are named person@account."""
    threads = FairThreads(caller, BOUNDS)
    yield threads
    for some in (threads, threads.express):
        some.shutdown()


def give(threads: FairThreads, count: int, who: str, **more: str) -> list[Slow]:
    tasks = [Slow(who, **more) for _ in range(count)]  # type: ignore[arg-type]
    for task in tasks:
        threads.add_task(task)
    return tasks


def begun(tasks: list[Slow]) -> int:
    return sum(task.begun.is_set() for task in tasks)


def end(*many: list[Slow]) -> None:
    for tasks in many:
        for task in tasks:
            task.may_end.set()


def test_one_person_holds_only_a_share_and_the_rest_waits_its_turn(threads: FairThreads) -> None:
    hers = give(threads, 7, "ann@one")
    eventually(lambda: begun(hers) == 3)
    others = give(threads, 1, "bob@one") + give(threads, 1, "eve@two")
    eventually(lambda: begun(others) == 2)
    assert (begun(hers), len(threads.queue)) == (3, 4)
    end(hers[:3])
    eventually(lambda: begun(hers) == 6)
    assert not hers[6].begun.is_set()
    end(hers, others)
    eventually(lambda: begun(hers) == 7)
    eventually(lambda: not threads.at_work, what="nothing is kept of those who have nothing at work")


def test_all_people_of_an_account_leave_threads_for_other_accounts(threads: FairThreads) -> None:
    many = [task for who in ("ann", "bob", "cid") for task in give(threads, 3, f"{who}@one")]
    eventually(lambda: begun(many) == 5)
    other = give(threads, 1, "eve@two")
    eventually(lambda: begun(other) == 1)
    assert begun(many) == 5
    end(many, other)
    eventually(lambda: begun(many) == 9)


def test_changes_which_wait_for_locks_leave_threads_for_those_who_read(threads: FairThreads) -> None:
    changes = [task for who in "abcd" for task in give(threads, 2, f"{who}@{who}", command="POST")]
    eventually(lambda: begun(changes) == 6)
    reads = give(threads, 2, "eve@two")
    eventually(lambda: begun(reads) == 2)
    assert begun(changes) == 6
    end(changes, reads)
    eventually(lambda: begun(changes) == 8)


def test_too_many_of_one_caller_are_refused_at_once(threads: FairThreads) -> None:
    hers = give(threads, 3, "ann@one")
    eventually(lambda: begun(hers) == 3)
    waiting = give(threads, BOUNDS.waiting, "ann@one")
    refused, other = give(threads, 2, "ann@one"), give(threads, 1, "bob@one")
    eventually(lambda: begun(refused) == 2)
    assert [(task.refusal.code, task.refusal.retry_after) for task in refused] == [(503, 10)] * 2
    assert begun(waiting) == 0
    end(hers, waiting, other)
    eventually(lambda: begun(waiting + other) == len(waiting) + 1)
    assert not any(task.refusal for task in waiting + other)


def test_a_request_that_waits_too_long_is_refused(threads: FairThreads) -> None:
    hers = give(threads, 3, "ann@one")
    eventually(lambda: begun(hers) == 3)
    waiting = give(threads, 2, "ann@one")
    threads.queue[0].since -= BOUNDS.waiting_seconds
    threads.refuse_overdue()
    eventually(lambda: begun(waiting) == 1)
    assert waiting[0].refusal
    assert len(threads.queue) == 1
    end(hers, waiting)
    eventually(lambda: begun(waiting) == 2)
    assert waiting[1].refusal is None


def test_health_and_refusals_of_broken_requests_need_no_thread_of_the_others(threads: FairThreads) -> None:
    busy = [task for who in "abc" for task in give(threads, 3, f"{who}@{who}")]
    eventually(lambda: begun(busy) == 8)
    health, broken = Slow("x@x", path="/healthz"), Slow("y@y")
    broken.requests[0].error = "not HTTP"
    health.may_end.set()
    for task in (health, broken):
        threads.add_task(task)
    eventually(lambda: begun([health, broken]) == 2)
    end(busy)


def test_waiting_requests_are_dropped_at_the_end() -> None:
    threads = FairThreads(caller, BOUNDS)
    hers = give(threads, 5, "ann@one")
    eventually(lambda: begun(hers) == 3)
    threads.express.shutdown()
    threads.shutdown(timeout=0.1)
    assert [task.cancelled for task in hers] == [False] * 3 + [True] * 2
    end(hers)
