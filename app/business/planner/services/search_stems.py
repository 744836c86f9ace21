"""What a search or a title is about, whatever the order, number and case of its words."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from app.business.folding import fold, words
from app.business.planner.services.search_words import base_language, words_of

Stems = frozenset[str]
SHORTEST_STEM = 3
MOST_KEPT = 100_000
_POSSESSIVE = re.compile(r"['’]s\b")


@lru_cache(MOST_KEPT)
def stems_of(text: str, language: str) -> Stems:
    """What a search is about, whatever the order, number and case of its words, and without accents."""
    return frozenset(words_by_stem(text, language)) or frozenset([fold(text)])


def words_by_stem(text: str, language: str) -> dict[str, str]:
    """Stem -> the word as it stands in the search; without minor words."""
    known = words_of(language)
    spoken = _POSSESSIVE.sub("s", fold(text))
    parts = [part for part in words(spoken).split() if part not in known.minor]
    return {_stem(part, known.endings): part for part in parts}


@lru_cache(MOST_KEPT)
def terms_apart(text: str, language: str) -> frozenset[str]:
    """For whom the search is, its colours, and which of two opposites it names: one word for all of its synonyms."""
    if base_language(language) == "ja":
        known = words_of(language).apart
        return frozenset(term for term in known if any(word in text for word in term.split("/")))
    terms = _terms_by_stem(language)
    return frozenset(terms[stem] for stem in words_by_stem(text, language) if stem in terms)


@lru_cache(MOST_KEPT)
def need_of(text: str, language: str) -> Stems:
    """`stems_of` with one word for synonyms: “cheap shoes” and “affordable shoes” are one."""
    terms = _terms_by_stem(language)
    return frozenset(terms.get(stem, stem) for stem in stems_of(text, language))


@lru_cache(32)
def _terms_by_stem(language: str) -> dict[str, str]:
    return {
        stem: term
        for term in words_of(language).apart
        for word in term.split("/")
        for stem in words_by_stem(word, language)
    }


@lru_cache(MOST_KEPT)
def subject_of(text: str, language: str) -> Stems:
    """`stems_of` without the words that make a search a question."""
    stems = stems_of(text, language)
    return stems - _asking(language) or stems


@lru_cache(32)
def _asking(language: str) -> Stems:
    return frozenset(stem for word in words_of(language).question for stem in stems_of(word, language))


def _stem(word: str, endings: Sequence[str]) -> str:
    plain = unicodedata.normalize("NFKD", word)
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    for ending in endings:
        if plain.endswith(ending) and not plain.endswith("ss") and len(plain) - len(ending) >= SHORTEST_STEM:
            return plain[: -len(ending)]
    return plain
