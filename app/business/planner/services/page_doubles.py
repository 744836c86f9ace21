"""Pages of a site that would compete: the same title or main keyword in case, in words or in meaning.

A page is whatever is to become one: an idea, a task or an article.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from app.business.folding import name_key
from app.business.planner.services.search_phrases import is_comparison, is_how_to, is_question
from app.business.planner.services.search_stems import (
    MOST_KEPT,
    Stems,
    need_of,
    stems_of,
    subject_of,
    terms_apart,
    words_by_stem,
)

PageKind = Literal["idea", "task", "content"]
Likeness = Callable[[Sequence[str], Sequence[str], str], Sequence[Sequence[float]]]
"""How alike each of some texts is to each of others in meaning, -1 to 1, in that language."""

SAME_KEYWORD = 0.9
SAME_QUESTION = 0.86
"""Where both are questions, comparisons or how-tos: their words are alike, and a page answers several of a kind."""
SAME_IN_OTHER_WORDS = 0.95
"""Where each search has a word that the other lacks, and none of them is near the other's: mostly another need."""
NEAR_WORDS = 0.5
SAME_TITLE = 0.96
"""Titles share more words than searches do ("the complete guide")."""
MOST_MEASURED = 20
"""Pages whose meaning is looked at: those that share the rarest words, and those of the nearest clusters."""
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class SitePage:
    """One page, planned or there. `cluster`: of its keywords."""

    kind: PageKind
    id: int
    title: str
    main_keyword: str = ""
    cluster: int | None = None

    @property
    def search(self) -> str:
        """The search that it is to be found by."""
        return self.main_keyword or self.title


@dataclass(frozen=True)
class NearDouble:
    """A title that was not taken, and that of the page it would compete with."""

    title: str
    other: str

    def __str__(self) -> str:
        return f"“{self.title}” would compete with “{self.other}”"


@dataclass
class SitePages:
    """The pages of a site, to be asked which of them a new one would compete with.

    near: ids of clusters whose keywords mean much the same as those of the new pages'.
    """

    language: str
    likeness: Likeness
    near: frozenset[int] = frozenset()
    pages: list[SitePage] = field(default_factory=list)
    _names: dict[str, SitePage] = field(default_factory=dict)
    _words: dict[Stems, SitePage] = field(default_factory=dict)
    _subjects: dict[tuple[bool, Stems], SitePage] = field(default_factory=dict)
    _seen: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(
        cls, pages: Iterable[SitePage], language: str, likeness: Likeness, near: Iterable[int] = ()
    ) -> "SitePages":
        made = cls(language, likeness, frozenset(near))
        for page in pages:
            made.add(page)
        return made

    def add(self, page: SitePage) -> None:
        self.pages.append(page)
        self._names.setdefault(name_key(page.title), page)
        for text in {page.title, page.search}:
            self._words.setdefault(need_of(text, self.language), page)
            self._subjects.setdefault(_subject(text, self.language), page)
        self._seen.update(stems_of(page.search, self.language))

    def competitor(self, new: SitePage) -> SitePage | None:
        """The page that the new one would compete with."""
        return self._by_words(new) or self._by_meaning(new)

    def _by_words(self, new: SitePage) -> SitePage | None:
        if found := self._names.get(name_key(new.title)):
            return found
        for text in (new.search, new.title):
            if found := self._words.get(need_of(text, self.language)):
                return found
            # A question and the page on its subject are one need; two questions about one subject are two.
            asked, subject = _subject(text, self.language)
            if found := self._subjects.get((not asked, subject)):
                return found
        return None

    def _by_meaning(self, new: SitePage) -> SitePage | None:
        near = self._shortlist(new)
        if not near:
            return None
        others = [page.search for page in near] + [page.title for page in near]
        searches, titles = self.likeness([new.search, new.title], others, self.language)
        best, place = max(
            (self._merit(new, page, searches[at], titles[len(near) + at]), -at)
            for at, page in enumerate(near)
        )
        return near[-place] if best >= 0 else None

    def _merit(self, new: SitePage, other: SitePage, search: float, title: float) -> float:
        """How far the likeness of their searches, or of their titles, is above what makes them one need."""
        of_own_kind = all(_asks(page.search, self.language) for page in (new, other))
        limit = SAME_QUESTION if of_own_kind else SAME_KEYWORD
        merit = max(search - limit, title - SAME_TITLE)
        if merit >= 0 and self._in_other_words(new, other):
            return search - SAME_IN_OTHER_WORDS
        return merit

    def _in_other_words(self, new: SitePage, other: SitePage) -> bool:
        own, others = (words_by_stem(page.search, self.language) for page in (new, other))
        only_own = [own[stem] for stem in own.keys() - others.keys()]
        only_other = [others[stem] for stem in others.keys() - own.keys()]
        if not (only_own and only_other):
            return False
        likeness = self.likeness(sorted(only_own), sorted(only_other), self.language)
        return max(map(max, likeness)) < NEAR_WORDS

    def _are_apart(self, first: SitePage, second: SitePage) -> bool:
        one, other = (terms_apart(page.search, self.language) for page in (first, second))
        return bool(one - other and other - one)

    def _shortlist(self, new: SitePage) -> list[SitePage]:
        own, numbers = stems_of(new.search, self.language), _numbers(new.search)
        ranked = []
        for place, page in enumerate(self.pages):
            # "iphone 15" and "iphone 16" mean nearly the same to an encoder, and so do "for men" and "for women".
            if _numbers(page.search) != numbers or self._are_apart(page, new):
                continue
            shared = own & stems_of(page.search, self.language)
            if shared or page.cluster in self.near:
                rarity = sum(1 / self._seen[stem] for stem in shared)
                ranked.append((page.cluster not in self.near, -rarity, place))
        return [self.pages[place] for *_, place in sorted(ranked)[:MOST_MEASURED]]


@lru_cache(MOST_KEPT)
def _subject(text: str, language: str) -> tuple[bool, Stems]:
    return is_question(text, language), subject_of(text, language)


def has_own_kind(page: SitePage, content_type: str, language: str) -> bool:
    """Whether it answers searches of their own kind: a question, a comparison, or how to do something."""
    if content_type in ("questions", "comparison", "how_to"):
        return True
    return _asks(page.search, language) or _asks(page.title, language)


def _asks(text: str, language: str) -> bool:
    return any(shows(text, language) for shows in (is_question, is_how_to, is_comparison))


def nearest_titles(pages: Sequence[SitePage], texts: Iterable[str], language: str, most: int) -> list[str]:
    """Titles of the pages that share words with these texts, the nearest first."""
    own: Stems = frozenset[str]().union(*(stems_of(text, language) for text in texts))
    weights: Mapping[str, int] = Counter(stem for page in pages for stem in stems_of(page.title, language))
    ranked = []
    for place, page in enumerate(pages):
        shared = own & stems_of(page.title, language)
        if shared:
            ranked.append((-sum(1 / weights[stem] for stem in shared), place))
    return list(dict.fromkeys(pages[place].title for _, place in sorted(ranked)))[:most]


@lru_cache(MOST_KEPT)
def _numbers(text: str) -> frozenset[str]:
    return frozenset(_NUMBER.findall(text))
