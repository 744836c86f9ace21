"""How a sheet is laid out: which line names its columns, if any, and which column holds the keywords.

Decided by evidence over the first lines: how many columns a line names, whether the cells below it are of another
kind, and whether it stands among lines of its own shape (then it is a keyword that is called like a column).
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from app.business.errors import Invalid
from app.business.planner.services.keyword_columns import PREAMBLE_LIMIT, correct, recognise

SAMPLE_LINES = 200
Line = list[str] | None

_FIGURE = re.compile(
    r"^[\s$€£¥%~≈<>≤≥+\-–—.,'’:/\d\u00a0\u202f]*\d[\s$€£¥%+\-–—.,'’:/\d\u00a0\u202f]*[kKmMbB%]?$"
)
_ADDRESS = re.compile(r"^(https?://|www\.)", re.IGNORECASE)
_LONGEST = 80
_MOST_WORDS = 12
_BINARY = re.compile(r"[\x00-\x08\x0e-\x1f]")


@dataclass(frozen=True)
class Layout:
    """header: index of the line with the names; None: every line is a row. places: field -> column.

    Without a field "keyword" in `places` nothing looks like keywords.
    """

    header: int | None
    headers: list[str]
    places: dict[str, int]
    named: int
    """Number of columns known by their names."""

    @property
    def merit(self) -> tuple[bool, int]:
        return "keyword" in self.places, self.named


def lay_out(lines: Sequence[Line], chosen: Mapping[str, str], header_row: int | None = None) -> Layout:
    """The layout that the evidence speaks for, or the corrected one (`header_row` from 1; 0: no header).

    Raises Invalid({"header_row" or "columns.<field>": …}) for a correction that does not fit.
    """
    sample = [[cell.strip() for cell in line or []] for line in islice(lines, SAMPLE_LINES)]
    if header_row is None:
        header = _with_chosen(sample, chosen) if chosen.get("keyword") else find_header(sample)
    else:
        if header_row > len(lines) or header_row < 0:
            raise Invalid({"header_row": [f"The sheet has {len(lines):,} lines. Choose one of them, or 0."]})
        header = header_row - 1 if header_row else None
    names = _cells(lines, header)
    body = (
        sample
        if header is None
        else [_stripped(line) for line in lines[header + 1 : header + 1 + SAMPLE_LINES]]
    )
    headers = _unique_names(names, body)
    known = recognise(names) if header is not None else {}
    places = correct(headers, known, chosen)
    if "keyword" not in places and "keyword" not in chosen:
        guess = _keyword_column(headers, body, taken=places.values())
        places = places if guess is None else {"keyword": guess} | places
    return Layout(header, headers, places, len(known))


def find_header(lines: Sequence[Sequence[str]]) -> int | None:
    """Index of the line that names the columns, or None where no line does."""
    best, most = None, (0, False)
    for index, cells in enumerate(lines[:PREAMBLE_LIMIT]):
        known = recognise(cells) if _filled(cells) else {}
        merit = len(known), "keyword" in known
        if merit > most and _may_name(cells, known) and not _is_among_its_like(lines, index, merit[0]):
            best, most = index, merit
    return best if best is not None else _by_contrast(lines)


def is_figure(cell: str) -> bool:
    """Whether the cell is a number, percent, price, range or date in figures."""
    return bool(_FIGURE.match(cell))


def usual_width(lines: Iterable[Sequence[str]]) -> int:
    """Filled cells of most lines."""
    widths = Counter(filled for line in lines if (filled := _filled(line)))
    return widths.most_common(1)[0][0] if widths else 0


def _stripped(line: Line) -> list[str]:
    return [cell.strip() for cell in line or []]


def _cells(lines: Sequence[Line], header: int | None) -> list[str]:
    return [] if header is None else _stripped(lines[header])


def _filled(cells: Sequence[str]) -> int:
    return sum(1 for cell in cells if cell)


def _may_name(cells: Sequence[str], known: Mapping[str, int]) -> bool:
    """A line of names has no figures; a wide one with many known names may (months of a trend)."""
    figures = sum(1 for cell in cells if cell and is_figure(cell))
    return not figures or (len(known) > 1 and figures * 2 < _filled(cells)) or (len(known) > 2)


def _is_among_its_like(lines: Sequence[Sequence[str]], index: int, known: int) -> bool:
    """Whether a line that names one column only is a row among rows, or a line of a title above the table."""
    if known > 1:
        return False
    width = _filled(lines[index])
    before = [line for line in lines[:index] if _filled(line)]
    if before and _filled(lines[index - 1]) == width and width == usual_width(lines[index + 1 :]):
        return True
    below = usual_width(lines[index + 1 :])
    return width > 1 and below > width and _filled(_next(lines, index)) != width


def _next(lines: Sequence[Sequence[str]], index: int) -> Sequence[str]:
    return next((line for line in lines[index + 1 :] if _filled(line)), [])


def _by_contrast(lines: Sequence[Sequence[str]]) -> int | None:
    """The first line all of texts, as wide as the rows, over a column of figures."""
    width = usual_width(lines)
    if width < 2:
        return None
    for index, cells in enumerate(lines[:PREAMBLE_LIMIT]):
        if _filled(cells) < max(2, width) or any(is_figure(cell) for cell in cells if cell):
            continue
        below = lines[index + 1 :]
        if any(cell and _is_mostly_figures(below, column) for column, cell in enumerate(cells)):
            return index
    return None


def _is_mostly_figures(lines: Sequence[Sequence[str]], column: int) -> bool:
    cells = [line[column] for line in lines if column < len(line) and line[column]]
    return bool(cells) and sum(map(is_figure, cells)) * 10 >= len(cells) * 7


def _with_chosen(lines: Sequence[Sequence[str]], chosen: Mapping[str, str]) -> int | None:
    """The line that holds the chosen headers, or None: then the columns have no names but their numbers."""
    wanted = {header for header in chosen.values() if header}
    found = {index: len(wanted.intersection(cells)) for index, cells in enumerate(lines[:PREAMBLE_LIMIT])
             if chosen["keyword"] in cells}  # fmt: skip
    likely = find_header(lines)
    return max(found, key=lambda index: (index == likely, found[index], -index), default=likely)


def _unique_names(names: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """The names, each once; a column of data without a name is called by its number."""
    width = max((place + 1 for line in body for place, cell in enumerate(line) if cell), default=0)
    seen: set[str] = set()
    unique = []
    for place in range(max(len(names), width)):
        name = names[place] if place < len(names) else ""
        if not name and any(place < len(line) and line[place] for line in body):
            name = f"Column {place + 1}"
        if name and name in seen:
            name = f"{name} (column {place + 1})"
        seen.add(name)
        unique.append(name)
    return unique


def _keyword_column(
    headers: Sequence[str], body: Sequence[Sequence[str]], *, taken: Iterable[int]
) -> int | None:
    """The column whose cells look most like searches: short texts, hardly any twice."""
    others = {*taken}
    rows = [line for line in body if _filled(line)]
    merits = {
        column: _likeness([line[column] if column < len(line) else "" for line in rows])
        for column in range(len(headers))
        if column not in others
    }
    best = max(merits, key=lambda column: (merits[column], -column), default=None)
    return best if best is not None and merits[best] > 0 else None


def _likeness(cells: Sequence[str]) -> float:
    texts = [cell for cell in cells if cell]
    searches = [text for text in texts if _is_like_a_search(text)]
    if not searches or len(searches) * 10 < len(texts) * 6 or any(map(_BINARY.search, texts)):
        return 0
    return round(len({*searches}) / len(cells), 1)


def _is_like_a_search(text: str) -> bool:
    if not any(letter.isalpha() for letter in text) or _ADDRESS.match(text) or is_figure(text):
        return False
    return len(text) <= _LONGEST and text.count(" ") < _MOST_WORDS
