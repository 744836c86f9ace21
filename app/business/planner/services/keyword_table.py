"""A parsed keyword export: its columns, the rows to import, and the reason for each row refused."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.business.errors import Invalid, TooLarge
from app.business.planner.services.keyword_cells import decimal_number, main_intent, whole_number
from app.business.planner.services.keyword_columns import PREAMBLE_LIMIT, choose, find_header
from app.business.planner.services.keyword_file import ROWS_LIMIT, Sheet, read_sheet
from app.business.planner.services.plain_text import clean_line, keyword_text

PREVIEW_ROWS = 10
HEADER_CELLS = 100


class NoKeywordColumn(Invalid):
    """No line has a keyword column. `headers`: cells of the likeliest line, to choose it from."""

    def __init__(self, errors: Mapping[str, Sequence[str]], headers: Sequence[str]) -> None:
        super().__init__(errors)
        self.headers = list(headers)


@dataclass(frozen=True)
class RowError:
    """Why a row is refused; `row` counts from 1 as in a spreadsheet."""

    row: int
    message: str


@dataclass(frozen=True)
class KeywordRow:
    """One row to import: field -> value, fields without a figure left out; `typed`: the keyword's cell as it is."""

    row: int
    values: dict[str, Any]
    typed: str = ""


@dataclass(frozen=True)
class KeywordTable:
    """`columns`: field -> header as found or corrected. `preview`: the first data rows, unchanged."""

    encoding: str
    separator: str
    header_row: int
    headers: list[str]
    columns: dict[str, str]
    rows: list[KeywordRow]
    errors: list[RowError]
    preview: list[list[str]]


def read_keyword_table(
    data: bytes, *, columns: Mapping[str, str] | None = None, encoding: str | None = None
) -> KeywordTable:
    """Read CSV, TSV or XLSX by its bytes.

    `columns` corrects what was recognised: field -> header ("" for none). Raises TooLarge over 5 MB or 50,000
    rows, Invalid when the file is no table, has no keyword column, or does not fit the corrections.
    """
    chosen = dict(columns or {})
    sheet = read_sheet(data, encoding=encoding, chosen=chosen)
    index = find_header([line or [] for line in sheet.lines], chosen)
    if index is None:
        raise NoKeywordColumn({"file": [_no_header(sheet, chosen)]}, _likely_headers(sheet))
    headers = [cell.strip() for cell in sheet.lines[index] or []]
    places = choose(headers, chosen)
    if "keyword" not in places:
        raise NoKeywordColumn(
            {"columns.keyword": ["Choose the column that holds the keywords."]}, _likely_headers(sheet)
        )
    body = [
        (number, cells)
        for number, cells in enumerate(sheet.lines, 1)
        if number > index + 1 and _has_text(cells)
    ]
    if len(body) > ROWS_LIMIT:
        raise TooLarge(f"The file has {len(body):,} rows; at most {ROWS_LIMIT:,} are taken. Split it.")
    rows, errors = _read_rows(body, places, decimal_comma=sheet.separator == ";")
    return KeywordTable(
        encoding=sheet.encoding,
        separator=sheet.separator,
        header_row=index + 1,
        headers=headers,
        columns={field: headers[column] for field, column in places.items()},
        rows=rows,
        errors=errors,
        preview=[list(cells or []) for _, cells in body[:PREVIEW_ROWS]],
    )


def _read_rows(
    body: Sequence[tuple[int, list[str] | None]], places: Mapping[str, int], *, decimal_comma: bool
) -> tuple[list[KeywordRow], list[RowError]]:
    rows: list[KeywordRow] = []
    errors: list[RowError] = []
    for number, cells in body:
        try:
            values = _read_row(cells, places, decimal_comma)
            rows.append(KeywordRow(number, values, (cells or [])[places["keyword"]]))
        except Invalid as refusal:
            errors.append(RowError(number, refusal.message))
    return rows, errors


def _read_row(cells: list[str] | None, places: Mapping[str, int], decimal_comma: bool) -> dict[str, Any]:
    if cells is None:
        raise Invalid(
            {"row": ["A quotation mark in this row is opened and never closed, or a cell is far too long."]}
        )
    values: dict[str, Any] = {}
    for field, column in places.items():
        cell = cells[column] if column < len(cells) else ""
        value = _read_cell(field, cell, decimal_comma)
        if value not in (None, ""):
            values[field] = value
    return values


def _read_cell(field: str, cell: str, decimal_comma: bool) -> Any:
    if field == "keyword":
        return _keyword(cell)
    if field in _TEXTS:
        return clean_line(cell, field, limit=_TEXTS[field], required=False)
    if field == "intent":
        return main_intent(cell)
    return _figure(field, cell, decimal_comma)


def _keyword(cell: str) -> str:
    if not cell.strip():
        raise Invalid({"keyword": ["The keyword is empty."]})
    try:
        return keyword_text(cell, "keyword")
    except Invalid as refusal:
        raise Invalid({"keyword": [f"The keyword cannot be taken. {refusal.message}"]}) from None


def _figure(field: str, cell: str, decimal_comma: bool) -> float | int | None:
    read: Callable[[str], float | int | None] = whole_number
    if field in _DECIMALS:
        read = lambda text: decimal_number(text, decimal_comma=decimal_comma)  # noqa: E731
    try:
        value = read(cell)
    except ValueError as reason:
        raise Invalid({field: [f"{field.capitalize()}: {reason}."]}) from None
    if value is not None and not 0 <= value <= _HIGHEST.get(field, value):
        raise Invalid({field: [f"{field.capitalize()}: “{cell.strip()}” is out of range."]})
    return value


_TEXTS = {"country": 64, "language": 64, "url": 2000, "sector": 255, "site": 255}
_DECIMALS = ("difficulty", "cpc", "position")
_HIGHEST = {"difficulty": 100}


def _has_text(cells: list[str] | None) -> bool:
    return cells is None or any(cell.strip() for cell in cells)


def _likely_headers(sheet: Sheet) -> list[str]:
    lines = [line for line in sheet.lines[:PREAMBLE_LIMIT] if line]
    return [cell.strip()[:255] for cell in max(lines, key=len, default=[])][:HEADER_CELLS]


def _no_header(sheet: Sheet, chosen: Mapping[str, str]) -> str:
    if chosen.get("keyword"):
        return f"The file has no column “{chosen['keyword']}”. Choose one of its headers."
    first = next((line for line in sheet.lines if line and _has_text(line)), None)
    if first is None:
        return "The file is empty. Export it again, with at least a column “Keyword”."
    names = ", ".join(f"“{cell.strip()[:40]}”" for cell in first[:12])
    return f"No column is named “Keyword”. The first line has: {names}. Rename or choose the keyword column."
