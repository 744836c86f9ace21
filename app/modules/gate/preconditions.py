"""If-Match by RFC 9110: `*`, a list of entity tags, weak ones that never match; a broken one is refused."""

import re
from dataclasses import dataclass

from flask import Flask, request

from app.modules.access import is_api
from app.modules.gate.json_text import Malformed

LONGEST_HEADER = 8_000
_TAG = r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
_ONE = re.compile(_TAG)


@dataclass(frozen=True)
class IfMatch:
    """The versions of the resource that the caller agrees to change; `is_any`: any version."""

    is_any: bool
    tags: tuple[str, ...]

    def holds(self, tag: str) -> bool:
        """Whether the present version is one of them."""
        return self.is_any or tag in self.tags


def init_preconditions(app: Flask) -> None:
    """Refuse a broken If-Match at every address of the REST API, also where it is not compared."""
    app.before_request(_check)


def if_match() -> IfMatch | None:
    """The request's If-Match; None without one. Raises Malformed."""
    text = request.headers.get("If-Match")
    return None if text is None else parse_if_match(text)


def parse_if_match(text: str) -> IfMatch:
    """Weak tags are left out: If-Match compares strongly. Raises Malformed."""
    text = text.strip(" \t")
    if text == "*":
        return IfMatch(True, ())
    members = [part.strip(" \t") for part in _split(text)] if len(text) <= LONGEST_HEADER else []
    found = [_ONE.fullmatch(member) for member in members if member]
    if not found or not all(found):
        raise Malformed('If-Match is "*", or entity tags in double quotes with commas between them.')
    return IfMatch(False, tuple(tag[2] for tag in found if tag and not tag[1]))


def _split(text: str) -> list[str]:
    """At the commas outside of quotes."""
    return re.findall(r'(?:[^",]|"[^"]*"?)+', text)


def _check() -> None:
    # Where no view answers, that comes first: 405 to TRACE.
    if is_api() and request.endpoint:
        if_match()
