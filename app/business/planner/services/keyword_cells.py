"""One cell of a keyword export: counts with thousands marks, buckets and ranges, percents, intent words."""

import math
import re

_EMPTY = {
    "",
    "-",
    "--",
    "–",
    "—",
    "n/a",
    "na",
    "n.a.",
    "none",
    "null",
    "nan",
    "unknown",
    "not available",
    "#n/a",
    "no data",
}
_MULTIPLIERS = {"k": 1_000, "m": 1_000_000, "b": 1_000_000_000}
_SIGNS = re.compile(r"[\s\u00a0\u202f'’$€£¥%~≈<>≤≥]|\b(?:usd|eur|gbp|pln|zł|kr)\b")
_RANGE = re.compile(r"^([\d.,]+[kmb]?)[-–—](?:to)?([\d.,]+[kmb]?)$")
_NUMBER = re.compile(r"^[+-]?\d[\d.,]*(?:e[+-]?\d{1,3})?$")
_GROUPED = re.compile(r"^\d{1,3}(?P<mark>[.,])\d{3}(?:(?P=mark)\d{3})*$")
LARGEST = 2_147_483_647

INTENTS = ("informational", "navigational", "commercial", "transactional")
MAIN_FIRST = ("transactional", "commercial", "navigational", "informational")
_INTENT_LETTERS = {"i": "informational", "n": "navigational", "c": "commercial", "t": "transactional"}
_INTENT_WORDS = {
    "informational": ("inform", "know", "info"),
    "navigational": ("navig",),
    "commercial": ("commerc", "investig", "compar", "versus"),
    "transactional": ("transac", "buy", "purchase"),
}
_DIFFICULTY_WORDS = {
    "very easy": 10.0, "easy": 25.0, "low": 25.0, "possible": 40.0, "medium": 50.0, "moderate": 50.0,
    "difficult": 60.0, "hard": 75.0, "high": 75.0, "very hard": 90.0, "super hard": 90.0,
}  # fmt: skip
_YES = {"true", "yes", "y", "x", "1", "✓", "✔", "wahr", "ja", "vrai", "oui", "sí", "si", "verdadero", "vero"}


def whole_number(cell: str) -> int | None:
    """A count such as `1,234`, `1 234`, `1.234`, `12.1K`; the middle of a range such as `10 – 100`.

    None for an empty cell or a word that tools write for "no figure" (`--`). Raises ValueError otherwise.
    """
    value = _amount(cell, whole=True, decimal_comma=False)
    return None if value is None else int(value)


def decimal_number(cell: str, *, decimal_comma: bool = False) -> float | None:
    """A figure such as `0.6`, `$1.20`, `33.3%`, `0,45`; else as `whole_number`.

    `decimal_comma`: whether `1,234` is one and a bit (European sheets) rather than a thousand.
    """
    return _amount(cell, whole=False, decimal_comma=decimal_comma)


def intents_of(cell: str) -> list[str]:
    """All intents that the cell names (`Commercial, Informational`, `i`, `Brand Navigational`), the main one first."""
    found = set()
    for part in re.split(r"[,;/|&+]", cell.lower()):
        word = part.strip()
        if word in _INTENT_LETTERS:
            found.add(_INTENT_LETTERS[word])
        found |= {intent for intent, stems in _INTENT_WORDS.items() if any(stem in word for stem in stems)}
    return [intent for intent in MAIN_FIRST if intent in found]


def main_intent(cell: str) -> str | None:
    """The one of the intents that says most about what a page for the search must do."""
    return next(iter(intents_of(cell)), None)


def difficulty_word(cell: str) -> float | None:
    """The middle of the band that a word stands for in the tools that show words."""
    return _DIFFICULTY_WORDS.get(cell.strip().lower().replace("-", " "))


def is_yes(cell: str) -> bool:
    """Whether a cell of a yes-or-no column says yes."""
    return cell.strip().lower() in _YES


def _amount(cell: str, *, whole: bool, decimal_comma: bool) -> float | None:
    text = cell.strip().lower()
    if text in _EMPTY:
        return None
    text = _SIGNS.sub("", text).rstrip("+")
    ends = _RANGE.match(text)
    numbers = ends.groups() if ends else (text,)
    values = [_scaled(number, whole=whole, decimal_comma=decimal_comma) for number in numbers]
    value = sum(values) / len(values)
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise ValueError(f"“{_short(cell)}” is too large")
    return value


def _scaled(text: str, *, whole: bool, decimal_comma: bool) -> float:
    factor = _MULTIPLIERS.get(text[-1:], 1)
    digits = text[:-1] if factor > 1 else text
    if not digits.isascii() or not _NUMBER.match(digits):
        raise ValueError(f"“{_short(text)}” is not a number")
    return float(_plain(digits, whole=whole and factor == 1, decimal_comma=decimal_comma)) * factor


def _plain(digits: str, *, whole: bool, decimal_comma: bool) -> str:
    """`digits` with a point for decimals and no thousands marks."""
    if "," in digits and "." in digits:
        decimal = max(",.", key=digits.rfind)
        return digits.replace("." if decimal == "," else ",", "").replace(",", ".")
    grouped = _GROUPED.match(digits)
    if grouped and not digits.startswith("0"):
        mark = grouped["mark"]
        single = digits.count(mark) == 1
        decimals = single and not whole and (mark == "." or decimal_comma)
        return digits.replace(",", ".") if decimals else digits.replace(mark, "")
    return digits.replace(",", ".")


def _short(cell: str) -> str:
    return cell if len(cell) <= 40 else f"{cell[:40]}…"
