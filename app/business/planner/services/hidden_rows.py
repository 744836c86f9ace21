"""The rows of a workbook (.xlsx, .ods) that a filter or a person has hidden: the reader library omits that."""

import re
from collections.abc import Mapping
from html import unescape

_BOOK, _LINKS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_SHEET = re.compile(rb"<(?:\w+:)?sheet\s([^>]*)>")
_LINK = re.compile(rb"<(?:\w+:)?Relationship\s([^>]*)>")
_ROW = re.compile(rb"<(?:\w+:)?row\s([^>]*)>")
_ODS_TAG = re.compile(rb"<(/?)(?:\w+:)?(table|table-row)((?:\s[^>]*)?)>")
_MOST_ROWS = 100_000
"""Beyond these a sheet is refused anyway; empty rows at its end are stored as one, repeated a million times."""
_ATTRIBUTE = re.compile(rb"""([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")


def hidden_rows_of_ods(content: bytes) -> dict[str, frozenset[int]]:
    """The same of `content.xml` of an OpenDocument sheet."""
    found: dict[str, set[int]] = {}
    name, row, depth = "", 0, 0
    for closing, tag, text in _ODS_TAG.findall(content):
        if tag == b"table":
            # A sheet may hold small tables within its cells.
            depth += -1 if closing else 0 if text.endswith(b"/") else 1
            if not closing and depth == 1:
                name, row = _ods(text).get("name", ""), 0
        elif not closing and depth == 1:
            values = _ods(text)
            repeated = values.get("number-rows-repeated", "1")
            last = min(row + (int(repeated) if repeated.isdigit() else 1), _MOST_ROWS)
            if values.get("visibility") in ("collapse", "filter"):
                found.setdefault(name, set()).update(range(row + 1, last + 1))
            row = last
    return {name: frozenset(rows) for name, rows in found.items()}


def _ods(attributes: bytes) -> dict[str, str]:
    return {name.rpartition(":")[2]: value for name, value in _attributes(attributes).items()}


def hidden_rows(parts: Mapping[str, bytes]) -> dict[str, frozenset[int]]:
    """Name of a sheet -> numbers of its hidden rows; sheets without any are left out. parts: by file name."""
    targets = {
        link["Id"]: link["Target"] for link in _tags(_LINK, parts.get(_LINKS, b"")) if "Target" in link
    }
    found = {}
    for sheet in _tags(_SHEET, parts.get(_BOOK, b"")):
        target = targets.get(next((value for name, value in sheet.items() if name.endswith(":id")), ""), "")
        path = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        if rows := _hidden(parts.get(path, b"")):
            found[sheet.get("name", "")] = rows
    return found


def _hidden(sheet: bytes) -> frozenset[int]:
    rows = (row for row in _tags(_ROW, sheet) if row.get("hidden") in ("1", "true"))
    return frozenset(int(row["r"]) for row in rows if row.get("r", "").isdigit())


def _tags(pattern: re.Pattern[bytes], text: bytes) -> list[dict[str, str]]:
    return [_attributes(attributes) for attributes in pattern.findall(text)]


def _attributes(text: bytes) -> dict[str, str]:
    return {
        name.decode(): unescape((double or single).decode("utf-8", "replace"))
        for name, double, single in _ATTRIBUTE.findall(text)
    }
