"""The rows of a keyword table: each is a keyword with its figures, refused, or left out as no keyword."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.business.errors import Invalid
from app.business.planner.services.keyword_cells import (
    decimal_number,
    difficulty_word,
    intents_of,
    is_yes,
    main_intent,
    whole_number,
)
from app.business.planner.services.keyword_columns import intent_columns, plain_name
from app.business.planner.services.keyword_file import WRONG_BYTES
from app.business.planner.services.keyword_headers import ALIASES
from app.business.planner.services.keyword_layout import Layout
from app.business.planner.services.keyword_rows_left_out import RowsLeftOut
from app.business.planner.services.plain_text import clean_line, keyword_text

CellValue = str | float | list[str] | None
"""What a cell says: a text, a number, texts; None: nothing."""
Numbered = tuple[int, list[str] | None]
"""A line with its number, from 1 as in a spreadsheet."""

NOTES_LIMIT = 50
FEATURES_LIMIT = 50
DECIMALS = ("difficulty", "cpc", "position")
_TEXTS = {"country": 64, "language": 64, "url": 2000, "match_type": 64, "sector": 255, "site": 255}
_HIGHEST = {"difficulty": 100}
_BROKEN = "A quotation mark in this row is opened and never closed, or a cell is far too long."
_BYTES = "Bytes in this row do not fit the encoding of the file. Correct the row, or choose another encoding."
_ADDRESS = re.compile(r"^(https?://\S+|/\S*|(?:[\w-]+\.)+[a-z]{2,}(?:[:/?#]\S*)?)$", re.IGNORECASE)
_MATCH_TYPE = {plain_name(name) for name in ALIASES["match_type"]}
_MARKED = re.compile(r"^(?:\[(?P<exact>[^\[\]]+)\]|\"(?P<phrase>[^\"]+)\")$")


@dataclass(frozen=True)
class RowError:
    """Why a row is refused, left out, or not read in full; `row` counts from 1 as in a spreadsheet."""

    row: int
    message: str


@dataclass(frozen=True)
class KeywordRow:
    """One row to import: field -> value, fields without a figure left out; `typed`: the keyword's cell as it is."""

    row: int
    values: dict[str, CellValue]
    typed: str = ""


class RowReader:
    """Reads the rows below the header, and keeps count of what became of each."""

    def __init__(self, layout: Layout, *, decimal_comma: bool, is_workbook: bool) -> None:
        self.layout, self.places = layout, layout.places
        self.intents = {} if "intent" in self.places else intent_columns(layout.headers)
        self.decimal_comma, self.is_workbook = decimal_comma, is_workbook
        self.rows: list[KeywordRow] = []
        self.errors: list[RowError] = []
        self.left_out: list[RowError] = []
        self.notes: list[RowError] = []
        self.unread: Counter[str] = Counter()
        self.has_marks = False

    def read(self, body: Sequence[Numbered]) -> None:
        """Read all rows."""
        self.has_marks = self._has_match_types(body)
        names = self.layout.headers if self.layout.header is not None else []
        out = RowsLeftOut(body, names, self.places["keyword"])
        for number, cells in body:
            if reason := out.reason(number, cells):
                self.left_out.append(RowError(number, reason))
                continue
            try:
                values, typed = self._row(number, cells)
                self.rows.append(KeywordRow(number, values, typed))
            except Invalid as refusal:
                self.errors.append(RowError(number, refusal.message))
        if self.is_workbook:
            self._percents()

    def _row(self, number: int, cells: list[str] | None) -> tuple[dict[str, CellValue], str]:
        if cells is None:
            raise Invalid({"row": [_BROKEN]})
        if any(WRONG_BYTES in cell for cell in cells):
            raise Invalid({"row": [_BYTES]})
        typed = _cell(cells, self.places["keyword"])
        marked = ""
        if self.has_marks:
            marked = match_type_of(typed)
            typed = without_marks(typed)
        values: dict[str, CellValue] = {"keyword": _keyword(typed)}
        for field, column in self.places.items():
            if field != "keyword":
                value = self._value(number, field, _cell(cells, column))
                if value not in (None, "", []):
                    values[field] = value
        if self.intents and (intents := self._flagged(cells)):
            values |= {"intent": intents[0], "intents": intents}
        elif "intent" in values:
            values["intents"] = intents_of(_cell(cells, self.places["intent"]))
        if marked and "match_type" not in values:
            values["match_type"] = marked
        return _without_place(values), typed

    def _value(self, number: int, field: str, cell: str) -> CellValue:
        try:
            return self._read_cell(field, cell)
        except (Invalid, ValueError) as reason:
            message = reason.message if isinstance(reason, Invalid) else f"{reason}."
            self.unread[field] += 1
            if len(self.notes) < NOTES_LIMIT:
                self.notes.append(
                    RowError(number, f"{NAMES.get(field, field.capitalize())} left empty: {message}")
                )
            return None

    def _read_cell(self, field: str, cell: str) -> CellValue:
        if field == "url":
            return _address(cell)
        if field in _TEXTS:
            return clean_line(cell, field, limit=_TEXTS[field], required=False)
        if field == "intent":
            return _intent(cell)
        if field == "parent_keyword":
            return "" if _says_nothing(cell) else keyword_text(cell, field)
        if field == "serp_features":
            return _features(cell)
        return self._figure(field, cell)

    def _figure(self, field: str, cell: str) -> float | int | None:
        read: Callable[[str], float | int | None] = whole_number
        if field in DECIMALS:
            read = lambda text: decimal_number(text, decimal_comma=self.decimal_comma)  # noqa: E731
        word = difficulty_word(cell) if field == "difficulty" else None
        value = read(cell) if word is None else word
        if value is not None and not 0 <= value <= _HIGHEST.get(field, value):
            raise ValueError(f"“{cell.strip()}” is out of range")
        return value

    def _flagged(self, cells: Sequence[str]) -> list[str]:
        return intents_of(
            ",".join(intent for column, intent in self.intents.items() if is_yes(_cell(cells, column)))
        )

    def _has_match_types(self, body: Sequence[Numbered]) -> bool:
        """Whether quotation marks and brackets are those of match types; elsewhere people searched with them."""
        if any(plain_name(name) in _MATCH_TYPE for name in self.layout.headers):
            return True
        place = self.places["keyword"]
        return any(
            (cell := _cell(cells or (), place).strip()).startswith("[") and cell.endswith("]")
            for _, cells in body
        )

    def _percents(self) -> None:
        """A workbook stores 57 % as 0.57: figures of difficulty that are all parts of one are percents."""
        rated = [
            (row.values, figure)
            for row in self.rows
            if isinstance(figure := row.values.get("difficulty"), int | float)
        ]
        if any(0 < figure < 1 for _, figure in rated) and all(figure <= 1 for _, figure in rated):
            for values, figure in rated:
                values["difficulty"] = round(figure * 100, 4)


