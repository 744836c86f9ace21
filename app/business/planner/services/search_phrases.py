"""What the wording of a search shows (a question, a comparison, a purchase), and how to write it in a sentence."""

import re
from collections.abc import Iterable
from functools import lru_cache

from app.business.planner.services.search_words import base_language, words_of

_VERSUS = re.compile(r"^(.+?) (?:vs\.?|versus) (.+)$")
_SENTENCE_END = ("?", "？")


def is_question(phrase: str, language: str = "en") -> bool:
    if phrase.endswith(_SENTENCE_END):
        return True
    return _begins(phrase, words_of(language).question, language)


def is_how_to(phrase: str, language: str = "en") -> bool:
    """Whether the searcher wants to do something."""
    return _begins(phrase, words_of(language).how_to, language)


def is_comparison(phrase: str, language: str = "en") -> bool:
    """Whether the searcher compares options."""
    return _holds(phrase, words_of(language).comparison, language)


def is_choice(phrase: str, language: str = "en") -> bool:
    """Whether the searcher looks for the best of many."""
    return _holds(phrase, words_of(language).choice, language)


def is_purchase(phrase: str, language: str = "en") -> bool:
    """Whether the searcher is about to buy."""
    return _holds(phrase, words_of(language).purchase, language)


def asks_figure(phrase: str, language: str = "en") -> bool:
    """Whether the answer is a number."""
    return _begins(phrase, words_of(language).figure, language)


def rivals(phrase: str) -> tuple[str, str] | None:
    """The two sides of `a vs b`."""
    found = _VERSUS.match(phrase)
    return (found[1], found[2]) if found else None


def as_title(phrase: str, language: str = "en") -> str:
    """With a capital letter, and with the marks of a question around one."""
    text = phrase[:1].upper() + phrase[1:]
    if not is_question(phrase, language) or text.endswith(_SENTENCE_END):
        return text
    match base_language(language):
        case "es":
            return f"¿{text}?"
        case "fr":
            return f"{text}\u00a0?"
        case "ja":
            return f"{text}？"
        case _:
            return f"{text}?"


def as_subject(phrase: str) -> str:
    """Without the marks of a question, for more words to follow."""
    return phrase.strip("¿?？\u00a0 ")


def and_list(phrases: Iterable[str]) -> str:
    """`a, b and c`."""
    *first, last = phrases
    return f"{', '.join(first)} and {last}" if first else last


def _begins(phrase: str, words: tuple[str, ...], language: str) -> bool:
    # Japanese says last what a search asks, and has no spaces.
    return _matches(phrase, words, anywhere=base_language(language) == "ja", at_start=True)


def _holds(phrase: str, words: tuple[str, ...], language: str) -> bool:
    return _matches(phrase, words, anywhere=base_language(language) == "ja", at_start=False)


def _matches(phrase: str, words: tuple[str, ...], *, anywhere: bool, at_start: bool) -> bool:
    if not words:
        return False
    if anywhere:
        return any(word in phrase for word in words)
    found = _pattern(words).search(phrase)
    return found is not None and (found.start() == 0 or not at_start)


@lru_cache(maxsize=64)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
