"""Which request gets a thread: a caller who holds many already gets no more, so that some are left for others.

A request that must not run yet waits in a list, not in a thread; one that waited too long, or behind too many of its
own caller, is refused.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol

from waitress.task import ThreadedTaskDispatcher

EXPRESS = ("/healthz",)
"""Answered by a dedicated thread, also while all others are busy."""
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class WorkItem(Protocol):
    """A connection whose next request has been read completely."""

    requests: list[Any]
    addr: tuple[Any, ...]

    def service(self) -> None:
        """Answer the next request."""

    def cancel(self) -> None:
        """Drop it unanswered."""


@dataclass(frozen=True)
class Caller:
    """Who asks, and in what groups. Each share: a name, and how many threads everybody of that name has at once."""

    shares: tuple[tuple[str, int], ...]


CallerOf = Callable[[Mapping[str, str], str], Caller]
"""(headers in capitals, address of the connection): who asks."""


@dataclass(frozen=True)
class ThreadBounds:
    """How many at once. changes: requests of everybody that may write, and wait for locks."""

    threads: int = 16
    changes: int = 12
    waiting: int = 200
    """Requests of one caller that wait for a thread."""
    waiting_seconds: float = 30


class TooBusy:
    """The fault of a request for which no thread became free; the rest of the server reads `code`."""

    code = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = 10

    def __init__(self, body: str) -> None:
        self.body = body


@dataclass
class WaitingQueue:
    """A request that has no thread yet."""

    task: WorkItem
    caller: Caller
    is_change: bool
    since: float = field(default_factory=time.monotonic)

    def cancel(self) -> None:
        """The server stops before the request got a thread."""
        self.task.cancel()


class FairThreads(ThreadedTaskDispatcher):  # type: ignore[misc]
    """The threads that execute requests, and one that only answers health checks."""

    def __init__(self, caller_of: CallerOf, bounds: ThreadBounds | None = None) -> None:
        super().__init__()
        self.caller_of, self.bounds = caller_of, bounds or ThreadBounds()
        self.at_work: Counter[str] = Counter()
        self.express = ThreadedTaskDispatcher()
        self.express.set_thread_count(1)
        self.set_thread_count(self.bounds.threads)

    def add_task(self, task: WorkItem) -> None:
        request = task.requests[0]
        if getattr(request, "path", "") in EXPRESS or request.error:
            self.express.add_task(task)
            return
        caller = self.caller_of(request.headers, task.addr[0])
        waiting = WaitingQueue(task, caller, request.command not in SAFE_METHODS)
        with self.lock:
            is_taken = self._waiting_of(caller) < self.bounds.waiting
            if is_taken:
                self.queue.append(waiting)
                self.queue_cv.notify()
        if not is_taken:
            self._refuse(waiting, "waiting for a thread: too many of one caller")

    def handler_thread(self, thread_no: int) -> None:
        """Execute one request after the other, until the number of threads is lowered."""
        while waiting := self._take(thread_no):
            try:
                waiting.task.service()
            except BaseException:
                self.logger.exception("Exception when servicing %r", waiting.task)
            finally:
                self._release(waiting)

    def refuse_overdue(self) -> None:
        """Refuse requests that have waited too long; a refusal uses none of the other threads."""
        until = time.monotonic() - self.bounds.waiting_seconds
        with self.lock:
            overdue = [waiting for waiting in self.queue if waiting.since < until]
            for waiting in overdue:
                self.queue.remove(waiting)
        for waiting in overdue:
            self._refuse(waiting, "waiting for a thread: too long")

    def _take(self, thread_no: int) -> WaitingQueue | None:
        """The first request that may run, with its share; None when the thread is to end."""
        with self.lock:
            while self.stop_count == 0:
                waiting: WaitingQueue | None = next(filter(self._may_run, self.queue), None)
                if waiting:
                    self.queue.remove(waiting)
                    self.at_work.update(name for name, _ in self._shares_of(waiting))
                    return waiting
                self.active_count -= 1
                self.queue_cv.wait()
                self.active_count += 1
            self.active_count -= 1
            self.stop_count -= 1
            self.threads.discard(thread_no)
            self.thread_exit_cv.notify()
            return None

    def _may_run(self, waiting: WaitingQueue) -> bool:
        return all(self.at_work[name] < most for name, most in self._shares_of(waiting))

    def _shares_of(self, waiting: WaitingQueue) -> tuple[tuple[str, int], ...]:
        shares = waiting.caller.shares
        return (*shares, ("changes", self.bounds.changes)) if waiting.is_change else shares

    def _release(self, waiting: WaitingQueue) -> None:
        with self.lock:
            self.at_work.subtract(name for name, _ in self._shares_of(waiting))
            # Forget callers without a request in progress.
            self.at_work = +self.at_work
            if self.queue:
                self.queue_cv.notify_all()

    def _waiting_of(self, caller: Caller) -> int:
        return sum(waiting.caller == caller for waiting in self.queue)

    def _refuse(self, waiting: WaitingQueue, why: str) -> None:
        with suppress(IndexError):
            waiting.task.requests[0].error = TooBusy(why)
            self.express.add_task(waiting.task)


def by_address(_headers: Mapping[str, str], address: str) -> Caller:
    """All requests from one address are one caller."""
    return Caller(((f"address {address}", 6),))
