"""Runs the processes of one installation: starts them, restarts what dies, stops them in reverse order.

A process that was stopped by a signal keeps its work from all others, and the lock of a SQLite file with it: it is
killed, and restarted like any that has died.

Children are forked from this one process, which has everything loaded already: that makes starts quick and lets
them share memory. So nothing here may start a thread or keep a connection open.
"""

import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

import structlog

from app.infrastructure.process_life import die_with_parent, family_of, is_stopped, set_title
from app.infrastructure.process_restarts import STOOD_STILL, Ended, cause_of

TICK_SECONDS = 0.05
READY_TICK_SECONDS = 0.02
READY_WITHIN_SECONDS = 60.0
LIVED_LONG_SECONDS = 60.0
LONGEST_BACK_OFF_SECONDS = 30.0
STANDSTILL_SECONDS = 30.0
LOOK_SECONDS = 1.0

log = structlog.get_logger(__name__)


class NotStarted(Exception):
    """A process did not become ready; the message names it and where to look."""


class StopRequested(Exception):
    """SIGTERM or Ctrl-C came while starting."""


@dataclass
class Child:
    """One process: what it runs, how to tell by its id that it is ready, and the seconds of a graceful end."""

    name: str
    run: Callable[[], object]
    is_ready: Callable[[int], bool]
    grace: float = 35.0
    dies_by: signal.Signals = signal.SIGKILL
    pid: int = 0
    started_at: float = 0.0
    deaths: int = 0
    cause: str = ""
    start_again_at: float = 0.0

    def start(self) -> None:
        """Fork. The child has its own process group: Ctrl-C reaches only the supervisor."""
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._live(parent)
        self.pid, self.started_at = pid, time.monotonic()

    def _live(self, parent: int) -> NoReturn:
        code = 1
        try:
            os.setpgid(0, 0)
            set_title(self.name)
            die_with_parent(parent, self.dies_by)
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            self.run()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            log.exception("process_failed", process=self.name)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def has_ended(self) -> bool:
        """Whether it has ended; collects its status."""
        if self.pid:
            gone, status = os.waitpid(self.pid, os.WNOHANG)
            if gone:
                self.pid, self.cause = 0, self.cause or cause_of(status)
        return not self.pid

    def send(self, number: signal.Signals, *, group: bool = False) -> None:
        """Signal the process, or its whole group."""
        if self.pid:
            (os.killpg if group else os.kill)(self.pid, number)


class Supervisor:
    """Children in the order of their start; `report` takes each event in one line, `record` stores each restart."""

    def __init__(self, report: Callable[[str], None], record: Callable[[Ended], object]) -> None:
        self.report, self.record = report, record
        self.recorders: set[int] = set()
        self.children: list[Child] = []
        self.asked_to_stop = 0
        self.stopped_since: dict[int, float] = {}
        self.looked_at = 0.0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask_to_stop)
        # What is loaded by now is shared with the children as long as the collector does not touch it.
        gc.freeze()

    def start(self, *children: Child) -> None:
        """Start the next children, all at once, and wait until each is ready. Raises NotStarted or StopRequested."""
        for child in children:
            self.report(f"Starting {child.name}")
            self.children.append(child)
            child.start()
        self._await_ready(children)

    def watch(self) -> None:
        """Restart what dies or is stopped, until asked to stop."""
        while not self.asked_to_stop:
            self._kill_what_stands_still()
            for child in self.children:
                self._restart_if_dead(child)
            self.recorders = {pid for pid in self.recorders if not os.waitpid(pid, os.WNOHANG)[0]}
            time.sleep(TICK_SECONDS * 4)

    def stop(self) -> None:
        """Stop in reverse order, gracefully; what does not end in its time, or at a second request, is killed."""
        for child in reversed(self.children):
            if child.has_ended():
                continue
            self.report(f"Stopping {child.name}")
            child.send(signal.SIGTERM)
            self._await_end(child)

    def go_on(self) -> None:
        """Raises StopRequested when a stop was requested; for callers that do long things in between."""
        if self.asked_to_stop:
            raise StopRequested

    def _ask_to_stop(self, _signal: int, _frame: object) -> None:
        self.asked_to_stop += 1

    def _await_ready(self, children: Sequence[Child]) -> None:
        until = time.monotonic() + READY_WITHIN_SECONDS
        while waiting := [child for child in children if not child.is_ready(child.pid)]:
            self.go_on()
            is_over = time.monotonic() > until
            if missing := next((child for child in waiting if is_over or child.has_ended()), None):
                raise NotStarted(f"The {missing.name} did not start. The lines above say why.")
            children = waiting
            time.sleep(READY_TICK_SECONDS)

    def _kill_what_stands_still(self) -> None:
        now = time.monotonic()
        if now - self.looked_at < LOOK_SECONDS:
            return
        self.looked_at = now
        families = {pid: child for child in self.children if child.pid for pid in family_of(child.pid)}
        stopped = [pid for pid in families if is_stopped(pid)]
        self.stopped_since = {pid: self.stopped_since.get(pid, now) for pid in stopped}
        for pid, since in self.stopped_since.items():
            if now - since >= STANDSTILL_SECONDS:
                child = families[pid]
                child.cause = STOOD_STILL if pid == child.pid else child.cause
                self.report(f"The {child.name} was stopped and does not go on; ending process {pid}")
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _restart_if_dead(self, child: Child) -> None:
        now, pid = time.monotonic(), child.pid
        if pid and child.has_ended():
            child.deaths = 1 if now - child.started_at > LIVED_LONG_SECONDS else child.deaths + 1
            pause = min(0.5 * 2 ** (child.deaths - 1), LONGEST_BACK_OFF_SECONDS)
            child.start_again_at = now + pause
            self.report(
                f"The {child.name} ended unexpectedly; starting it again in {pause:g} s. {child.cause}"
            )
            self._record(Ended(child.name, socket.gethostname(), pid, child.cause, datetime.now(UTC)))
            child.cause = ""
        if not child.pid and now >= child.start_again_at:
            child.start()

    def _record(self, ended: Ended) -> None:
        """In a separate process: the database may block, and connections must not be shared by forks."""
        log.warning("process_restarted", process=ended.process, pid=ended.pid, cause=ended.cause)
        parent, pid = os.getpid(), os.fork()
        if pid:
            self.recorders.add(pid)
            return
        try:
            die_with_parent(parent)
            set_title(f"recorder of a restart ({ended.process})")
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            self.record(ended)
        except Exception:
            log.exception("restart_not_recorded", process=ended.process)
        finally:
            os._exit(0)

    def _await_end(self, child: Child) -> None:
        until = time.monotonic() + child.grace
        while not child.has_ended():
            if self.asked_to_stop > 1 or time.monotonic() > until:
                self.report(f"Ending {child.name} at once")
                child.send(signal.SIGKILL, group=True)
                os.waitpid(child.pid, 0)
                child.pid = 0
                return
            time.sleep(TICK_SECONDS)
