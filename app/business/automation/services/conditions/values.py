"""Checks the values that conditions compare fields with, and converts them for comparison."""

import json
import math
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

from app.business.automation.services.catalogue.field_types import Field, FieldType, FieldValue
from app.business.automation.services.conditions.nodes import (
    AGE,
    CHOICE,
    COMPARISONS,
    EMPTINESS,
    EQUALITY,
    O,
    Operand,
    Operator,
)
from app.business.automation.services.rule_parts import Json
from app.business.folding import fold
from app.business.planner.services.plain_text import lower_case, without_hidden

Found = TypeVar("Found")

MOST_VALUES = 500
LARGEST_NUMBER = 2**53
"""Beyond it doubles cannot represent every whole number, and the databases compare doubles."""

LONGEST_AGE = timedelta(days=3660)
_AGE = re.compile(r"([0-9]{1,5})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_SPACES = re.compile(r"\s+")
_OPEN_ENDS = {
    O.CONTAINS: (True, True),
    O.NOT_CONTAINS: (True, True),
    O.STARTS_WITH: (False, True),
    O.ENDS_WITH: (True, False),
}
"""Operators on a part of a text: whether the text may continue before the part, and after it."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

KIND = {
    FieldType.TEXT: "text",
    FieldType.NUMBER: "a number",
    FieldType.BOOLEAN: "true or false",
    FieldType.INSTANT: "a time with its zone, like 2026-11-24T09:00:00Z",
    FieldType.HANDLED: "a time",
    FieldType.DAY: "a day, like 2026-11-24",
    FieldType.LIST: "a list of texts",
    FieldType.REFERENCE: "a record's number (id)",
}


class WrongValueError(ValueError):
    """The value is not allowed; the message is the sentence that says why."""


def shown(value: Json) -> str:
    """A value as error messages show it: long ones truncated, lists and objects only as "a list" and "an object"."""
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        return "a number that long"
    text = f"'{_UNSTORABLE.sub('?', value)}'" if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def operand_for(field: Field, operator: Operator, value: Json, *, ignore_case: bool) -> Operand:
    """Convert `value` for comparison with `field`. Raises WrongValueError with a sentence."""
    if operator in EMPTINESS:
        _nothing(operator, value)
        return None
    if operator in AGE or operator is O.NOT_HANDLED_WITHIN:
        return _age(field, value)
    if operator in CHOICE:
        return _values(field, value, ignore_case)
    if operator is O.BETWEEN:
        return _range(field, value)
    if value is None and operator in EQUALITY:
        return None
    return _scalar(field, value, ignore_case, operator)


def check_plain(value: Json) -> None:
    """Raise WrongValueError for values that are never allowed: infinite or huge numbers, long lists, objects."""
    if isinstance(value, list):
        if len(value) > MOST_VALUES:
            raise WrongValueError(f"A list holds at most {MOST_VALUES} values; this one has {len(value):,}.")
        for item in value:
            check_plain(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _number(value)
    elif value is not None and not isinstance(value, bool | str):
        raise WrongValueError(
            "A value is a text, a number, true, false, null, a list of these, or another field."
        )


def age_of(value: Json) -> timedelta | None:
    """The duration of `7d`, `12h` or `2w`; None for other values and more than ten years."""
    match = _AGE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    age = timedelta(**{_UNITS[match[2]]: int(match[1])})
    return age if age <= LONGEST_AGE else None


def instant_of(value: Json) -> datetime | None:
    """The instant of an ISO 8601 text with a zone; None for other values."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def day_of(value: Json) -> date | None:
    """The day of a text like 2026-11-24; None for other values."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
    except ValueError:
        return None


def _nothing(operator: Operator, value: Json) -> None:
    if value is not None:
        raise WrongValueError(f"'{operator}' takes no value. Leave it out.")


def _age(field: Field, value: Json) -> timedelta:
    age = age_of(value)
    if age is None:
        raise WrongValueError(f"Give an age of at most ten years like 12h, 7d or 2w; {shown(value)} is none.")
    if field.type is FieldType.DAY and age % timedelta(days=1):
        raise WrongValueError(f"'{field.name}' is a day without hours. Give days or weeks, like 7d.")
    return age


def _values(field: Field, value: Json, ignore_case: bool) -> tuple[FieldValue, ...]:
    if not isinstance(value, list) or not value:
        raise WrongValueError(f"It needs a list of at least one value; {shown(value)} is none.")
    if len(value) > MOST_VALUES:
        raise WrongValueError(f"A list holds at most {MOST_VALUES} values; this one has {len(value):,}.")
    return tuple(None if item is None else _scalar(field, item, ignore_case) for item in value)


def _range(field: Field, value: Json) -> tuple[FieldValue, FieldValue]:
    if not isinstance(value, list) or len(value) != 2:
        raise WrongValueError("It needs a list of two values, the lower one first.")
    low, high = (_scalar(field, item, False) for item in value)
    if COMPARISONS[O.GT](low, high):
        raise WrongValueError(
            f"The lower value comes first: {shown(value[0])} is more than {shown(value[1])}."
        )
    return low, high


def _scalar(field: Field, value: Json, ignore_case: bool, operator: Operator = O.EQ) -> FieldValue:
    if field.keyword_text and operator in _OPEN_ENDS:
        return _part_of_keyword(_storable(field, value), *_OPEN_ENDS[operator])
    if field.type is FieldType.CHOICE:
        return _choice(field, value, ignore_case)
    try:
        return _READERS[field.type](field, value)
    except (TypeError, ValueError) as error:
        if isinstance(error, WrongValueError):
            raise
        raise WrongValueError(f"'{field.name}' is {KIND[field.type]}; {shown(value)} is not.") from None


def _choice(field: Field, value: Json, ignore_case: bool) -> str:
    known = [choice for choice, _ in field.choices]
    if isinstance(value, str) and (value in known or (ignore_case and fold(value) in map(fold, known))):
        return value
    raise WrongValueError(f"'{field.name}' is one of {', '.join(known)}; {shown(value)} is not.")


def _text(field: Field, value: Json) -> str:
    # As stored: every text in Unicode form NFC, keywords also trimmed, single-spaced and in lower case.
    text = _storable(field, value)
    return unicodedata.normalize("NFC", _as_keyword(" ".join(text.split())) if field.keyword_text else text)


def _as_keyword(text: str) -> str:
    """Normalised as stored keywords are: `İstanbul` becomes `istanbul`, invisible characters are removed."""
    return lower_case(without_hidden(text))


def _storable(field: Field, value: Json) -> str:
    if not isinstance(value, str):
        raise WrongValueError(f"'{field.name}' is {KIND[field.type]}; {shown(value)} is not.")
    if _UNSTORABLE.search(value):
        raise WrongValueError("The text holds a character that cannot be stored. Type it anew.")
    return value


def _part_of_keyword(text: str, continues_before: bool, continues_after: bool) -> str:
    """Normalised as stored keywords are, but a space stays where the text may continue: `how ` does not match
    "however"."""
    plain = unicodedata.normalize("NFC", _as_keyword(_SPACES.sub(" ", text)))
    if plain == " ":
        return plain
    plain = plain if continues_before else plain.lstrip(" ")
    return plain if continues_after else plain.rstrip(" ")


def _member(field: Field, value: Json) -> str:
    if not isinstance(value, str):
        raise WrongValueError(f"'{field.name}' holds texts; {shown(value)} is not one.")
    return _text(field, value)


def _number(value: Json) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    if not math.isfinite(value) if isinstance(value, float) else abs(value) > LARGEST_NUMBER:
        raise WrongValueError("The number is too large to compare. Give one of at most 15 digits.")
    return value


def _reference(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return int(_number(value))


def _boolean(value: Json) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _found(value: Found | None) -> Found:
    if value is None:
        raise ValueError
    return value


_READERS: dict[FieldType, Callable[[Field, Json], FieldValue]] = {
    FieldType.TEXT: _text,
    FieldType.LIST: _member,
    FieldType.NUMBER: lambda _field, value: _number(value),
    FieldType.REFERENCE: lambda _field, value: _reference(value),
    FieldType.BOOLEAN: lambda _field, value: _boolean(value),
    FieldType.INSTANT: lambda _field, value: _found(instant_of(value)),
    FieldType.DAY: lambda _field, value: _found(day_of(value)),
}
