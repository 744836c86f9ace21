"""Workbooks as Excel wrote them up to 2003 (.xls): read, with the rows that somebody has hidden counted."""

import random
import struct

import pytest

from app.business.errors import Invalid
from app.business.planner.services.hidden_rows_of_xls import hidden_rows_of_xls
from app.business.planner.services.keyword_table import read_keyword_table

SECTOR, END, FREE, TABLE = 512, 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
Rows = list[tuple[bool, list[str]]]


def record(kind: int, body: bytes) -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


def begins(what: int) -> bytes:
    return record(0x0809, struct.pack("<HHHHII", 0x0600, what, 0, 0, 0, 0))


def words(text: str) -> bytes:
    return struct.pack("<B", 1) + text.encode("utf-16-le")


def sheet_of(rows: Rows) -> bytes:
    """rows: whether they are hidden, and their cells."""
    parts = [begins(0x10)]
    for number, (hidden, cells) in enumerate(rows):
        parts.append(record(0x0208, struct.pack("<6HHH", number, 0, len(cells), 255, 0, 0, 0x20 * hidden, 0)))
        for column, text in enumerate(cells):
            cell = struct.pack("<HHHH", number, column, 0, len(text)) + words(text)
            parts.append(record(0x0204, cell))
    return b"".join((*parts, record(0x000A, b"")))


def old_workbook(sheets: dict[str, Rows], *, is_small: bool = False) -> bytes:
    """is_small: the stream lies in the container's sectors for small streams."""
    bodies = [sheet_of(rows) for rows in sheets.values()]
    heads = [record(0x0085, struct.pack("<IHB", 0, 0, len(name)) + words(name)) for name in sheets]
    before = begins(0x05)
    at = len(before) + sum(map(len, heads)) + 4
    for place, (name, body) in enumerate(zip(sheets, bodies, strict=True)):
        heads[place] = record(0x0085, struct.pack("<IHB", at, 0, len(name)) + words(name))
        at += len(body)
    stream = b"".join((before, *heads, record(0x000A, b""), *bodies))
    if not is_small:
        stream = stream.ljust(4096, b"\0")
    return container(stream, is_small)


def container(stream: bytes, is_small: bool) -> bytes:
    data = stream.ljust(-(-len(stream) // SECTOR) * SECTOR, b"\0")
    count = len(data) // SECTOR
    # In this order: the table of sectors, that of small sectors, the directory, the stream.
    table = [TABLE, END, END, *range(4, 3 + count), END]
    small = [*range(1, len(data) // 64), END] if is_small else []
    root, own = (3, 0) if is_small else (END, 3)
    entries = entry("Root Entry", 5, root, len(data) if is_small else 0) + entry(
        "Workbook", 2, own, len(stream)
    )
    head = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        + bytes(16)
        + struct.pack("<5H", 0x3E, 3, 0xFFFE, 9, 6)
        + bytes(10)
    )
    head += struct.pack("<7I", 1, 2, 0, 4096, *((1, 1) if is_small else (END, 0)), END)
    head += struct.pack("<I", 0) + struct.pack("<109I", 0, *[FREE] * 108)
    return b"".join((head, numbers(table), numbers(small), entries.ljust(SECTOR, b"\0"), data))


def numbers(values: list[int]) -> bytes:
    return struct.pack(f"<{len(values)}I", *values).ljust(SECTOR, b"\xff")


def entry(name: str, kind: int, start: int, size: int) -> bytes:
    written = name.encode("utf-16-le")
    links = struct.pack("<HBBIII", len(written) + 2, kind, 1, FREE, FREE, 1 if kind == 5 else FREE)
    return written.ljust(64, b"\0") + links + bytes(36) + struct.pack("<IQ", start, size)


SHEETS: dict[str, Rows] = {
    "Notes": [(True, ["Read me"])],
    "Wörter": [(False, ["Keyword", "Volume"]), (False, ["oak table", "40"]), (True, ["elm table", "50"]),
               (True, ["ash table", "60"])],
}  # fmt: skip


@pytest.mark.parametrize("is_small", [False, True])
def test_hidden_rows_are_imported_and_counted(is_small: bool) -> None:
    table = read_keyword_table(old_workbook(SHEETS, is_small=is_small))
    assert (table.encoding, table.sheet, table.hidden_rows) == ("xls", "Wörter", 2)
    assert [row.values for row in table.rows] == [
        {"keyword": "oak table", "volume": 40},
        {"keyword": "elm table", "volume": 50},
        {"keyword": "ash table", "volume": 60},
    ]


def test_a_sheet_without_hidden_rows_has_none() -> None:
    assert hidden_rows_of_xls(old_workbook({"S": [(False, ["Keyword"]), (False, ["oak"])]})) == {}


def test_a_damaged_file_is_refused_in_words_and_never_read_for_ever() -> None:
    whole, chance = old_workbook(SHEETS), random.Random(3)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 8)):
            damaged[chance.randrange(8, len(damaged))] = chance.choice([0, 1, 0xFF, chance.randrange(256)])
        hidden_rows_of_xls(bytes(damaged[: chance.choice([len(damaged), chance.randrange(8, len(damaged))])]))
    with pytest.raises(Invalid):
        read_keyword_table(whole[:600])
