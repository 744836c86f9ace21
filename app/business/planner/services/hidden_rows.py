"""The rows of a workbook (.xlsx) that a filter or a person has hidden, which the reader library does not report."""

import re
from collections.abc import Mapping
from html import unescape

_BOOK, _LINKS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_SHEET = re.compile(rb"<(?:\w+:)?sheet\s([^>]*)>")
_LINK = re.compile(rb"<(?:\w+:)?Relationship\s([^>]*)>")
_ROW = re.compile(rb"<(?:\w+:)?row\s([^>]*)>")
_ATTRIBUTE = re.compile(rb"""([\w:]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")


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
    return [
        {
            name.decode(): unescape((double or single).decode("utf-8", "replace"))
            for name, double, single in _ATTRIBUTE.findall(attributes)
        }
        for attributes in pattern.findall(text)
    ]
