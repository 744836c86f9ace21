"""The diagram of a loop: all rules have different places, and every arrow touches both its boxes."""

import re
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import pytest

from app.modules.automation.loop_diagram import BOX_HEIGHT, BOX_WIDTH, WIDTH, Box, Picture, picture_of

LONG = "Nightly clusters of all the new keywords that somebody imported on the last three sites"


def drawn(count: int, name: str = "Rule") -> Picture:
    nodes = [SimpleNamespace(name=f"{name} {number}", rule_id=number) for number in range(count)]
    edges: list[Any] = [
        SimpleNamespace(
            source=nodes[at], target=nodes[(at + 1) % count], what="content items become “To check”"
        )
        for at in range(count)
    ]
    return picture_of(edges)


def touches(box: Box, x: float, y: float) -> bool:
    """Whether a point is on the edge of the box, or an arrow tip's width before it."""
    near_x = box.x - 6 <= x <= box.x + BOX_WIDTH + 6
    return near_x and box.y - 6 <= y <= box.y + BOX_HEIGHT + 6


def ends(path: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Start and end point of a path of M, H, V, h and v."""
    numbers = re.match(r"M(-?\d+) (-?\d+)", path)
    assert numbers
    start = at = (float(numbers[1]), float(numbers[2]))
    for kind, text in re.findall(r"([HVhv])(-?\d+)", path):
        step = float(text)
        x, y = at
        at = {"H": (step, y), "V": (x, step), "h": (x + step, y), "v": (x, y + step)}[kind]
    return start, at


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9, 10, 21])
def test_every_rule_has_a_place_and_every_arrow_two_ends(count: int) -> None:
    picture = drawn(count)
    assert len(picture.boxes) == len(picture.arrows) == len(picture.steps) == count
    assert [box.is_own for box in picture.boxes] == [True] + [False] * (count - 1)
    for box in picture.boxes:
        assert 0 <= box.x <= WIDTH - BOX_WIDTH
        assert 0 <= box.y <= picture.height - BOX_HEIGHT
    for one, other in combinations(picture.boxes, 2):
        assert one.x != other.x or abs(one.y - other.y) > BOX_HEIGHT
    for number, arrow in enumerate(picture.arrows):
        start, end = ends(arrow.path)
        assert touches(picture.boxes[number], *start), arrow
        assert touches(picture.boxes[(number + 1) % count], *end), arrow
        assert 0 < arrow.y < picture.height


def test_long_names_are_cut_after_two_lines() -> None:
    box = drawn(2, LONG).boxes[0]
    assert len(box.lines) == 2
    assert box.lines[1].endswith("…")
    assert all(len(line) <= 18 for line in box.lines)
