"""A keyword export as lines of cells: file type, encoding and separator, detected from its bytes."""

import codecs
import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from itertools import islice

from app.business.errors import Invalid, TooLarge
from app.business.planner.services.keyword_columns import PREAMBLE_LIMIT
from app.business.planner.services.keyword_layout import SAMPLE_LINES, lay_out, usual_width
from app.business.planner.services.keyword_workbook import (
    CELLS_LIMIT,
    COLUMNS_LIMIT,
    SheetSeen,
    is_workbook,
    open_workbook,
)

BYTES_LIMIT = 5 * 1024 * 1024
ROWS_LIMIT = 50_000
LINES_LIMIT = 2 * ROWS_LIMIT
"""Blank lines included."""
SEPARATORS = ("\t", ";", ",", "|")
NO_SEPARATOR = "\x1f"
"""Splits nothing: one keyword in each line, commas and all."""
WRONG_BYTES = "\udcff"
"""Stands in a decoded text where bytes do not fit the encoding."""

ENCODINGS = (
    "utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255",
    "cp1256", "cp1257", "latin-1", "iso8859-2", "iso8859-15", "koi8-r", "mac-roman", "cp437", "cp850",
    "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr",
)  # fmt: skip
"""Encodings that may be chosen by hand; all others are refused."""

# One cell may be as long as the file: a row with a longer one than a keyword may be is refused by itself.
csv.field_size_limit(BYTES_LIMIT + 1)

_GUESSED = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "shift_jis", "gb18030", "big5", "euc_kr"]
_SAMPLE = 64 * 1024


_SIGNATURES = {
    b"%PDF": "a PDF document", b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture", b"GIF8": "a picture",
    b"{\\rtf": "a text document (RTF)", b"<!doctype html": "a web page", b"<html": "a web page",
    b"\x1f\x8b": "packed (gzip)",
    b"Rar!": "packed (RAR)", b"7z\xbc\xaf": "packed (7z)",
}  # fmt: skip


@dataclass(frozen=True)
class Sheet:
    """Lines of cells, blank ones included: row n is `lines[n - 1]`. None marks a broken line.

    separator: empty in a workbook and where each line is one cell · name: of the sheet read, of `sheets` · hidden:
    numbers of the rows that the sheet does not show.
    """

    encoding: str
    separator: str
    lines: list[list[str] | None]
    name: str = ""
    sheets: list[SheetSeen] = field(default_factory=list)
    hidden: frozenset[int] = frozenset()


def read_sheet(
    data: bytes,
    *,
    encoding: str | None = None,
    chosen: Mapping[str, str] | None = None,
    sheet: str | None = None,
) -> Sheet:
    """The table with the keywords; `encoding`, `chosen` columns and `sheet` are corrections by hand.

    Raises TooLarge over 5 MB, Invalid({"file", "encoding" or "sheet": …}) for what is not a table of text.
    """
    check_size(data)
    if is_workbook(data):
        book = open_workbook(data)
        name, lines = book.choose(sheet, chosen or {})
        hidden = book.hidden.get(name, frozenset())
        return Sheet(book.kind, "", _within_limits(lines), name, book.sheets, hidden)
    if sheet:
        raise Invalid({"sheet": ["This file has no sheets."]})
    _check_signature(data)
    name = encoding or detect_encoding(data)
    text = decode(data, name, by_hand=encoding is not None)
    separator = detect_separator(text, chosen or {})
    lines_read = split_lines(text, separator)
    return Sheet(name, separator if separator != NO_SEPARATOR else "", lines_read)


def _check_signature(data: bytes) -> None:
    start = data[:64].lstrip().lower()
    for mark, kind in _SIGNATURES.items():
        if start.startswith(mark.lower()):
            raise Invalid(
                {"file": [f"This file is {kind}, not a table. Export it as .csv or .xlsx and try again."]}
            )


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
    if data.startswith(codecs.BOM_UTF8) or _is_utf8(data):
        return "utf-8"
    return _likeliest(data)


