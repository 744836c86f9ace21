"""Processes that belong together: a child never outlives its parent, however the parent ends."""

import ctypes
import os
import signal
import sys
import threading
from pathlib import Path

from setproctitle import getproctitle, setproctitle

PR_SET_PDEATHSIG = 1
STOPPED = "T"

stopping = threading.Event()
"""Set in a web process that was asked to stop: requests that wait are answered now."""


TITLE = "igny8: "


def set_title(name: str) -> None:
    """Set the title that `ps` and `top` show for this process."""
    setproctitle(f"{TITLE}{name}")


def title() -> str:
    """The value given to `set_title`; empty before."""
    whole = getproctitle()
    return whole.removeprefix(TITLE) if whole.startswith(TITLE) else ""


def die_with_parent(parent: int, by: signal.Signals = signal.SIGKILL) -> None:
    """In a new child of `parent`: let the kernel send `by` when the parent ends (Linux; elsewhere no effect)."""
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_PDEATHSIG, by.value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    # The parent may have ended before we asked.
    if os.getppid() != parent:
        os.kill(os.getpid(), by)


def family_of(pid: int) -> list[int]:
    """The process and its descendants, parents first (Linux; elsewhere only itself)."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(member for child in children for member in family_of(int(child)))]


def is_stopped(pid: int) -> bool:
    """Whether a signal has stopped the process and it has not been continued (Linux; elsewhere never)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith(STOPPED)
    except OSError:
        return False
