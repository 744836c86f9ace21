"""The supervisor also notices a process that lives but is stopped."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.infrastructure import supervisor
from app.infrastructure.process_life import family_of, is_stopped
from app.infrastructure.process_restarts import STOOD_STILL, Ended
from app.infrastructure.supervisor import Child, NotStarted, Supervisor
from tests.processes import eventually


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "STANDSTILL_SECONDS", 0.2)
    monkeypatch.setattr(supervisor, "LOOK_SECONDS", 0.05)


def supervise(*children: Child, record: Callable[[Ended], object] = lambda _ended: None) -> list[str]:
    """The reports until a child asked for an end; the signal handlers are restored afterwards."""
    lines: list[str] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    try:
        watching = Supervisor(lines.append, record)
        watching.start(*children)
        watching.watch()
        watching.stop()
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    return lines


def ask_for_an_end() -> None:
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(60)


def test_processes_start_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "READY_WITHIN_SECONDS", 5.0)
    runs, seen = tmp_path / "runs", tmp_path / "seen"

    def sees_the_other(_pid: int) -> bool:
        # Asked once: between two questions the other may begin, and nobody would ask again.
        is_there = runs.exists()
        if is_there:
            seen.touch()
        return is_there

    def live() -> None:
        runs.touch()
        eventually(seen.exists, what="the first one is ready")
        ask_for_an_end()

    first = Child("first", lambda: time.sleep(60), sees_the_other)
    lines = supervise(first, Child("second", live, lambda _pid: True))
    assert lines == ["Starting first", "Starting second", "Stopping second", "Stopping first"]


def test_one_that_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "READY_WITHIN_SECONDS", 60.0)
    slow = Child("slow", lambda: time.sleep(60), lambda _pid: False)
    with pytest.raises(NotStarted, match="The broken did not start"):
        supervise(slow, Child("broken", lambda: sys.exit(1), lambda _pid: False))
    os.kill(slow.pid, signal.SIGKILL)
    os.waitpid(slow.pid, 0)


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (signal.SIGKILL, "It was killed (SIGKILL): by somebody, or by the system because memory ran out."),
        (signal.SIGUSR1, "It was ended by a signal (SIGUSR1)."),
        (3, "It ended with an error (exit code 3); the log says which."),
        (0, "It ended by itself."),
    ],
)
def test_a_restart_is_reported_and_recorded_with_its_cause(tmp_path: Path, number: int, cause: str) -> None:
    lives, recorded = tmp_path / "lives", tmp_path / "recorded"

    def live() -> None:
        if lives.exists():
            eventually(recorded.exists, what="the restart is recorded")
            ask_for_an_end()
        lives.write_text(str(os.getpid()))
        if isinstance(number, signal.Signals):
            os.kill(os.getpid(), number)
        sys.exit(number)

    def record(ended: Ended) -> None:
        # A name appears with its whole content.
        (tmp_path / "draft").write_text(f"{ended.process} {ended.pid} {ended.cause}")
        (tmp_path / "draft").rename(recorded)

    lines = supervise(Child("worker", live, lambda _pid: True), record=record)
    assert recorded.read_text() == f"worker {lives.read_text()} {cause}"
    assert any(line.endswith(cause) for line in lines)


@pytest.mark.usefixtures("quick")
def test_a_process_that_was_stopped_is_replaced(tmp_path: Path) -> None:
    lives = tmp_path / "lives"

    def live() -> None:
        if lives.exists():
            ask_for_an_end()
        lives.touch()
        os.kill(os.getpid(), signal.SIGSTOP)

    lines = supervise(Child("worker", live, lambda _pid: True))
    assert any("The worker was stopped and does not go on" in line for line in lines)
    assert any("starting it again" in line and line.endswith(STOOD_STILL) for line in lines)


@pytest.mark.usefixtures("quick")
def test_a_stopped_grandchild_is_killed(tmp_path: Path) -> None:
    def live() -> None:
        pid = os.fork()
        if pid == 0:
            os.kill(os.getpid(), signal.SIGSTOP)
            os._exit(0)
        _pid, status = os.waitpid(pid, 0)
        (tmp_path / "ended-by").write_text(str(os.WTERMSIG(status)))
        ask_for_an_end()

    lines = supervise(Child("worker", live, lambda _pid: True))
    assert (tmp_path / "ended-by").read_text() == str(int(signal.SIGKILL))
    assert not any("starting it again" in line for line in lines)


def test_an_ended_process_has_no_family_and_is_not_stopped() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert (family_of(pid), is_stopped(pid)) == ([pid], False)
