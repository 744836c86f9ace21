"""The number of rows that one planning transaction writes: on SQLite it blocks all other writers."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic


@dataclass
class PlanningPace:
    """As many rows as the last transaction could have written in `aim` seconds under its lock.

    At least `FEWEST`: what the statements cost however few rows they have would make a busy machine slower and slower.
    """

    aim: float = 0.05
    timer: Callable[[], float] = monotonic
    rows: int = 100

    FEWEST, MOST = 100, 500

    def __post_init__(self) -> None:
        self.began = self.timer()

    def start(self) -> None:
        """The lock is held from now on."""
        self.began = self.timer()

    def finish(self, rows: int) -> None:
        """The lock is released after writing `rows` rows."""
        held = self.timer() - self.began
        if rows and held:
            fitting = int(self.aim * rows / held)
            self.rows = min(max(fitting, self.FEWEST), 2 * self.rows, self.MOST)
