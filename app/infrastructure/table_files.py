"""Tables as files: CSV, JSON lines and XLSX, written row by row into a file on disk.

What begins like a formula is no formula in any of them: in CSV an apostrophe stands before it, in XLSX it is text.
Lists and objects stay what they are in JSON lines; in the other two a cell has a list as `one; two`, an object as JSON.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from tempfile import TemporaryFile
from typing import IO

from pydantic import JsonValue

Cell = str | int | float | None
Rows = Iterable[Mapping[str, JsonValue]]
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
TYPES = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
MOST_CHARACTERS = 32_767
"""Of a cell of a spreadsheet."""


def table_file(kind: str, columns: Sequence[str], rows: Rows) -> IO[bytes]:
    """The file, at its beginning; whoever gets it closes it. kind: a key of TYPES."""
    file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - it is handed on
    {"csv": _write_csv, "jsonl": _write_lines, "xlsx": _write_sheet}[kind](file, columns, rows)
    file.seek(0)
    return file


def cell_of(value: JsonValue) -> Cell:
    """The value as one cell."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value):
        return "; ".join(str(cell_of(item)) for item in value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value


def plain_text(cell: Cell) -> Cell:
    """The cell for CSV, so that no spreadsheet computes it."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_SIGNS) else cell


def _write_csv(file: IO[bytes], columns: Sequence[str], rows: Rows) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([plain_text(cell_of(row[column])) for column in columns] for row in rows)
    text.detach()


def _write_lines(file: IO[bytes], _columns: Sequence[str], rows: Rows) -> None:
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


def _write_sheet(file: IO[bytes], columns: Sequence[str], rows: Rows) -> None:
    # Imported here so that it takes no memory of processes that write no sheet.
    from xlsxwriter import Workbook

    workbook = Workbook(
        file, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    sheet = workbook.add_worksheet()
    sheet.freeze_panes(1, 0)
    for place, column in enumerate(columns):
        sheet.write_string(0, place, column)
    for number, row in enumerate(rows, 1):
        for place, column in enumerate(columns):
            cell = cell_of(row[column])
            if isinstance(cell, str):
                sheet.write_string(number, place, cell[:MOST_CHARACTERS])
            elif cell is not None:
                sheet.write_number(number, place, cell)
    workbook.close()
