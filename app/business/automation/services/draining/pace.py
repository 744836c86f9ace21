"""The number of runs that one set executes: its transaction keeps others waiting, on SQLite all other writers."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

Timer = Callable[[], float]

LOCKED_SECONDS = 0.05
"""How long a common transaction should keep others waiting: it begins no further run after this time."""
OVERDUE_SECONDS = 0.15
"""After this time a set is given up: a smaller one is tried. Its last statement may take as long as a third of this."""


class Overdue(Exception):
    """A set takes too long on this machine, now."""


@dataclass
class Pace:
    """As many runs as the last set could have executed in `LOCKED_SECONDS`, so far.

    At least `FEWEST`, where fewer are not needed to be in time: what the statements cost however few runs they are for
    would make a busy machine slower and slower.
    """

    timer: Timer = monotonic
    runs: int = 50

    FEWEST, MOST = 10, 100

    def is_in_time(self, began: float) -> bool:
        """Whether a common transaction that began then may begin another run."""
        return self.timer() - began < LOCKED_SECONDS

    def require_time(self, began: float) -> None:
        """Raise Overdue where a set in a transaction that began then has to be given up."""
        if self.timer() - began > OVERDUE_SECONDS:
            raise Overdue

    def note(self, runs: int, began: float) -> None:
        """A set of `runs` runs has been executed since then."""
        if runs:
            fitting = round(runs * LOCKED_SECONDS / max(self.timer() - began, 0.001))
            self.runs = max(min(self.FEWEST, self.runs), min(self.MOST, fitting, 2 * runs))

    def slow_down(self, runs: int) -> None:
        """A set of `runs` runs was given up."""
        self.runs = max(runs // 4, 1)
