"""Lines of a keyword table that are no keywords: totals, notes below the table, the header once more."""

import re
from collections.abc import Sequence
from itertools import pairwise

from app.business.planner.services.keyword_columns import plain_name

_TOTAL = (
    "total|totals|grand total|sub ?total|sum|summe|gesamt|gesamtsumme|gesamtergebnis|insgesamt|total general|"
    "total général|total geral|totale|totale complessivo|totaal|eindtotaal|suma|razem|suma końcowa|合計|総計"
)
_TOTAL_ALONE = re.compile(rf"^({_TOTAL})$", re.IGNORECASE)
_TOTAL_OF = re.compile(rf"^({_TOTAL})\s*[:：]", re.IGNORECASE)
_NOTE = re.compile(
    r"^(source|sources|quelle|fuente|fonte|bron|źródło|出典|exported|export date|generated|created|downloaded|"
    r"data from|date range|filters?|filter applied|note|notes|hinweis|remarque|nota|report|©|copyright|\*)"
    r"\s*([:：©*]|(on|by|from|at|with)\b.*\d)",
    re.IGNORECASE,
)
_END = 10
"""Lines at the end in which notes are looked for."""

TOTAL = "A total, not a keyword."
NOTE = "A note below the table, not a keyword."
HEADER_AGAIN = "The names of the columns once more."
ABOVE = "Above the line that names the columns."


class RowsLeftOut:
    """Why a line of the table is left out, seen from its neighbours. `lines`: all that are not empty, in order."""

    def __init__(
        self, lines: Sequence[tuple[int, list[str] | None]], names: Sequence[str], keyword: int
    ) -> None:
        self.keyword = keyword
        self.names = [plain_name(name) for name in names]
        numbers = [number for number, _ in lines]
        self.ends = {*numbers[:1], *numbers[-1:]}
        self.last = {*numbers[-_END:]}
        self.after_gap = _after_gap(lines)
        self.is_wide = sum(_filled(cells) > 1 for _, cells in lines) * 2 > len(lines)

    def reason(self, number: int, cells: list[str] | None) -> str | None:
        """A sentence, or None for a row."""
        texts = [cell.strip() for cell in cells or ()]
        said = texts[self.keyword] if self.keyword < len(texts) else ""
        first = next((text for text in texts if text), "")
        if self._is_total(number, said) or (not said and _is_any_total(first)):
            return TOTAL
        if number in self.last and (_NOTE.match(first) or self._is_apart(number, texts)):
            return NOTE
        if any(texts) and self.names and [plain_name(text) for text in texts] == self.names:
            return HEADER_AGAIN
        return None

    def _is_total(self, number: int, said: str) -> bool:
        if number in self.ends and _TOTAL_ALONE.match(said):
            return True
        return (number in self.ends or number in self.last) and _TOTAL_OF.match(said) is not None

    def _is_apart(self, number: int, texts: Sequence[str]) -> bool:
        """One cell alone after a blank line, below a table of several columns."""
        return self.is_wide and number in self.after_gap and sum(1 for text in texts if text) == 1


def _is_any_total(text: str) -> bool:
    return bool(_TOTAL_ALONE.match(text) or _TOTAL_OF.match(text))


def _filled(cells: Sequence[str] | None) -> int:
    return sum(1 for cell in cells or () if cell.strip())


def _after_gap(lines: Sequence[tuple[int, list[str] | None]]) -> set[int]:
    """Numbers of the lines below the last blank line, if each of them has one cell only."""
    numbers = [number for number, _ in lines]
    gaps = [later for earlier, later in pairwise(numbers) if later > earlier + 1]
    below = [(number, cells) for number, cells in lines if gaps and number >= gaps[-1]]
    return {number for number, _ in below} if all(_filled(cells) == 1 for _, cells in below) else set()
