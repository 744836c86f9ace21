"""The tests' side of the trials: gives orders to children, and reads how they ended."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app import ROOT
from tests.faults.crashes.crash_points import VARIABLE
from tests.processes import clean_environment
from tests.shared_clock import SharedClock

KILLED = -signal.SIGKILL


@dataclass(frozen=True)
class Child:
    """One child: its work, where it must die (`after-commit:3`), what its build lacks, and when it begins, if not by
    the clock of all."""

    work: str
    arguments: Sequence[Any] = ()
    dies: str = ""
    without: Sequence[str] = ()
    at: datetime | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Trials:
    """Children of one database and one queue server, with a clock of their own."""

    server: subprocess.Popen[str]
    log: Path
    clock: SharedClock
    kills: int = 0

    def run(self, work: str, *arguments: Any, **how: Any) -> int:
        """Exit code of one child."""
        (code,) = self.run_at_once(Child(work, arguments, **how))
        return code

    def run_at_once(self, *children: Child) -> list[int]:
        """Exit codes of children that work at the same time. Raises when one fails by itself."""
        assert self.server.stdin
        assert self.server.stdout
        print(json.dumps([_order(child) for child in children]), file=self.server.stdin, flush=True)
        codes: list[int] = json.loads(self.server.stdout.readline())
        assert set(codes) <= {0, KILLED}, self.log.read_text()[-5000:]
        self.kills += codes.count(KILLED)
        for child, code in zip(children, codes, strict=True):
            # A build that lacks something may end before it comes there.
            assert code == KILLED or not child.dies or child.without, f"{child.work} came to no {child.dies}"
        return codes

    def dies(self, work: str, *arguments: Any, **how: Any) -> bool:
        """Whether the child reached the place where it must die."""
        return self.run(work, *arguments, **how) == KILLED


def _order(child: Child) -> dict[str, Any]:
    return {
        "work": child.work,
        "arguments": list(child.arguments),
        "without": list(child.without),
        "at": child.at.isoformat() if child.at else None,
        "environment": dict(child.environment) | ({VARIABLE: child.dies} if child.dies else {}),
    }


@contextmanager
def trials_on(database_url: str, redis_url: str, folder: Path) -> Iterator[Trials]:
    """A trial server for this database; it ends with the block."""
    log, clock = folder / "trials.log", SharedClock(folder / "clock", datetime.now(UTC))
    environment = clean_environment(
        DATABASE_URL=database_url,
        REDIS_URL=redis_url,
        DATA_DIR=str(folder),
        SECRET_KEY="a-key-that-only-the-tests-use-0123456789",
        TZ="UTC",
    )
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.crashes.trial_server", str(clock.path)],
            cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, text=True,
        )  # fmt: skip
    assert server.stdin
    assert server.stdout
    try:
        assert server.stdout.readline() == "ready\n", log.read_text()
        yield Trials(server, log, clock)
    finally:
        server.stdin.close()
        server.wait(60)
        server.stdout.close()
