"""The processor time of this process and of its database, where the system tells it; else the time that passes.

A machine that does other things as well makes an answer late, and takes hardly more processor time.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Engine, text

Clock = Callable[[], float]
NANOSECONDS = 1e9


def clock_of(engine: Engine) -> tuple[Clock, str]:
    """A clock in seconds, and what it measures: CPU or wall."""
    if engine.dialect.name == "sqlite":
        return time.process_time, "CPU"
    with engine.connect() as connection:
        backend = connection.scalar(text("SELECT pg_backend_pid()"))
    try:
        server = int(_fields(Path(f"/proc/{backend}"))[1])
        next(_children(server))
    except (OSError, StopIteration):
        return time.perf_counter, "wall"
    return lambda: time.process_time() + sum(map(_seconds, _children(server))), "CPU"


def _children(server: int) -> Iterator[Path]:
    """Of PostgreSQL: a process for each connection, and those that write. What cleans up comes when it likes, and works
    for what was before as well."""
    for number in Path(f"/proc/{server}/task/{server}/children").read_text().split():
        process = Path("/proc") / number
        if b"autovacuum" not in _title(process):
            yield process


def _seconds(process: Path) -> float:
    """0 of one that has just ended."""
    try:
        return int((process / "schedstat").read_text().split()[0]) / NANOSECONDS
    except OSError:
        return 0


def _title(process: Path) -> bytes:
    with suppress(OSError):
        return (process / "cmdline").read_bytes()
    return b""


def _fields(process: Path) -> list[str]:
    """State, parent and so on: what follows the name, which may contain anything."""
    return (process / "stat").read_text().rpartition(")")[2].split()
