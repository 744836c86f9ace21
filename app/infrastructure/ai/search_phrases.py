"""What the wording of a search shows (a question, a comparison, a purchase), and how to write it in a sentence."""

import re
from collections.abc import Iterable

_QUESTION = re.compile(
    r"^(how|what|whats|what's|why|when|where|which|who|can|could|is|are|do|does|did|should|will)\b"
)
_COMPARISON = re.compile(r"\b(vs|versus|or|compare|compared|comparison|difference|alternatives?)\b")
_CHOICE = re.compile(r"\b(best|top|review|reviews|rated|recommended)\b")
_PURCHASE = re.compile(r"\b(buy|price|prices|pricing|costs?|cheap|cheapest|sale|deals?|near me|shop)\b")
_VERSUS = re.compile(r"^(.+?) (?:vs\.?|versus) (.+)$")


def is_question(phrase: str) -> bool:
    return _QUESTION.match(phrase) is not None


def is_how_to(phrase: str) -> bool:
    """Whether the searcher wants to do something."""
    return phrase.startswith(("how to ", "how do i ", "how do you "))


def is_comparison(phrase: str) -> bool:
    """Whether the searcher compares options."""
    return _COMPARISON.search(phrase) is not None


def is_choice(phrase: str) -> bool:
    """Whether the searcher looks for the best of many."""
    return _CHOICE.search(phrase) is not None


def is_purchase(phrase: str) -> bool:
    """Whether the searcher is about to buy."""
    return _PURCHASE.search(phrase) is not None


def rivals(phrase: str) -> tuple[str, str] | None:
    """The two sides of `a vs b`."""
    found = _VERSUS.match(phrase)
    return (found[1], found[2]) if found else None


def as_title(phrase: str) -> str:
    """With a capital letter, and a question mark after a question."""
    text = phrase[:1].upper() + phrase[1:]
    return f"{text}?" if is_question(phrase) and not text.endswith("?") else text


def and_list(phrases: Iterable[str]) -> str:
    """`a, b and c`."""
    *first, last = phrases
    return f"{', '.join(first)} and {last}" if first else last
