"""What an installation takes that has nothing to do: the memory of its processes, and how soon `up` is ready."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from sqlalchemy import Engine

from app import ROOT
from tests.bench.table import Line
from tests.journeys.running_copy import Copy, started
from tests.processes import eventually, title_of

STARTS = 3
BARE = "import flask, sqlalchemy"
MOST_STARTS = 6.0
"""Of that bare import's time."""
MOST_MEMORY = 230.0
"""MB of all processes together: where several share a page, each counts its part of it (PSS)."""
SETTLED = 20.0
"""Seconds: by then the first sweep has run, and with it what is loaded late."""


def lines(engine: Engine) -> Iterator[Line]:
    """The product as it comes, so on its own SQLite file; nothing of it depends on the other database."""
    if engine.dialect.name != "sqlite":
        return
    with TemporaryDirectory(prefix="igny8-bench-") as name:
        folder = Path(name)
        # The first one makes the tables.
        _, *ours = [_seconds_of_start(folder) for _ in range(1 + STARTS)]
        bare = [_seconds_of_bare_import() for _ in range(STARTS)]
        with started(folder) as copy:
            memory = _memory_of(copy)
    yield Line("`up` to Ready, to a bare import", median(ours), median(bare), "s", MOST_STARTS)
    yield Line("idle memory of all processes, to its goal", memory, MOST_MEMORY, "MB", 1)


def _seconds_of_start(folder: Path) -> float:
    began = time.perf_counter()
    with started(folder):
        return time.perf_counter() - began


def _seconds_of_bare_import() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", BARE], check=True, cwd=ROOT)
    return time.perf_counter() - began


def _memory_of(copy: Copy) -> float:
    eventually(copy.is_whole, what="all processes run")
    time.sleep(SETTLED)
    shares = {pid: pss(pid) for pid in [copy.process.pid, *copy.family()]}
    for pid, share in shares.items():
        print(f"  {share:6.1f} MB  {title_of(pid)}", file=sys.stderr)
    return sum(shares.values())


def pss(pid: int) -> float:
    """MB."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    (kilobytes,) = (line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:"))
    return int(kilobytes) / 1024
