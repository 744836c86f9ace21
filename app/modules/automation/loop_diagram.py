"""A loop of rules as a diagram: down on the left, up on the right. All measures are in units of the diagram."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from app.business.automation.services.preflight.rule_graph import Edge

WIDTH = 340
BOX_WIDTH, BOX_HEIGHT, GAP = 156, 44, 52
RIGHT = WIDTH - BOX_WIDTH
MARGIN = 30
NAME_LETTERS, LABEL_LETTERS, LONG_LABEL_LETTERS = 18, 17, 48
LINE = 15
SHAFT = 22
"""Distance of vertical arrows from the edge of a box."""


@dataclass(frozen=True)
class Box:
    """A rule: its corner, and its name in at most two lines."""

    x: int
    y: int
    lines: tuple[str, ...]
    is_own: bool


@dataclass(frozen=True)
class Arrow:
    """An edge between rules: the path, and the event in lines that begin at (x, y)."""

    path: str
    x: int
    y: int
    lines: tuple[str, ...]
    is_middle: bool = False


@dataclass(frozen=True)
class Picture:
    """Boxes and arrows, with the height; `steps` contain the same in words: (rule, its id, event, next rule)."""

    height: int
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    steps: tuple[tuple[str, int | None, str, str], ...]


def picture_of(loop: Sequence[Edge]) -> Picture:
    """The diagram of a loop of one or more rules; the first box is the rule in question."""
    rows = (len(loop) + 1) // 2
    places = _places(len(loop), rows)
    boxes = tuple(
        Box(x, y, _lines(edge.source.name, NAME_LETTERS), number == 0)
        for number, (edge, (x, y)) in enumerate(zip(loop, places, strict=True))
    )
    after = [*boxes[1:], boxes[0]]
    arrows = tuple(_arrow(box, other, edge.what) for box, other, edge in zip(boxes, after, loop, strict=True))
    steps = tuple((edge.source.name, edge.source.rule_id, edge.what, edge.target.name) for edge in loop)
    return Picture(2 * MARGIN + rows * BOX_HEIGHT + (rows - 1) * GAP, boxes, arrows, steps)


def _places(count: int, rows: int) -> list[tuple[int, int]]:
    """Down the left column, then up the right one, which ends a row lower when the number is odd."""
    left = [(0, row) for row in range(rows)]
    right = [(RIGHT, row) for row in reversed(range(rows - (count - rows), rows))]
    return [(x, MARGIN + row * (BOX_HEIGHT + GAP)) for x, row in left + right]


def _arrow(box: Box, other: Box, what: str) -> Arrow:
    if box == other:
        return _to_itself(box, what)
    if box.x == other.x:
        return _upright(box, other, what)
    return _across(box, other, what) if box.y == other.y else _round_the_corner(box, other, what)


def _to_itself(box: Box, what: str) -> Arrow:
    edge, top = box.x + BOX_WIDTH, box.y + 12
    path = f"M{edge} {top}h26v20h-22"
    return Arrow(path, edge + 36, top + 8, _lines(what, LABEL_LETTERS))


def _upright(box: Box, other: Box, what: str) -> Arrow:
    is_down = other.y > box.y
    x = box.x + SHAFT
    begin, end = (box.y + BOX_HEIGHT, other.y - 4) if is_down else (box.y, other.y + BOX_HEIGHT + 4)
    lines = _lines(what, LABEL_LETTERS)
    middle = (begin + end) // 2 + 5 - (len(lines) - 1) * LINE // 2
    return Arrow(f"M{x} {begin}V{end}", x + 10, middle, lines)


def _across(box: Box, other: Box, what: str) -> Arrow:
    """Between the columns. Arrows to the right are a little lower than those to the left, so that both have room."""
    is_right = other.x > box.x
    y = box.y + BOX_HEIGHT - 12 if is_right else box.y + 12
    begin, end = (BOX_WIDTH, RIGHT - 4) if is_right else (RIGHT, BOX_WIDTH + 4)
    label = box.y + BOX_HEIGHT + 18 if is_right else box.y - 10
    return Arrow(
        f"M{begin} {y}H{end}", WIDTH // 2, label, _lines(what, LONG_LABEL_LETTERS)[:1], is_middle=True
    )


def _round_the_corner(box: Box, other: Box, what: str) -> Arrow:
    """From the top of the right column, up and to the left into the first box one row higher."""
    x, y = box.x + SHAFT, other.y + BOX_HEIGHT // 2
    return Arrow(f"M{x} {box.y}V{y}H{other.x + BOX_WIDTH + 4}", x + 10, y + 14, _lines(what, LABEL_LETTERS))


def _lines(text: str, letters: int) -> tuple[str, ...]:
    found = wrap(text, letters, break_long_words=True)
    if len(found) <= 2:
        return tuple(found)
    rest = f"{found[1]} {found[2]}"
    return found[0], rest[: letters - 1].rstrip() + "…"
