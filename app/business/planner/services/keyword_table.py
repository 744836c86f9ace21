"""A parsed keyword export: its columns, the rows to import, and the reason for each row refused."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.business.errors import Invalid, TooLarge
from app.business.planner.services.keyword_columns import PREAMBLE_LIMIT
from app.business.planner.services.keyword_file import ROWS_LIMIT, Sheet, read_sheet
from app.business.planner.services.keyword_layout import Layout, lay_out
from app.business.planner.services.keyword_rows import DECIMALS, KeywordRow, Numbered, RowError, RowReader
from app.business.planner.services.keyword_rows_left_out import ABOVE
from app.business.planner.services.keyword_workbook import SheetSeen

PREVIEW_ROWS = 10
HEADER_CELLS = 100


class NoKeywordColumn(Invalid):
    """Nothing looks like keywords. `headers`: cells of the likeliest line, and `sheets`, to choose from."""

    def __init__(
        self, errors: Mapping[str, Sequence[str]], headers: Sequence[str], sheets: Sequence[SheetSeen] = ()
    ) -> None:
        super().__init__(errors)
        self.headers = list(headers)
        self.sheets = list(sheets)


@dataclass(frozen=True)
class KeywordTable:
    """`columns`: field -> header as found or corrected. `preview`: the first data rows, unchanged.

    header_row: from 1; 0: the file names no columns · left_out: lines that are no keywords, each with its reason ·
    unread: field -> cells left empty because they hold something else, the first of them in `notes` ·
    unknown_columns: headers that are imported into no field · sheet: of `sheets` · hidden_rows: those of `rows` that
    the sheet does not show.
    """

    encoding: str
    separator: str
    header_row: int
    headers: list[str]
    columns: dict[str, str]
    rows: list[KeywordRow]
    errors: list[RowError]
    preview: list[list[str]]
    left_out: list[RowError]
    unread: dict[str, int]
    notes: list[RowError]
    unknown_columns: list[str]
    sheet: str
    sheets: list[SheetSeen]
    hidden_rows: int


def read_keyword_table(
    data: bytes,
    *,
    columns: Mapping[str, str] | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    header_row: int | None = None,
) -> KeywordTable:
    """Read CSV, TSV, a list of keywords, XLSX, ODS or XLS by its bytes.

    `columns` corrects what was recognised: field -> header ("" for none); so do the others. Raises TooLarge over
    5 MB or 50,000 rows, Invalid when the file is no table, nothing in it looks like keywords, or it does not fit
    the corrections.
    """
    chosen = dict(columns or {})
    read = read_sheet(data, encoding=encoding, chosen=chosen, sheet=sheet)
    layout = _layout(read, chosen, header_row)
    if "keyword" not in layout.places:
        raise NoKeywordColumn(_no_keywords(read, chosen), _likely_headers(read, layout), read.sheets)
    above, body = _parted(read, layout)
    if len(body) > ROWS_LIMIT:
        raise TooLarge(f"The file has {len(body):,} rows; at most {ROWS_LIMIT:,} are taken. Split it.")
    reader = RowReader(
        layout, decimal_comma=_has_decimal_comma(read, layout, body), is_workbook=bool(read.sheets)
    )
    reader.read(body)
    used = {*layout.places.values(), *reader.intents}
    return KeywordTable(
        encoding=read.encoding,
        separator=read.separator,
        header_row=0 if layout.header is None else layout.header + 1,
        headers=layout.headers,
        columns={field: layout.headers[column] for field, column in layout.places.items()},
        rows=reader.rows,
        errors=reader.errors,
        preview=[list(cells or []) for _, cells in body[:PREVIEW_ROWS]],
        left_out=[*(RowError(number, ABOVE) for number, _ in above), *reader.left_out],
        unread=dict(reader.unread),
        notes=reader.notes,
        unknown_columns=[name for place, name in enumerate(layout.headers) if name and place not in used],
        sheet=read.name,
        sheets=read.sheets,
        hidden_rows=sum(1 for row in reader.rows if row.row in read.hidden),
    )


def _layout(read: Sheet, chosen: Mapping[str, str], header_row: int | None) -> Layout:
    """Raises NoKeywordColumn, with what there is to choose from, for corrections that do not fit."""
    try:
        return lay_out(read.lines, chosen, header_row)
    except Invalid as refusal:
        raise NoKeywordColumn(refusal.errors, lay_out(read.lines, {}).headers, read.sheets) from None


def _parted(read: Sheet, layout: Layout) -> tuple[list[Numbered], list[Numbered]]:
    """The lines above the header and the rows below it, without blank ones, each with its number."""
    first = -1 if layout.header is None else layout.header
    filled = [(place, cells) for place, cells in enumerate(read.lines) if _has_text(cells)]
    above = [(place + 1, cells) for place, cells in filled if place < first]
    return above, [(place + 1, cells) for place, cells in filled if place > first]


def _has_decimal_comma(read: Sheet, layout: Layout, body: Sequence[Numbered]) -> bool:
    """Whether commas are decimal: European sheets have semicolons, or a figure with a comma that groups nothing."""
    if read.separator == ";":
        return True
    columns = [column for field, column in layout.places.items() if field in DECIMALS]
    return any(
        _DECIMAL_COMMA.match(cells[column].strip())
        for _, cells in body
        for column in columns
        if cells and column < len(cells)
    )


_DECIMAL_COMMA = re.compile(r"^\D?\d+,\d{1,2}\D?$")


def _has_text(cells: list[str] | None) -> bool:
    return cells is None or any(cell.strip() for cell in cells)


def _likely_headers(read: Sheet, layout: Layout) -> list[str]:
    lines = [line for line in read.lines[:PREAMBLE_LIMIT] if line]
    cells = layout.headers if layout.header is not None else max(lines, key=len, default=[])
    return [cell.strip()[:255] for cell in cells][:HEADER_CELLS]


def _no_keywords(read: Sheet, chosen: Mapping[str, str]) -> dict[str, list[str]]:
    if "keyword" in chosen and not chosen["keyword"]:
        return {"columns.keyword": ["Choose the column that holds the keywords."]}
    first = next((line for line in read.lines if line and _has_text(line)), None)
    if first is None:
        return {"file": [_EMPTY_SHEETS if read.sheets else _EMPTY_FILE]}
    names = ", ".join(f"“{cell.strip()[:40]}”" for cell in first[:12])
    found = f"Nothing in this file looks like keywords. The first line has: {names}."
    return {"file": [f"{found} Choose the column that holds them, or another file."]}


_EMPTY_FILE = "The file is empty. Export it again, with at least a column “Keyword”."
_EMPTY_SHEETS = "No sheet that is shown holds keywords. Choose another sheet, or show the hidden one."