NAMES = {
    "cpc": "CPC",
    "url": "Page that ranks",
    "parent_keyword": "Parent keyword",
    "traffic_potential": "Traffic potential",
    "serp_features": "SERP features",
    "match_type": "Match type",
}
"""Fields whose name on pages is not their own."""


def match_type_of(cell: str) -> str:
    """What the marks around a keyword say; empty where there are none."""
    text = cell.strip()
    if marked := _MARKED.match(text):
        return "exact" if marked["exact"] else "phrase"
    return "broad" if without_marks(cell) != cell else ""


def without_marks(cell: str) -> str:
    """A keyword without the marks of its match type: `[exact]`, `"phrase"`, `+broad +modified`."""
    text = cell.strip()
    if marked := _MARKED.match(text):
        return (marked["exact"] or marked["phrase"]).strip()
    words = text.split()
    if words and all(len(word) > 1 and word.startswith("+") for word in words):
        return " ".join(word[1:] for word in words)
    return cell


def _features(cell: str) -> list[str]:
    """The boxes named in the cell, each once; a mere number of them names none."""
    if _says_nothing(cell) or cell.strip().isdigit():
        return []
    parts = (" ".join(part.split())[:64] for part in re.split(r"[,;|\n]", cell))
    return [*dict.fromkeys(part for part in parts if part)][:FEATURES_LIMIT]


def _cell(cells: Sequence[str], column: int) -> str:
    return cells[column] if column < len(cells) else ""


def _keyword(cell: str) -> str:
    if not cell.strip():
        raise Invalid({"keyword": ["The keyword is empty."]})
    try:
        return keyword_text(cell, "keyword")
    except Invalid as refusal:
        raise Invalid({"keyword": [f"The keyword cannot be taken. {refusal.message}"]}) from None


def _intent(cell: str) -> str | None:
    found = main_intent(cell)
    if not found and cell.strip() and not intents_of(cell) and not _says_nothing(cell):
        raise ValueError(f"“{cell.strip()[:40]}” is no intent")
    return found


def _says_nothing(cell: str) -> bool:
    try:
        return whole_number(cell) is None
    except ValueError:
        return False


def _address(cell: str) -> str:
    text = clean_line(cell, "url", limit=_TEXTS["url"], required=False)
    if text and not _says_nothing(text) and not _ADDRESS.match(text):
        raise ValueError(f"“{text[:40]}” is no web address")
    return "" if _says_nothing(text) else text


def _without_place(values: Mapping[str, CellValue]) -> dict[str, CellValue]:
    """Without impressions, and at place 0, it does not rank: it has no position."""
    ranks = values.get("impressions") != 0 and values.get("position") != 0
    return {field: value for field, value in values.items() if ranks or field != "position"}
