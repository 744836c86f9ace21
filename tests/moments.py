"""When a test begins, by its own clock: not around midnight, where its today may be over before it ends.

Only tests that run in this process: others have the clock of the machine.
"""

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta

import time_machine

IN_PROCESS = ("tests/business/", "tests/modules/")
ROOM = timedelta(minutes=5)
"""Before and after midnight."""


def clock_of(test: str, now: datetime, at: str | None) -> AbstractContextManager[object]:
    """The clock of a test that is begun now. at: when it begins by its clock, as an ISO time with its zone."""
    begins = datetime.fromisoformat(at) if at else now
    if test.startswith(IN_PROCESS):
        begins = away_from_midnight(begins)
    return nullcontext() if begins == now else time_machine.travel(begins)


def away_from_midnight(now: datetime) -> datetime:
    """Now, or soon. Never before: the queue server, which has the clock of the machine, would forget things early."""
    midnight = (now + ROOM).replace(hour=0, minute=0, second=0, microsecond=0)
    return max(now, midnight + ROOM)
