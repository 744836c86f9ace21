"""A clock that the processes of a trial share, and a test moves on: a weekend passes at once.

Between two moves it goes as fast as the real one, so whatever waits, beats or expires in seconds does so as ever. Only
the time of day is moved; what is measured with a monotonic clock goes on undisturbed.
"""

import mmap
import time
from datetime import UTC, datetime
from pathlib import Path

import time_machine

LENGTH = 8


class SharedClock:
    """Kept in a file: its nanoseconds when the monotonic clock of the machine was at zero."""

    def __init__(self, path: Path, at: datetime) -> None:
        self.path = path
        path.write_bytes(bytes(LENGTH))
        self._zero = _open(path)
        self.move_to(at)

    def now(self) -> datetime:
        return datetime.fromtimestamp((time.monotonic_ns() + _read(self._zero)) / 1e9, UTC)

    def move_to(self, at: datetime) -> None:
        zero = round(at.timestamp() * 1e9) - time.monotonic_ns()
        self._zero[:] = zero.to_bytes(LENGTH, "little", signed=True)


def follow(path: str) -> None:
    """From now on this process, and all that it forks, take their time from there."""
    zero = _open(Path(path))
    traveller = time_machine.travel(datetime.now(UTC)).start()
    traveller.time_ns = lambda: time.monotonic_ns() + _read(zero)  # type: ignore[method-assign]


def _open(path: Path) -> mmap.mmap:
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), LENGTH)


def _read(zero: mmap.mmap) -> int:
    return int.from_bytes(zero[:], "little", signed=True)
