"""Processes that belong together: a child never outlives its parent, however the parent ends."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, by: signal.Signals = signal.SIGKILL) -> None:
    """In a fresh child of process `parent`: let the kernel send us `by` when it ends (Linux; elsewhere nothing)."""
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_PDEATHSIG, by.value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    # It may have ended before we asked.
    if os.getppid() != parent:
        os.kill(os.getpid(), by)
