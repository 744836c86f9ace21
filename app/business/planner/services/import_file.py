"""An uploaded keyword file prepared for import: rows with their site, each keyword once, and the rows refused.

Nothing here uses the database: it runs before any transaction, and in a separate process
(`app.infrastructure.file_reader`) that loads no more than this module imports.
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.business.errors import Invalid
from app.business.folding import fold, name_key
from app.business.planner.services.keyword_rows import CellValue, KeywordRow, RowError
from app.business.planner.services.keyword_table import KeywordTable, read_keyword_table
from app.business.planner.services.keyword_workbook import SheetSeen
from app.business.planner.services.plain_text import keyword_text

NEW_SECTORS_LIMIT = 200

SiteOfRow = tuple[int, str]
"""Id and language of the site that a row goes to."""


@dataclass(frozen=True)
class FileChoices:
    """How to read a file: corrections by hand, and where its rows go.

    site: where all rows go; None: their site column names it, one of `sites` (by `name_key`).
    one_sector: all rows go to one sector, whatever a sector column says.
    """

    columns: Mapping[str, str]
    encoding: str | None = None
    site: SiteOfRow | None = None
    one_sector: bool = False
    sites: Mapping[str, SiteOfRow] | None = None
    sheet: str | None = None
    header_row: int | None = None


@dataclass(frozen=True)
class ImportRow:
    """One keyword to write: `key` is its fold, `figures` its values from the file."""

    row: int
    site_id: int
    sector: str | None
    key: str
    text: str
    figures: dict[str, CellValue]


PackedRow = tuple[int, int | None, str | None, str, str, dict[str, CellValue]]
"""The values of an ImportRow as they are stored; the site may not be chosen yet."""


@dataclass(frozen=True)
class ImportFile:
    """What was recognised (as in KeywordTable), and the rows.

    found: acceptable rows, including `repeats` of earlier rows ·
    rows: as `unpack_rows` reads them; stored unchanged between the steps of an import.
    """

    encoding: str
    separator: str
    header_row: int
    headers: list[str]
    columns: dict[str, str]
    preview: list[list[str]]
    errors: list[RowError]
    found: int
    repeats: int
    left_out: list[RowError]
    unread: dict[str, int]
    notes: list[RowError]
    unknown_columns: list[str]
    sheet: str
    sheets: list[SheetSeen]
    hidden_rows: int
    rows: bytes

    @property
    def to_write(self) -> int:
        """The number of different keywords in the file."""
        return self.found - self.repeats


def read_import_file(data: bytes, choices: FileChoices) -> ImportFile:
    """Read and check the whole file. Raises TooLarge and Invalid as `read_keyword_table` does."""
    table = read_keyword_table(
        data,
        columns=choices.columns,
        encoding=choices.encoding,
        sheet=choices.sheet,
        header_row=choices.header_row,
    )
    return prepare(table, choices)


def prepare(table: KeywordTable, choices: FileChoices) -> ImportFile:
    """The table's rows with their sites, each keyword of a site once. Raises Invalid for too many sectors."""
    if not (choices.site and choices.one_sector):
        _check_sectors(table.rows)
    rows: dict[tuple[int | None, str], PackedRow] = {}
    errors: list[RowError] = []
    for row in table.rows:
        site = _site_of(row, table, choices)
        if isinstance(site, str):
            errors.append(RowError(row.row, site))
            continue
        key = (site[0] if site else None, fold(str(row.values["keyword"])))
        if key not in rows:
            rows[key] = _packed(row, site, key[1], choices.one_sector)
    found = len(table.rows) - len(errors)
    return ImportFile(
        table.encoding,
        table.separator,
        table.header_row,
        table.headers,
        table.columns,
        table.preview,
        sorted(table.errors + errors, key=lambda error: error.row),
        found,
        found - len(rows),
        table.left_out,
        table.unread,
        table.notes,
        table.unknown_columns,
        table.sheet,
        table.sheets,
        table.hidden_rows,
        pack_rows(rows.values()),
    )


def pack_rows(rows: Iterable[PackedRow]) -> bytes:
    """The rows as compressed lines of JSON."""
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    return zlib.compress("\n".join(lines).encode(), 1)


def unpack_lines(packed: bytes) -> list[bytes]:
    """The lines, not parsed yet: parsing fifty thousand at once would block every other thread for a while."""
    lines = zlib.decompress(packed)
    return lines.split(b"\n") if lines else []


def read_rows(lines: Sequence[bytes]) -> Iterator[ImportRow]:
    return (ImportRow(*json.loads(line)) for line in lines)


def _site_of(row: KeywordRow, table: KeywordTable, choices: FileChoices) -> SiteOfRow | str | None:
    """The row's site, or a sentence why there is none; None while nobody has chosen one."""
    if choices.site or "site" not in table.columns:
        return choices.site
    name = row.values.get("site")
    if not isinstance(name, str) or not name:
        return "The row names no site."
    return (choices.sites or {}).get(name_key(name)) or f"There is no site “{name}”."


def _packed(row: KeywordRow, site: SiteOfRow | None, key: str, one_sector: bool) -> PackedRow:
    site_id, language = site or (None, "")
    figures = {name: value for name, value in row.values.items() if name not in ("keyword", "site", "sector")}
    sector = None if one_sector else row.values.get("sector")
    text = keyword_text(row.typed, "keyword", language=language)
    return row.row, site_id, str(sector) if sector else None, key, text, figures


def _check_sectors(rows: Sequence[KeywordRow]) -> None:
    named = len({(row.values.get("site"), row.values.get("sector")) for row in rows})
    if named > NEW_SECTORS_LIMIT:
        message = f"The column names {named:,} different sectors; at most {NEW_SECTORS_LIMIT} are taken."
        raise Invalid({"columns.sector": [f"{message} Is it the right column?"]})
