"""The rows of an old workbook (.xls) that a filter or a person has hidden: the reader library omits that.

The file is a container of streams in sectors (MS-CFB); the stream "Workbook" is a list of records (MS-XLS).
"""

import struct
from collections.abc import Iterator

_STREAM = "Workbook"
_FIRST_MARK = 0xFFFFFFFA
"""Numbers from here on are marks (end of a chain, free), and no sectors."""
_ENTRY, _MINI_SECTOR = 128, 64
_BEGINS, _ENDS, _SHEET, _ROW = 0x0809, 0x000A, 0x0085, 0x0208
_HIDDEN = 0x20


def hidden_rows_of_xls(data: bytes) -> dict[str, frozenset[int]]:
    """Name of a sheet -> numbers of its hidden rows; sheets without any are left out.

    Empty for a file that is damaged: what is wrong with it is said by whoever reads its cells.
    """
    try:
        stream = _workbook(data)
        found = {name: frozenset(_hidden(stream, start)) for name, start in _sheets(stream)}
    except (struct.error, ValueError):
        return {}
    return {name: rows for name, rows in found.items() if rows}


def _sheets(stream: bytes) -> Iterator[tuple[str, int]]:
    """Each sheet's name, and where its records begin."""
    for kind, body in _records(stream, 0):
        if kind == _ENDS:
            return
        if kind == _SHEET:
            length, is_wide = struct.unpack_from("<B?", body, 6)
            name = body[8 : 8 + length * (2 if is_wide else 1)]
            yield name.decode("utf-16-le" if is_wide else "latin-1"), struct.unpack_from("<I", body)[0]


def _hidden(stream: bytes, start: int) -> Iterator[int]:
    depth = 0
    for kind, body in _records(stream, start):
        # Charts within the sheet begin and end too.
        depth += (kind == _BEGINS) - (kind == _ENDS)
        if depth == 0:
            return
        if kind == _ROW and depth == 1:
            row, flags = struct.unpack_from("<H10xB", body)
            if flags & _HIDDEN:
                yield row + 1


def _records(stream: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    while start + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, start)
        yield kind, stream[start + 4 : start + 4 + size]
        start += 4 + size


def _workbook(data: bytes) -> bytes:
    (shift,) = struct.unpack_from("<H", data, 30)
    if not 9 <= shift <= 12:
        raise ValueError("no sectors of this size")
    sector, (directory, _, least, mini, _) = 1 << shift, struct.unpack_from("<5I", data, 48)
    parts = struct.unpack_from("<109I", data, 76)
    body = data[sector:]
    table = b"".join(body[at * sector : (at + 1) * sector] for at in parts if at < _FIRST_MARK)
    entries = _chain(body, table, directory, sector)
    streams = {
        entries[at : at + max(length - 2, 0)].decode("utf-16-le", "replace"): (start, size)
        for at in range(0, len(entries) - _ENTRY + 1, _ENTRY)
        for length, start, size in [struct.unpack_from("<H50xII", entries, at + 64)]
    }
    start, size = streams.get(_STREAM, (0, 0))
    if size >= least:
        return _chain(body, table, start, sector)[:size]
    small = _chain(body, table, struct.unpack_from("<I", entries, 116)[0], sector)
    return _chain(small, _chain(body, table, mini, sector), start, _MINI_SECTOR)[:size]


def _chain(body: bytes, table: bytes, start: int, sector: int) -> bytes:
    """The sectors from `start` on; `table` has for each sector the one that follows it."""
    parts: list[bytes] = []
    # A chain that leads back into itself would never end.
    while start < _FIRST_MARK and len(parts) * 4 <= len(table):
        parts.append(body[start * sector : (start + 1) * sector])
        (start,) = struct.unpack_from("<I", table, 4 * start)
    return b"".join(parts)
