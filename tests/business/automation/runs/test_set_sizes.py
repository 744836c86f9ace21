"""How many runs the next set has, by what the last one took."""

from dataclasses import dataclass

import pytest

from app.business.automation.services.draining.pace import Pace


@dataclass
class Clocks:
    """time: by the wall · worked: by this thread."""

    time: float = 0.0
    worked: float = 0.0

    def pace(self, runs: int) -> Pace:
        return Pace(lambda: self.time, runs, lambda: self.worked)


@pytest.mark.parametrize(
    ("runs", "took", "worked", "then"),
    [
        (50, 0.05, 0.05, [50, 50]),
        (50, 0.01, 0.01, [100, 200, 200]),
        (20, 0.20, 0.20, [20, 20]),
        # On a busy machine: as many as make its statements worthwhile, as far as these are not too much work.
        (4, 2.00, 0.01, [8, 16, 25, 25]),
        (4, 2.00, 0.20, [4, 4]),
        (60, 2.00, 0.06, [25, 25]),
    ],
)
def test_a_set_is_as_large_as_fits_and_worthwhile(
    runs: int, took: float, worked: float, then: list[int]
) -> None:
    clocks = Clocks()
    pace, found = clocks.pace(runs), []
    for _ in then:
        began = pace.begin()
        clocks.time, clocks.worked = clocks.time + took, clocks.worked + worked
        pace.note(pace.runs, began, locked_seconds=0.05, fewest=25)
        found.append(pace.runs)
    assert found == then
