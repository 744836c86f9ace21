"""Normalisation of typed and imported text: Unicode form, control characters, length."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator

from app.business.errors import Invalid
from app.business.folding import without_invisible
from app.business.plain_characters import fault_of_body, fault_of_line, without_faults

LINE_LIMIT = 255
BODY_LIMIT = 1_000_000

_SPACES = re.compile(r"\s+")
# Zero-width characters that were pasted along by accident.
_HIDDEN = re.compile("[\u00ad\u200b\u200e\u200f\u2060\ufeff]")
_TAG = re.compile(r"</?(?:h[1-6]|p|b|i|u|em|strong|span|div|title|br)(?:\s[^<>]*)?/?>", re.IGNORECASE)
_HEADING = re.compile(r"^#{1,6}\s+")
_BOLD = re.compile(r"\*\*([^*]+)\*\*")
DOTLESS = ("tr", "az")


def clean_line(value: str, path: str, *, limit: int = LINE_LIMIT, required: bool = True) -> str:
    """`value` trimmed, single-spaced and in Unicode form NFC. Raises Invalid({path: …})."""
    _refuse(fault_of_line(value), path)
    text = _SPACES.sub(" ", unicodedata.normalize("NFC", value)).strip()
    if not without_invisible(text).strip():
        text = ""
    if required and not text:
        raise Invalid({path: ["This is empty. Type some text."]})
    return _within(text, path, limit)


def clean_body(value: str, path: str, *, limit: int = BODY_LIMIT) -> str:
    """Text of several lines: NFC, line ends as \\n. Raises Invalid({path: …})."""
    _refuse(fault_of_body(value), path)
    text = unicodedata.normalize("NFC", value).replace("\r\n", "\n").replace("\r", "\n").strip()
    return _within(text, path, limit)


def keyword_text(value: str, path: str = "text", *, language: str = "") -> str:
    """A search term as it is stored: trimmed, single-spaced, in the lower case of `language`, nothing hidden in it.

    Raises Invalid({path: …}).
    """
    return clean_line(lower_case(without_hidden(clean_line(value, path)), language), path)


def without_hidden(text: str) -> str:
    """`text` without characters that were pasted along by accident."""
    return _HIDDEN.sub("", text)


def lower_case(text: str, language: str = "") -> str:
    """Lower case in the given language: Turkish and Azeri have a dotted and a dotless i."""
    if re.split("[-_]", language.lower())[0] in DOTLESS:
        text = text.replace("I", "ı")
    return text.replace("İ", "i").lower()


def _refuse(fault: str | None, path: str) -> None:
    if fault:
        raise Invalid({path: [fault]})


def _within(text: str, path: str, limit: int) -> str:
    if len(text) > limit:
        raise Invalid({path: [f"It has {len(text):,} characters; at most {limit:,} are allowed."]})
    return text


def _plain_line(text: str) -> str:
    plain = _HEADING.sub("", _TAG.sub("", text).strip())
    bold = _BOLD.fullmatch(plain)
    return (bold[1] if bold else plain).strip()


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("there is no text in it")
    return text


ProviderText = Annotated[str, AfterValidator(without_faults)]
"""Text of an AI provider: characters that `clean_line` and `clean_body` refuse are dropped."""
ProviderLine = Annotated[ProviderText, AfterValidator(_plain_line)]
"""A title or the like: a model's markup around it is dropped too."""
ProviderTitle = Annotated[ProviderLine, AfterValidator(_not_empty)]
