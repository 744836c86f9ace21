"""One line of the bench: our figure, the reference's in the same run, and whether the goal is met."""

import json
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Line:
    """`ours` and `reference` in `unit`; the goal holds when ours is at most `most` times the reference.

    reference: None where it could not be installed, which is no failure of ours.
    """

    workload: str
    ours: float
    reference: float | None
    unit: str
    most: float

    @property
    def ratio(self) -> float | None:
        if self.reference is None:
            return None
        return self.ours / self.reference if self.reference else float("inf")

    @property
    def holds(self) -> bool:
        return self.ratio is None or self.ratio <= self.most

    def __str__(self) -> str:
        if self.ratio is None:
            return f"{self.workload:52} {self.ours:10.2f} {'missing':>10} {self.unit}"
        figures = f"{self.ours:10.2f} {self.reference:10.2f} {self.unit:3} {self.ratio:7.3f}"
        return f"{self.workload:52} {figures}  ≤ {self.most:<6.3g} {'yes' if self.holds else 'NO'}"


HEADING = f"{'workload':52} {'ours':>10} {'reference':>10}     {'ratio':>7}  goal    holds"


def milliseconds(work: Callable[[], Any], rounds: int = 7) -> float:
    """The median time of several rounds, after one that warms up."""
    work()
    return statistics.median(_once(work) for _ in range(rounds))


def write_json(lines: Iterable[Line], path: Path) -> None:
    """Store the figures for later comparison."""
    rows = [asdict(line) | {"ratio": line.ratio, "holds": line.holds} for line in lines]
    path.write_text(json.dumps(rows, indent=1) + "\n")


def _once(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000
