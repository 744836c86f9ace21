"""Ids and whole numbers as text: in addresses, queries and forms.

`str.isdigit` and `int` accept far more than a person would call a number ("²", "١٢", "1_000"), and have no bound.
"""

import re

from flask import Flask
from werkzeug.routing import IntegerConverter

from app.business.accounts.services.scope import LARGEST_ID

NO_ROW = 0
"""An id that no row has: an address with an id beyond any row leads to the same 404 as a missing row."""

_WHOLE = re.compile(r"-?[0-9]{1,19}")
_DECIMAL = re.compile(r"[-+]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][-+]?[0-9]{1,4})?")


class RowIdConverter(IntegerConverter):
    """Ids in addresses: plain digits of any length; beyond any column's range it is `NO_ROW`."""

    regex = "[0-9]+"

    def to_python(self, value: str) -> int:
        return row_id(value) or NO_ROW


def init_gate(app: Flask) -> None:
    """Parse every `<int:…>` in the addresses registered after this call by RowIdConverter."""
    app.url_map.converters["int"] = RowIdConverter


def whole_number(text: str | None, low: int = -LARGEST_ID, high: int = LARGEST_ID) -> int | None:
    """The number in plain digits, within the bounds; None when the text is anything else."""
    if text is None or not _WHOLE.fullmatch(text):
        return None
    number = int(text)
    return number if low <= number <= high else None


def row_id(text: str | None) -> int | None:
    """The id, if a row could have it; None when the text is anything else."""
    return whole_number(text, 1)


def chosen_id(value: str | int | None) -> int | None:
    """Coerces what a select holds: an id, or nothing chosen. Raises ValueError, as WTForms expects."""
    if value is None or value == "":
        return None
    found = row_id(str(value))
    if found is None:
        raise ValueError("no id")
    return found


def is_whole(text: str) -> bool:
    """Whether it is a whole number that a column can hold."""
    return whole_number(text.strip()) is not None


def is_decimal(text: str) -> bool:
    """Whether it is a number in plain digits, with or without a fraction; the field checks its size."""
    return _DECIMAL.fullmatch(text.strip()) is not None
