"""A keyword export as lines of cells: file type, encoding and separator, detected from its bytes."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from itertools import islice

from charset_normalizer import from_bytes

from app.business.errors import Invalid, TooLarge
from app.business.planner.services.keyword_columns import PREAMBLE_LIMIT, find_header, recognise
from app.business.planner.services.keyword_workbook import CELLS_LIMIT, COLUMNS_LIMIT, workbook_lines

BYTES_LIMIT = 5 * 1024 * 1024
ROWS_LIMIT = 50_000
LINES_LIMIT = 2 * ROWS_LIMIT
"""Blank lines included."""
SEPARATORS = ("\t", ";", ",")
WORKBOOK = "xlsx"

ENCODINGS = (
    "utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255",
    "cp1256", "cp1257", "latin-1", "iso8859-2", "iso8859-15", "koi8-r", "mac-roman", "cp437", "cp850",
    "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr",
)  # fmt: skip
"""Encodings that may be chosen by hand; all others are refused."""

_GUESSED = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "shift_jis", "gb18030", "big5", "euc_kr"]
_SAMPLE = 64 * 1024


@dataclass(frozen=True)
class Sheet:
    """Lines of cells, blank ones included: row n is `lines[n - 1]`. None marks a broken line."""

    encoding: str
    separator: str
    lines: list[list[str] | None]


def read_sheet(data: bytes, *, encoding: str | None = None, chosen: Mapping[str, str] | None = None) -> Sheet:
    """The file's first table; `encoding` and `chosen` columns are corrections by hand.

    Raises TooLarge over 5 MB, Invalid({"file" or "encoding": …}) for what is not a table of text.
    """
    check_size(data)
    if data.startswith(b"PK\x03\x04"):
        return Sheet(WORKBOOK, "", _within_limits(workbook_lines(data)))
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise Invalid({"file": ["This is an old Excel file (.xls). Save it as .xlsx or .csv and try again."]})
    name = encoding or detect_encoding(data)
    text = decode(data, name)
    separator = detect_separator(text, chosen or {})
    return Sheet(name, separator, split_lines(text, separator))


def check_size(data: bytes) -> None:
    """Raises TooLarge over 5 MB."""
    if len(data) > BYTES_LIMIT:
        raise TooLarge("Files of at most 5 MB are taken. Split it, or keep only the columns you need.")


def detect_encoding(data: bytes) -> str:
    """By byte-order mark, zero bytes (UTF-16 without one), validity (UTF-8), else the likeliest 8-bit set."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    sample = data[:_SAMPLE]
    if sample.count(b"\0") > len(sample) // 5:
        return "utf-16-le" if sample[1::2].count(0) >= sample[::2].count(0) else "utf-16-be"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return _likeliest(data)
    return "utf-8"


def decode(data: bytes, encoding: str) -> str:
    """The text without its byte-order mark. Raises Invalid({"encoding": …})."""
    if encoding not in ENCODINGS:
        raise Invalid({"encoding": [f"Unknown encoding. Choose one of: {', '.join(ENCODINGS)}."]})
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise Invalid(
            {"encoding": [f"The file is not written in {encoding}. Choose another encoding."]}
        ) from None


def detect_separator(text: str, chosen: Mapping[str, str]) -> str:
    """The separator under which the header line names the most fields; between equals, the widest line."""

    def merit(separator: str) -> tuple[int, int]:
        # Lines wider than the limit are cut: under a wrong separator a valid text may have them.
        read = islice(_lines(text[:_SAMPLE], separator), PREAMBLE_LIMIT)
        lines = [(line or [])[:COLUMNS_LIMIT] for line in read]
        header = find_header(lines, chosen)
        if header is None:
            return 0, max((len(line) for line in lines), default=0)
        return len(recognise(lines[header])), len(lines[header])

    return max(SEPARATORS, key=merit)


def split_lines(text: str, separator: str) -> list[list[str] | None]:
    """Lines of cells. An unclosed quotation mark affects only its own line. Raises TooLarge."""
    return _within_limits(_lines(text, separator))


def _lines(text: str, separator: str) -> Iterator[list[str] | None]:
    # Not str.splitlines: it also breaks at form feeds and U+2028, which spreadsheets keep within a cell.
    try:
        for _ in csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True):
            pass
    except csv.Error:
        return (_one_line(line, separator) for line in StringIO(text, newline=""))
    return iter(csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True))


def _one_line(line: str, separator: str) -> list[str] | None:
    try:
        return next(csv.reader([line], delimiter=separator), []) if line.count('"') % 2 == 0 else None
    except csv.Error:
        return None


def _within_limits(read: Iterable[list[str] | None]) -> list[list[str] | None]:
    """The lines; refused at the first one over the limits."""
    lines: list[list[str] | None] = []
    filled = cells = 0
    for line in read:
        lines.append(line)
        filled, cells = filled + bool(line), cells + len(line or ())
        if len(line or ()) > COLUMNS_LIMIT:
            raise TooLarge(
                f"Line {len(lines):,} has more than {COLUMNS_LIMIT} columns. Keep only those you need."
            )
        if cells > CELLS_LIMIT:
            raise TooLarge(f"The file has more than {CELLS_LIMIT:,} cells. Keep only the columns you need.")
        if filled > ROWS_LIMIT + PREAMBLE_LIMIT or len(lines) > LINES_LIMIT:
            raise TooLarge(f"The file has more than {ROWS_LIMIT:,} rows. Split it.")
    return lines


def _likeliest(data: bytes) -> str:
    matches = list(from_bytes(data[:_SAMPLE], cp_isolation=_GUESSED))
    if not matches:
        return "cp1252"
    least = min(match.chaos for match in matches)
    # Western European text is as valid in its neighbours' code pages; it is by far the most common of them.
    western = any("cp1252" in match.could_be_from_charset and match.chaos <= least for match in matches)
    return "cp1252" if western else matches[0].encoding
