"""The number of runs that one set executes: its transaction keeps others waiting, on SQLite all other writers."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple

Timer = Callable[[], float]

LOCKED_SECONDS = 0.05
"""How long a common transaction should keep others waiting: it begins no further run after this time."""
OVERDUE_SECONDS = 0.15
"""A set that would work for longer is given up: a smaller one is tried.

Work, not time: what a busy machine executes slowly would keep others waiting for longer if it was done anew.
"""


class Overdue(Exception):
    """A set is too much work for one transaction."""


class Began(NamedTuple):
    """A moment. worked: seconds for which the thread had worked until then."""

    at: float
    worked: float


@dataclass
class Pace:
    """As many runs as the last set could have executed in `LOCKED_SECONDS`, so far.

    At least `FEWEST`, where fewer are not needed to be in time: what the statements cost however few runs they are for
    would make a busy machine slower and slower.
    """

    timer: Timer = monotonic
    runs: int = 50
    work_timer: Timer | None = None
    """Measures only what this thread works; None: `timer` does."""

    FEWEST, MOST = 10, 200
    _checked: float | None = None
    _longest: float = 0.0

    def begin(self) -> Began:
        """This moment."""
        self._checked, self._longest = None, 0.0
        return Began(self.timer(), self._worked())

    def is_in_time(self, began: Began) -> bool:
        """Whether a common transaction that began then may begin another run."""
        return self.timer() - began.at < LOCKED_SECONDS

    def require_time(self, began: Began, kept: float = 0.0) -> None:
        """Called between the statements of a set in a transaction that began then: raise Overdue where it has to be
        given up, for its next statement may take as long as the longest so far. kept: seconds of work that are left
        for what the transaction does instead."""
        worked = self._worked()
        # What comes before the first check are many statements, compiled anew in a process that has just begun.
        self._longest = max(self._longest, worked - (worked if self._checked is None else self._checked))
        self._checked = worked
        if worked + self._longest - began.worked > OVERDUE_SECONDS - kept:
            raise Overdue

    def note(
        self, runs: int, began: Began, locked_seconds: float = LOCKED_SECONDS, fewest: int = FEWEST
    ) -> None:
        """A set of `runs` runs has been executed since then. A small one that was in time does not tell that a larger
        one would be late.

        Of the next one: locked_seconds: how long it should take · fewest: runs that it has at least, as soon as they
        are not too much work.
        """
        if not runs:
            return
        seconds = max(self.timer() - began.at, 0.001)
        fitting = min(self.MOST, round(runs * locked_seconds / seconds), 2 * runs)
        if seconds > locked_seconds:
            by_work = round(runs * locked_seconds / max(self._worked() - began.worked, 0.001))
            self.runs = max(min(fewest, max(self.runs, min(by_work, 2 * runs))), fitting)
        else:
            self.runs = max(self.runs, fitting)

    def _worked(self) -> float:
        return (self.work_timer or self.timer)()

    def slow_down(self, runs: int) -> None:
        """A set of `runs` runs was given up."""
        self.runs = max(runs // 4, 1)
