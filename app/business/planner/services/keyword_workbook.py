"""Workbooks (.xlsx, .ods, .xls) as lines of text cells, within limits that stop zip and XML bombs."""

import re
import sys
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import Any

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from app.business.errors import Invalid, TooLarge
from app.business.planner.services.hidden_rows import hidden_rows, hidden_rows_of_ods
from app.business.planner.services.hidden_rows_of_xls import hidden_rows_of_xls
from app.business.planner.services.keyword_layout import SAMPLE_LINES, Layout, lay_out

UNPACKED_LIMIT = 50 * 1024 * 1024
RATIO_LIMIT = 100
MEMBERS_LIMIT = 100
CELLS_LIMIT = 2_000_000
COLUMNS_LIMIT = 500

_CELL = re.compile(rb"""\sr=["']([A-Z]{1,3})(\d{1,7})["']""")
_DAMAGED = {
    "file": ["This workbook is damaged or protected. Open it, save it as .xlsx or .csv and try again."]
}


_ZIP, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True)
class SheetSeen:
    """A sheet of a workbook: its lines, and the header of its keyword column ("" if nothing looks like keywords)."""

    name: str
    rows: int
    hidden: bool
    keyword: str


def is_workbook(data: bytes) -> bool:
    """By its first bytes."""
    return data.startswith((_ZIP, _OLD_EXCEL))


def open_workbook(data: bytes) -> "Workbook":
    """Raises TooLarge, or Invalid({"file": …})."""
    kind, hidden = _check_archive(data) if data.startswith(_ZIP) else ("xls", hidden_rows_of_xls(data))
    try:
        return Workbook(kind, CalamineWorkbook.from_filelike(BytesIO(data)), hidden)
    except (CalamineError, ValueError):
        raise Invalid(_DAMAGED) from None


class Workbook:
    """All sheets of a workbook, each looked at as far as its layout needs.

    hidden: name of a sheet -> numbers of the rows that a filter or a person has hidden.
    """

    def __init__(self, kind: str, book: CalamineWorkbook, hidden: Mapping[str, frozenset[int]]) -> None:
        self.kind, self.hidden = kind, hidden
        self.read: dict[str, CalamineSheet] = {}
        self.sheets: list[SheetSeen] = []
        self.layouts: dict[str, Layout] = {}
        for about in book.sheets_metadata:
            if about.typ == SheetTypeEnum.WorkSheet:
                self._see(book.get_sheet_by_name(about.name), about.visible != SheetVisibleEnum.Visible)

    def _see(self, sheet: CalamineSheet, hidden: bool) -> None:
        layout = lay_out(_lines(sheet, SAMPLE_LINES), {})
        place = layout.places.get("keyword")
        self.read[sheet.name], self.layouts[sheet.name] = sheet, layout
        header = layout.headers[place] if place is not None else ""
        self.sheets.append(SheetSeen(sheet.name, sheet.height, hidden, header))

    def choose(self, name: str | None, chosen: Mapping[str, str]) -> tuple[str, list[list[str] | None]]:
        """The named sheet, else the likeliest that is not hidden, with its lines. Raises Invalid({"sheet": …})."""
        if name and name not in self.read:
            known = ", ".join(f"“{sheet.name}”" for sheet in self.sheets)
            raise Invalid({"sheet": [f"The workbook has no sheet “{name[:64]}”. It has: {known}."]})
        name = name or self._likeliest(chosen)
        try:
            return name, _lines(self.read[name]) if name else []
        except (CalamineError, ValueError):
            raise Invalid(_DAMAGED) from None

    def _likeliest(self, chosen: Mapping[str, str]) -> str:
        def merit(seen: SheetSeen) -> tuple[bool, bool, int, int]:
            layout = self.layouts[seen.name]
            wanted = chosen.get("keyword")
            return bool(wanted) and wanted in layout.headers, *layout.merit, seen.rows

        shown = [seen for seen in self.sheets if not seen.hidden]
        return max(shown, key=merit).name if shown else ""


def _lines(sheet: CalamineSheet, limit: int | None = None) -> list[list[str] | None]:
    if not sheet.height:
        return []
    rows = sheet.to_python(skip_empty_area=False, nrows=limit)
    lines = [[_as_text(cell) for cell in row] for row in rows]
    _fill_down(sheet, lines)
    return [*lines]


def _fill_down(sheet: CalamineSheet, lines: list[list[str]]) -> None:
    """A cell merged over several rows stands in each of them: a topic beside its keywords."""
    for (top, left), (bottom, _) in sheet.merged_cell_ranges or ():
        if top < len(lines) and left < len(lines[top]):
            for line in lines[top + 1 : bottom + 1]:
                if left < len(line):
                    line[left] = lines[top][left]


def _check_archive(data: bytes) -> tuple[str, dict[str, frozenset[int]]]:
    """What kind of workbook it is, and the hidden rows of its sheets."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            return _check_members(archive)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError):
        raise Invalid(_DAMAGED) from None


def _check_members(archive: zipfile.ZipFile) -> tuple[str, dict[str, frozenset[int]]]:
    members = archive.infolist()
    kinds = {"xl/workbook.xml": "xlsx", "content.xml": "ods"}
    kind = next((kinds[name] for name in archive.namelist() if name in kinds), None)
    if kind is None:
        raise Invalid({"file": ["This is no workbook. Save the sheet as .xlsx, .ods or .csv."]})
    if len(members) > MEMBERS_LIMIT:
        raise TooLarge(f"The workbook has more than {MEMBERS_LIMIT} parts. Save its keyword sheet alone.")
    unpacked = 0
    texts: dict[str, bytes] = {}
    for member in members:
        content = _unpack(archive, member, UNPACKED_LIMIT - unpacked)
        unpacked += len(content)
        if len(content) > RATIO_LIMIT * max(member.compress_size, 1024):
            raise TooLarge("The workbook unpacks to far more than its size. Save the sheet as .csv.")
        if member.filename.startswith("xl/worksheets/"):
            _check_area(content)
        if member.filename.endswith((".xml", ".rels")):
            texts[member.filename] = content
    return kind, hidden_rows(texts) if kind == "xlsx" else hidden_rows_of_ods(texts["content.xml"])


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> bytes:
    # The size that a zip declares may be wrong: unpack for real, and stop one byte after the limit.
    member.file_size = sys.maxsize
    with archive.open(member) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise TooLarge("The workbook unpacks to more than 50 MB. Split it, or save the sheet as .csv.")
    return content


def _check_area(sheet: bytes) -> None:
    # Two distant cells would make the reader allocate every cell between them.
    cells = _CELL.findall(sheet)
    height = max((int(row) for _, row in cells), default=0)
    width = max((_column_number(letters) for letters, _ in cells), default=0)
    if height * width > CELLS_LIMIT:
        raise TooLarge(f"A sheet reaches over {height:,} rows and {width:,} columns. Remove far-away cells.")
    if width > COLUMNS_LIMIT:
        raise TooLarge(f"A sheet reaches over {width:,} columns; at most {COLUMNS_LIMIT} are taken.")


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _as_text(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, date) else str(cell)
