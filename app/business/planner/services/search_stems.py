"""What a search or a title is about, whatever the order, number and case of its words."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from app.business.folding import fold, words
from app.business.planner.services.search_words import words_of

Stems = frozenset[str]
SHORTEST_STEM = 3
MOST_KEPT = 100_000
_POSSESSIVE = re.compile(r"['’]s\b")


@lru_cache(MOST_KEPT)
def stems_of(text: str, language: str) -> Stems:
    """What a search is about, whatever the order, number and case of its words, and without accents."""
    known = words_of(language)
    spoken = _POSSESSIVE.sub("s", fold(text))
    parts = [part for part in words(spoken).split() if part not in known.minor]
    return frozenset(_stem(part, known.endings) for part in parts) or frozenset([fold(text)])


def subject_of(text: str, language: str) -> Stems:
    """`stems_of` without the words that make a search a question."""
    asking = {stem for word in words_of(language).question for stem in stems_of(word, language)}
    stems = stems_of(text, language)
    return stems - asking or stems


def _stem(word: str, endings: Sequence[str]) -> str:
    plain = unicodedata.normalize("NFKD", word)
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    for ending in endings:
        if plain.endswith(ending) and not plain.endswith("ss") and len(plain) - len(ending) >= SHORTEST_STEM:
            return plain[: -len(ending)]
    return plain
