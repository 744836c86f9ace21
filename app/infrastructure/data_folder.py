"""The data folder is used by one running copy at a time."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)


class FolderInUse(Exception):
    """Another copy runs on this folder; the message names the process and what to do."""


class FolderUnusable(Exception):
    """The folder cannot be created or written; the message says why, and what to do."""


@contextmanager
def hold(data_dir: Path) -> Iterator[None]:
    """Lock the folder while the block runs; the system releases the lock however this process ends.

    Forked children inherit the lock, so it is free only when the last of them has ended.
    Raises FolderInUse, FolderUnusable.
    """
    make_private(data_dir)
    with written(data_dir):
        descriptor = os.open(data_dir / "running", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor, data_dir)
        with written(data_dir):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def make_private(data_dir: Path) -> None:
    """Make the folder and its files readable by their owner only, and all files created from here on."""
    os.umask(0o077)
    with written(data_dir):
        data_dir.mkdir(parents=True, exist_ok=True)
        data_dir.chmod(0o700)
        for path in data_dir.rglob("*"):
            # A file may disappear meanwhile: the queue server and other processes of ours work here.
            with contextlib.suppress(FileNotFoundError):
                if not path.is_symlink():
                    path.chmod(0o700 if path.is_dir() else 0o600)


@contextmanager
def written(data_dir: Path) -> Iterator[None]:
    """Report a failed write in the block as FolderUnusable, which says why."""
    try:
        yield
    except OSError as error:
        do = "Free space on its disk" if error.errno in FULL else "Make it writable for this user"
        raise FolderUnusable(
            f"The data folder {data_dir} cannot be used: {error.strerror}. {do}, or set DATA_DIR to another folder."
        ) from None


def _lock(descriptor: int, data_dir: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 20, 0).decode() or "unknown"
        raise FolderInUse(
            f"A copy is running already on the data folder {data_dir} (process {owner}). "
            "Stop it first, or set DATA_DIR to another folder."
        ) from None
