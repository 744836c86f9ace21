"""The data folder belongs to one running copy at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FolderInUse(Exception):  # noqa: N818 - says what happened
    """Another copy runs on this folder; the message says which process, and what to do."""


@contextmanager
def hold(data_dir: Path) -> Iterator[None]:
    """Own the folder while the block runs; the system gives it back however this process ends. Raises FolderInUse.

    The lock passes on to forked children, so it is free only when the last of them has ended.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(data_dir / "running", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor, data_dir)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, data_dir: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 20, 0).decode() or "unknown"
        raise FolderInUse(
            f"A copy is running already on the data folder {data_dir} (process {owner}). "
            "Stop it first, or set DATA_DIR to another folder."
        ) from None
