"""What an installation takes that has nothing to do: the memory of its processes, and how soon `up` is ready."""

import os
import resource
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

STARTS = 5
BARE = "import flask, sqlalchemy"
MOST_STARTS = 6.0
"""Of that bare import's processor time, for all processes together until `up` is ready: on an idle machine that is the
time that passes, and it hardly depends on what else a machine does."""
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
        _, *in_turn = [(_seconds_of_start(folder), _seconds_of_bare_import()) for _ in range(1 + STARTS)]
        ours, bare = zip(*in_turn, strict=True)
        with started(folder) as copy:
            memory = _memory_of(copy)
    yield Line("`up` to Ready, to a bare import, CPU", median(ours), median(bare), "s", MOST_STARTS)
    yield Line("idle memory of all processes, to its goal", memory, MOST_MEMORY, "MB", 1)


def _seconds_of_start(folder: Path) -> float:
    with started(folder) as copy:
        return sum(_worked(pid) for pid in [copy.process.pid, *copy.family()])


def _worked(pid: int) -> float:
    """Seconds, with those of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _seconds_of_bare_import() -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", BARE], check=True, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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
