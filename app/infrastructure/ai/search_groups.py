"""Searches of one cluster put together: spellings of one search as one, and the pages of the cluster they belong to."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log1p
from typing import Any

from app.business.planner.services.search_phrases import is_comparison, is_how_to, is_question
from app.business.planner.services.search_stems import Stems, stems_of, subject_of


@dataclass
class Search:
    """One search with its spellings, the most searched one first."""

    phrases: list[str]
    volume: int | None
    stems: Stems
    is_question: bool

    @property
    def head(self) -> str:
        return self.phrases[0]

    @property
    def weight(self) -> float:
        """What it counts beside others: a much searched one more, but not by its whole volume."""
        return 1 + log1p(self.volume or 0)


@dataclass(frozen=True)
class PlannedPage:
    """A page planned for the cluster; `stems`: of its main keyword. Both decide which searches it answers."""

    title: str
    main_keyword: str
    content_type: str
    title_stems: Stems
    stems: Stems


@dataclass
class Topic:
    """Searches that one section answers, the most searched one first."""

    searches: list[Search] = field(default_factory=list)

    @property
    def head(self) -> str:
        return self.searches[0].head


def merged(keywords: Iterable[Mapping[str, Any]], language: str) -> list[Search]:
    """Searches with their spellings, the most searched first; so are the keywords."""
    found: dict[tuple[bool, Stems], Search] = {}
    for keyword in keywords:
        text, volume = keyword["text"], keyword["volume"]
        asked = is_question(text, language)
        key = asked, stems_of(text, language)
        if key not in found:
            found[key] = Search([text], volume, key[1], asked)
        else:
            search = found[key]
            search.phrases.append(text)
            search.volume = search.volume if volume is None else volume + (search.volume or 0)
    return sorted(found.values(), key=lambda search: -(search.volume or 0))


def page_of(title: str, main_keyword: str, content_type: str, language: str) -> PlannedPage:
    main = main_keyword or title
    return PlannedPage(title, main, content_type, subject_of(title, language), subject_of(main, language))


def of_page(
    searches: Sequence[Search], pages: Sequence[PlannedPage], own: int, language: str
) -> list[Search]:
    """The searches that the page at `own` answers: of several pages each search goes to the one it fits best."""
    if len(pages) < 2:
        return list(searches)
    return [search for search in searches if _best_page(search, pages, language) == own]


def topics(searches: Iterable[Search], core: Stems, most: int) -> list[Topic]:
    """At most `most` groups of searches that share a word beyond `core`; what remains is left out."""
    left = [search for search in searches if search.stems - core]
    found: list[Topic] = []
    while left and len(found) < most:
        weights: Counter[str] = Counter()
        for search in left:
            weights.update({stem: round(100 * search.weight) for stem in search.stems - core})
        best = min(weights, key=lambda stem: (-weights[stem], stem))
        found.append(Topic([search for search in left if best in search.stems]))
        left = [search for search in left if best not in search.stems]
    return found


def _best_page(search: Search, pages: Sequence[PlannedPage], language: str) -> int:
    """The page whose main keyword is nearest; among equals the one of its kind, then by titles, then the oldest."""
    about = subject_of(search.head, language)
    fits = [
        (
            len(about & page.stems) / len(about | page.stems),
            _suits(search, page, language),
            len(about & page.title_stems),
            -number,
        )
        for number, page in enumerate(pages)
    ]
    return -max(fits)[-1]


def _suits(search: Search, page: PlannedPage, language: str) -> bool:
    """Whether the kind of page is the kind that the search asks for."""
    match page.content_type:
        case "how_to":
            return is_how_to(search.head, language)
        case "comparison":
            return is_comparison(search.head, language)
        case "questions":
            return search.is_question and not is_how_to(search.head, language)
        case _:
            return False
