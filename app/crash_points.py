"""Places where the fault trials end a process, as a power cut would. Without their variable they do nothing."""

import os
import signal

VARIABLE = "IGNY8_CRASH_POINT"


def crash_point(name: str) -> None:
    """End this process at once when the environment names this point."""
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
