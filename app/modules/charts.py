"""Stacked bars, worked out before they are drawn: the template of a chart is nothing but flat loops."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

from app.modules.display import day as day_text
from app.modules.display import number

HEIGHT, STEP = 100, 10
"""Of a drawing, and from one bar to the next, in its own units."""
HIGHEST, LOWEST = 97, 1.5
"""Of the highest bar, and of a part that is not zero: so that it can be seen."""
MOST_BARS = 1_000
"""Of which a process keeps what is drawn."""
Series = Sequence[tuple[str, str, str]]
"""Key, label and tone of each part, from the bottom up."""


class Bar(NamedTuple):
    """A day, or another span. words: its figures with their labels · parts: y, height and tone · figures: of each
    series."""

    name: str
    words: str
    left: int
    parts: tuple[tuple[float, float, str], ...]
    figures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StackedBars:
    """top: the figure that the highest bar stands for."""

    bars: Sequence[Bar]
    top: int
    width: int


def stacked_bars(days: Sequence[Any], series: Series) -> StackedBars:
    """The bars of these days, which have `on` or a `label`, and a figure for each key: as a mapping or an object."""
    keys, labels = [key for key, _, _ in series], tuple((label, tone) for _, label, tone in series)
    read = [_reader(day) for day in days]
    figures = [[get(key) for key in keys] for get in read]
    top = max((sum(of_day) for of_day in figures), default=0) or 1
    bars = [
        _bar(get("label") or day_text(get("on")), tuple(of_day), labels, place * STEP, HIGHEST / top)
        for place, (get, of_day) in enumerate(zip(read, figures, strict=True))
    ]
    return StackedBars(bars, top, len(days) * STEP)


def _reader(day: Any) -> Callable[[str], Any]:
    return day.get if isinstance(day, Mapping) else partial(_value, day)


def _value(day: Any, key: str) -> Any:
    return getattr(day, key, None)


@lru_cache(maxsize=MOST_BARS)
def _bar(
    name: str, figures: tuple[int, ...], labels: tuple[tuple[str, str], ...], left: int, scale: float
) -> Bar:
    """Kept, for days that are over do not change any more."""
    said = tuple(number(figure) for figure in figures)
    words = ", ".join(f"{label.lower()} {figure}" for (label, _), figure in zip(labels, said, strict=True))
    parts: list[tuple[float, float, str]] = []
    top = float(HEIGHT)
    for (_, tone), figure in zip(labels, figures, strict=True):
        if figure:
            height = max(figure * scale, LOWEST)
            top -= height
            parts.append((round(top, 2), round(height, 2), tone))
    return Bar(name, words, left, tuple(parts), said)
