"""Pages of a site that would compete: the same title or main keyword in case, in words or in meaning.

A page is whatever is to become one: an idea, a task or an article.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple, TypeVar

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

Key = TypeVar("Key", bound=Hashable)
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


class SitePage(NamedTuple):
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

    Of several the first one is named; ideas come before tasks and articles, whenever they are added.
    """

    language: str
    likeness: Likeness
    pages: list[SitePage] = field(default_factory=list)
    _names: dict[str, SitePage] = field(default_factory=dict)
    _words: dict[Stems, SitePage] = field(default_factory=dict)
    _subjects: dict[tuple[bool, Stems], SitePage] = field(default_factory=dict)
    _seen: Counter[str] = field(default_factory=Counter)
    _sharing: dict[tuple[frozenset[str], str], list[int]] = field(default_factory=lambda: defaultdict(list))
    """Places of the pages whose search has these numbers, and this stem."""
    _of_cluster: dict[int | None, list[int]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, pages: Iterable[SitePage], language: str, likeness: Likeness) -> "SitePages":
        made = cls(language, likeness)
        for page in pages:
            made.add(page)
        return made

    def add(self, page: SitePage) -> None:
        place, keys = len(self.pages), _keys(page.title, page.search, self.language)
        self.pages.append(page)
        _keep_first(self._names, keys.name, page)
        for need, subject in keys.needs:
            _keep_first(self._words, need, page)
            _keep_first(self._subjects, subject, page)
        self._seen.update(keys.stems)
        self._of_cluster[page.cluster].append(place)
        for stem in keys.stems:
            self._sharing[keys.numbers, stem].append(place)

    def of_cluster(self, cluster_id: int) -> list[SitePage]:
        """The cluster's own, in the order in which they were added."""
        return [self.pages[place] for place in self._of_cluster.get(cluster_id, ())]

    def competitor(self, new: SitePage, near: Collection[int] = ()) -> SitePage | None:
        """The page that the new one would compete with. near: ids of clusters whose keywords mean much the same as
        those of its own."""
        return self._by_words(new) or self._by_meaning(new, near)

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

    def _by_meaning(self, new: SitePage, near: Collection[int]) -> SitePage | None:
        some = self._shortlist(new, near)
        if not some:
            return None
        titles = self._likeness_of_titles(new, some)
        (searches,) = self.likeness([new.search], [page.search for page in some], self.language)
        best, place = max(
            (self._merit(new, page, searches[at], titles.get(at)), -at) for at, page in enumerate(some)
        )
        return some[-place] if best >= 0 else None

    def _likeness_of_titles(self, new: SitePage, others: Sequence[SitePage]) -> dict[int, float]:
        """By place, where titles are compared: one that says its whole search adds only words that many titles have."""
        of_all = not self._says_its_search(new)
        places = [at for at, page in enumerate(others) if of_all or not self._says_its_search(page)]
        if not places:
            return {}
        (titles,) = self.likeness([new.title], [others[at].title for at in places], self.language)
        return dict(zip(places, titles, strict=True))

    def _says_its_search(self, page: SitePage) -> bool:
        return stems_of(page.search, self.language) <= stems_of(page.title, self.language)

    def _merit(self, new: SitePage, other: SitePage, search: float, title: float | None) -> float:
        """How far the likeness of their searches, or of their titles, is above what makes them one need."""
        of_own_kind = all(_asks(page.search, self.language) for page in (new, other))
        merit = search - (SAME_QUESTION if of_own_kind else SAME_KEYWORD)
        if title is not None:
            merit = max(merit, title - SAME_TITLE)
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

    def _shortlist(self, new: SitePage, near: Collection[int]) -> list[SitePage]:
        # "iphone 15" and "iphone 16" mean nearly the same to an encoder, and so do "for men" and "for women".
        own, numbers = stems_of(new.search, self.language), _numbers(new.search)
        found = {place for stem in own for place in self._sharing.get((numbers, stem), ())}
        for place in (place for cluster in near for place in self._of_cluster.get(cluster, ())):
            if _numbers(self.pages[place].search) == numbers:
                found.add(place)
        ranked = []
        for place in found:
            page = self.pages[place]
            if not self._are_apart(page, new):
                shared = own & stems_of(page.search, self.language)
                rarity = sum(1 / self._seen[stem] for stem in shared)
                ranked.append((page.cluster not in near, -rarity, page.kind != "idea", place))
        return [self.pages[place] for *_, place in sorted(ranked)[:MOST_MEASURED]]


class _Keys(NamedTuple):
    """By what a page is found. needs: of its title and of its search, each with its subject."""

    name: str
    needs: list[tuple[Stems, tuple[bool, Stems]]]
    stems: Stems
    numbers: frozenset[str]


@lru_cache(MOST_KEPT)
def _keys(title: str, search: str, language: str) -> _Keys:
    needs = [(need_of(text, language), _subject(text, language)) for text in dict.fromkeys((title, search))]
    return _Keys(name_key(title), needs, stems_of(search, language), _numbers(search))


def _keep_first(found: dict[Key, SitePage], key: Key, page: SitePage) -> None:
    if key not in found or (page.kind == "idea" and found[key].kind != "idea"):
        found[key] = page


@lru_cache(MOST_KEPT)
def _subject(text: str, language: str) -> tuple[bool, Stems]:
    return is_question(text, language), subject_of(text, language)


def has_own_kind(page: SitePage, content_type: str, language: str) -> bool:
    """Whether it answers searches of their own kind: a question, a comparison, or how to do something."""
    if content_type in ("questions", "comparison", "how_to"):
        return True
    return _asks(page.search, language) or _asks(page.title, language)


@lru_cache(MOST_KEPT)
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