def _is_utf8(data: bytes) -> bool:
    """Whether it is UTF-8, stray bytes apart: several bytes of another encoding hardly ever make a valid letter."""
    text = data.decode("utf-8", _MARK)
    if WRONG_BYTES not in text:
        return True
    foreign = [line for line in text.split("\n") if not line.isascii()]
    wrong = sum(WRONG_BYTES in line for line in foreign)
    return len(foreign) - wrong >= wrong


def decode(data: bytes, encoding: str, *, by_hand: bool = False) -> str:
    """The text without its byte-order mark, with WRONG_BYTES where it does not fit. Raises Invalid({"encoding": …}).

    An encoding chosen `by_hand` is refused where half of the lines do not fit it.
    """
    if encoding not in ENCODINGS:
        raise Invalid({"encoding": [f"Unknown encoding. Choose one of: {', '.join(ENCODINGS)}."]})
    text = data.decode(encoding, _MARK).removeprefix("\ufeff")
    if by_hand and WRONG_BYTES in text:
        lines = [line for line in text.split("\n") if line.strip()]
        if sum(WRONG_BYTES in line for line in lines) * 2 >= len(lines):
            message = f"The file is not written in {encoding}. Choose another encoding."
            raise Invalid({"encoding": [message]})
    return text


def _mark_wrong(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return WRONG_BYTES, error.end


_MARK = "keyword_file.mark"
codecs.register_error(_MARK, _mark_wrong)


def detect_separator(text: str, chosen: Mapping[str, str]) -> str:
    """The separator under which the most columns are known by name; between equals, the evenest lines."""

    def merit(separator: str) -> tuple[int, int, int, int, bool]:
        # Lines wider than the limit are cut: under a wrong separator a valid text may have them.
        read = islice(_lines(text[:_SAMPLE], separator), PREAMBLE_LIMIT + SAMPLE_LINES)
        lines: list[list[str] | None] = [(line or [])[:COLUMNS_LIMIT] for line in read]
        named, evenness, width = _evidence(lines, separator, chosen)
        return named if named > 1 else 0, evenness, named, width, separator == NO_SEPARATOR

    return max((*SEPARATORS, NO_SEPARATOR), key=merit)


def _evidence(
    lines: list[list[str] | None], separator: str, chosen: Mapping[str, str]
) -> tuple[int, int, int]:
    """Columns known by name or chosen; how even the lines are, in percent; and the width of the first line."""
    layout = lay_out(lines, {})
    cells = {cell.strip() for line in lines[:PREAMBLE_LIMIT] for cell in line or ()}
    named = layout.named + sum(1 for header in chosen.values() if header and header in cells)
    width = usual_width([line or [] for line in lines])
    if not named and separator == "," and _is_prose(lines):
        return 0, 0, 1
    first = len(next((line for line in lines if line), []))
    if width < 2:
        return named, 0, first
    filled = [sum(1 for cell in line if cell.strip()) for line in lines if line]
    return named, 100 * sum(one == width for one in filled) // len(filled), first


def _is_prose(lines: list[list[str] | None]) -> bool:
    """Whether the commas are those of sentences: a space follows."""
    cells = [cell for line in lines for cell in (line or [])[1:] if cell]
    return sum(cell.startswith(" ") for cell in cells) * 2 > len(cells)


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
    # Its tables are of no use to processes that read no file.
    from charset_normalizer import from_bytes

    matches = list(from_bytes(data[:_SAMPLE], cp_isolation=_GUESSED))
    if not matches:
        return "cp1252"
    least = min(match.chaos for match in matches)
    # Western European text is as valid in its neighbours' code pages; it is by far the most common of them.
    western = any("cp1252" in match.could_be_from_charset and match.chaos <= least for match in matches)
    return "cp1252" if western else matches[0].encoding
