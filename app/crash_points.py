"""Places where the fault trials end a process, as a power cut would. Without their variable they do nothing."""

import os
import signal
from collections import Counter

VARIABLE = "IGNY8_CRASH_POINT"
"""A point's name, or `name:3` for the third time that this process comes by."""

_passed: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """End this process at once when the environment names this point and this time."""
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    _passed[name] += 1
    point, _, time = wanted.partition(":")
    if point == name and _passed[name] == int(time or 1):
        os.kill(os.getpid(), signal.SIGKILL)
