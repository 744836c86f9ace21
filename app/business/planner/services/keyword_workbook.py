"""Excel workbooks (.xlsx) as lines of text cells, within limits that stop zip and XML bombs."""

import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date
from io import BytesIO
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

from app.business.errors import Invalid, TooLarge

UNPACKED_LIMIT = 50 * 1024 * 1024
RATIO_LIMIT = 100
MEMBERS_LIMIT = 100
CELLS_LIMIT = 2_000_000
COLUMNS_LIMIT = 500

_CELL = re.compile(rb"""\sr=["']([A-Z]{1,3})(\d{1,7})["']""")
_DAMAGED = {
    "file": [
        "This workbook is damaged or protected. Open it in Excel, save it as .xlsx or .csv and try again."
    ]
}


def workbook_lines(data: bytes) -> Iterator[list[str] | None]:
    """The cells of the first sheet that has any. Raises TooLarge, or Invalid({"file": …})."""
    _check_archive(data)
    try:
        workbook = CalamineWorkbook.from_filelike(BytesIO(data))
        sheets = (workbook.get_sheet_by_index(index) for index in range(len(workbook.sheet_names)))
        filled = next((sheet for sheet in sheets if sheet.height), None)
        rows = filled.to_python(skip_empty_area=False) if filled else []
    except (CalamineError, ValueError):
        raise Invalid(_DAMAGED) from None
    return ([_as_text(cell) for cell in row] for row in rows)


def _check_archive(data: bytes) -> None:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            _check_members(archive)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError):
        raise Invalid(_DAMAGED) from None


def _check_members(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    if "xl/workbook.xml" not in archive.namelist():
        raise Invalid({"file": ["This is not an Excel workbook (.xlsx). Save the sheet as .xlsx or .csv."]})
    if len(members) > MEMBERS_LIMIT:
        raise TooLarge(f"The workbook has more than {MEMBERS_LIMIT} parts. Save its keyword sheet alone.")
    unpacked = 0
    for member in members:
        content = _unpack(archive, member, UNPACKED_LIMIT - unpacked)
        unpacked += len(content)
        if len(content) > RATIO_LIMIT * max(member.compress_size, 1024):
            raise TooLarge("The workbook unpacks to far more than its size. Save the sheet as .csv.")
        if member.filename.startswith("xl/worksheets/"):
            _check_area(content)


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
