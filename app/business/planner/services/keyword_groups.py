"""Where each new keyword of a sector goes: into a known cluster, into a new one, or nowhere yet.

Importing this module loads numpy and the sentence encoder: only processes that cluster import it.
"""

import ctypes
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from app.business.folding import fold, name_key
from app.business.language_model import ProviderFault
from app.business.planner.services.clustering_plan import (
    CUT_FACTORS,
    ClusteringAnswer,
    ClusteringRequest,
    KeywordFacts,
    KnownCluster,
    NewCluster,
)
from app.business.planner.services.loose_groups import place_loose
from app.business.planner.services.parent_groups import split_by_parent
from app.business.planner.services.sentence_encoder import Vectors, unit
from app.business.planner.services.text_groups import Items, best_cut, link
from app.business.planner.services.text_vectors import CENTRE_WEIGHT, embed

VectorSource = Callable[[list[str]], Vectors]
OTHER_LENGTH = (
    "The AI service sent vectors of another length than before under the same model's name. Name the model that "
    "makes them now on the page AI service; clusters are compared by its vectors then."
)
FEW_KEYWORDS = 1_500
CAREFUL_CUT = 0.475
"""As long as a sector has few keywords: a wide cut suits them, but not those that follow, and some clusters stay."""
FIRST_CUT, FIRST_KEYWORDS = 0.65, (100, 500)
"""A small sector's first keywords may be all it ever gets; from the first number on the cut narrows."""
SAME = 0.75
"""A new group whose middle is this near to that of a known cluster belongs to it."""
DOUBLE = 0.8
"""Two new groups whose middles are this near are one."""
MOST_ON_A_PAGE = 120
"""A cluster that no single page can answer is split."""
TIGHT = 0.5
"""Share of the cut within which two keywords are a pair, and keywords still join a full cluster."""
PAIR = 0.85
"""The same for a pair that shares a word which is rare in the sector."""
RARE = 0.1
CENTRAL_DIGITS = 4
"""Of two keywords both are as central: what differs further behind is rounding, which depends on the machine."""
NARROWER = 0.05
NARROWEST = 0.15


def group_keywords(request: ClusteringRequest, source: VectorSource | None = None) -> ClusteringAnswer:
    """Deterministic: the same request and vectors give the same answer. `source`: None for the built-in vectors."""
    # One thread: the library's own wait for each other in a loop, which on a busy machine takes minutes.
    with threadpool_limits(1, "blas"):
        table = _Table(request, source or (lambda texts: embed(texts, request.model)))
        answer = _by_parent(request, table) if request.by_parent else _Grouping(request, table).run()
        if request.loose:
            answer = place_loose(request, answer, table.mean_of)
    _give_memory_back()
    return answer


class _Table:
    """The vectors of all texts of a request, each read once."""

    def __init__(self, request: ClusteringRequest, source: VectorSource) -> None:
        stale = (cluster.texts for cluster in request.known.values() if cluster.centre is None)
        texts = [keyword.text for keyword in _every(request)]
        distinct = list(dict.fromkeys([*texts, *(text for part in stale for text in part), *request.sample]))
        self.vectors = source(distinct)
        self.places = {text: place for place, text in enumerate(distinct)}
        self.texts = {keyword.id: keyword.text for keyword in _every(request)}

    def mean_of(self, ids: Sequence[int]) -> bytes:
        """The centre of these keywords."""
        return _stored(self.of([self.texts[key] for key in ids]).mean(axis=0))

    def of(self, texts: Sequence[str]) -> Vectors:
        return self.vectors[[self.places[text] for text in texts]]


def _by_parent(request: ClusteringRequest, table: _Table) -> ClusteringAnswer:
    """Keywords with one parent keyword together; then the others by meaning, also into what was just formed."""
    joins, groups, rest = split_by_parent(request)
    made = [
        _new_cluster(members, table.of([keyword.text for keyword in members]), parent)
        for parent, members in groups
    ]
    answer = ClusteringAnswer(request.sector_id, model=request.model, size=request.size)
    if rest.keywords or rest.left:
        formed = {
            -1 - place: KnownCluster(group.name, len(group.keyword_ids), group.centre)
            for place, group in enumerate(made)
        }
        answer = _Grouping(replace(rest, known={**request.known, **formed}), table).run()
    for key, keywords in joins.items():
        answer.joins.setdefault(key, []).extend(keyword.id for keyword in keywords)
        # The centre is made anew from the cluster's texts next time.
        answer.centres.pop(key, None)
    for place, group in enumerate(made):
        group.keyword_ids.extend(answer.joins.pop(-1 - place, []))
        centre, _ = answer.centres.pop(-1 - place, (group.centre, 0))
        answer.groups.append(replace(group, centre=centre))
    return answer


class _Grouping:
    def __init__(self, request: ClusteringRequest, table: _Table) -> None:
        self.request, self.keywords, self.table = request, _every(request), table
        self.ids, self.clusters = list(request.known), list(request.known.values())
        self._embed()
        sizes = np.array([cluster.size for cluster in self.clusters], np.float32)
        total = sizes.sum() + len(self.vectors)
        mean = (sizes @ self.centres + self.vectors.sum(axis=0)) / total
        self.shared, self.mean = total / (total + CENTRE_WEIGHT), mean
        # What all texts share (the head word of a niche) counts little.
        self.texts = unit(self.vectors - self.shared * mean)
        self.means = np.vstack([_mean_of_shifted(self.centres, self.shared * mean), self.texts])
        self.cut = request.cut or best_cut(unit(self.sample - self.shared * mean))
        usual = min(self.cut, _careful(request)) if request.size < FEW_KEYWORDS else self.cut
        self.used_cut = usual * CUT_FACTORS[request.tightness]
        self.asked = {keyword.id for keyword in request.keywords}
        self.common = _common_words(self.keywords)

    def _embed(self) -> None:
        """Vectors of the keywords, the centres of the clusters, and the sample for the cut."""
        texts = [keyword.text for keyword in self.keywords]
        self.vectors = self.table.of(texts)
        self.sample = self.table.of(self.request.sample) if self.request.sample else self.vectors
        width = self.vectors.shape[1]
        self.centres = np.zeros((len(self.clusters), width), np.float32)
        for place, cluster in enumerate(self.clusters):
            if cluster.centre is not None:
                centre = np.frombuffer(cluster.centre, np.float32)
                if len(centre) != width:
                    raise ProviderFault("bad_answer", OTHER_LENGTH)
                self.centres[place] = centre
            elif cluster.texts:
                self.centres[place] = self.table.of(cluster.texts).mean(axis=0)

    def run(self) -> ClusteringAnswer:
        request, count = self.request, len(self.clusters)
        estimated = self.cut if request.cut is None else None
        answer = ClusteringAnswer(request.sector_id, model=request.model, size=request.size, cut=estimated)
        sizes = [cluster.size for cluster in self.clusters] + [1] * len(self.keywords)
        known = np.arange(len(sizes)) < count
        tree = link(Items(self.means, sizes, known), self.used_cut, self._may_be)
        found: list[list[int]] = []
        for members in tree.groups(self.used_cut):
            new = [place - count for place in members if place >= count]
            homes = [place for place in members if place < count]
            if homes and new:
                self._join(answer, homes[0], new)
            elif new:
                found += self._parts(new, self.used_cut)
        for members in self._without_doubles(found):
            self._place(answer, members)
        return answer

    def _may_be(self, size: int, is_known: bool, distance: float) -> bool:
        return not (is_known and size > MOST_ON_A_PAGE) or distance <= TIGHT * self.used_cut

    def _parts(self, members: list[int], cut: float) -> list[list[int]]:
        """The group, or if it is too large for a page, the groups within it."""
        if len(members) <= MOST_ON_A_PAGE or cut <= NARROWEST:
            return [members]
        cut -= NARROWER
        tree = link(Items.of_texts(self.texts[members]), cut)
        parts = [[members[place] for place in part] for part in tree.groups(cut)]
        return [small for part in parts for small in self._parts(part, cut)]

    def _without_doubles(self, groups: list[list[int]]) -> list[list[int]]:
        """Groups with the same middle as one, as far as one page can answer them: wide groups may lie around one point
        although their texts are far from each other.
        """
        several = [members for members in groups if len(members) > 1]
        if len(several) < 2:
            return groups
        middles = unit(np.stack([self.texts[members].mean(axis=0) for members in several]))
        items = Items(middles, [len(members) for members in several], np.zeros(len(several), bool))
        tree = link(items, 1 - DOUBLE, lambda size, _is_known, _distance: size <= MOST_ON_A_PAGE)
        joined = [[place for at in found for place in several[at]] for found in tree.groups(1 - DOUBLE)]
        return joined + [members for members in groups if len(members) == 1]

    def _place(self, answer: ClusteringAnswer, members: list[int]) -> None:
        home = self._home(members)
        if home is not None:
            self._join(answer, home, members)
        elif len(members) >= self.request.min_cluster_size and self._has_evidence(members):
            answer.groups.append(self._named(members))
        else:
            # Those of earlier groupings stay as they were.
            ids = (self.keywords[place].id for place in members)
            answer.left.extend(key for key in ids if key in self.asked)

    def _home(self, members: list[int]) -> int | None:
        """A known cluster with the same middle."""
        if not self.clusters:
            return None
        near = unit(self.means[: len(self.clusters)]) @ unit(self.texts[members].mean(axis=0)[None])[0]
        best = int(near.argmax())
        full = self.clusters[best].size + len(members) > MOST_ON_A_PAGE
        return None if full or near[best] < SAME else best

    def _has_evidence(self, members: list[int]) -> bool:
        if len(members) != 2:
            return True
        first, second = members
        distance = 1 - float(self.texts[first] @ self.texts[second])
        shared = _words(self.keywords[first].text) & _words(self.keywords[second].text)
        return distance <= (PAIR if shared - self.common else TIGHT) * self.used_cut

    def _join(self, answer: ClusteringAnswer, home: int, members: list[int]) -> None:
        key, size = self.ids[home], self.clusters[home].size
        joined = answer.joins.setdefault(key, [])
        before = size + len(joined)
        joined.extend(self.keywords[place].id for place in members)
        total = before * self.centres[home] + self.vectors[members].sum(axis=0)
        self.centres[home] = total / (before + len(members))
        answer.centres[key] = (_stored(self.centres[home]), before + len(members))

    def _named(self, members: list[int]) -> NewCluster:
        keywords = [self.keywords[place] for place in members]
        return _new_cluster(keywords, self.vectors[members], shift=self.shared * self.mean)


def _new_cluster(
    keywords: Sequence[KeywordFacts], vectors: Vectors, parent: str = "", *, shift: Vectors | float = 0.0
) -> NewCluster:
    """Named by its parent keyword where that is one of them, else by what is known of all its searches: volumes, else
    impressions, else clicks; of equal ones by the most central, then the first. `shift`: what all texts of the sector
    share.
    """
    centred = unit(vectors - shift)
    central = centred @ centred.mean(axis=0)
    best = max(
        range(len(keywords)),
        key=lambda place: (
            bool(parent) and name_key(keywords[place].text) == parent,
            *_searched(keywords[place], keywords),
            round(float(central[place]), CENTRAL_DIGITS),
        ),
    )
    intents = Counter(keyword.intent for keyword in keywords if keyword.intent)
    main_intent = intents.most_common(1)[0][0] if intents else None
    centre = _stored(vectors.mean(axis=0))
    return NewCluster(keywords[best].text, main_intent, [keyword.id for keyword in keywords], centre)


def _every(request: ClusteringRequest) -> list[KeywordFacts]:
    return [*request.keywords, *request.left, *request.placed_before]


def _careful(request: ClusteringRequest) -> float:
    if request.known or request.left:
        return CAREFUL_CUT
    return float(np.interp(request.size, FIRST_KEYWORDS, (FIRST_CUT, CAREFUL_CUT)))


def _searched(keyword: KeywordFacts, group: Sequence[KeywordFacts]) -> tuple[int]:
    if any(other.volume for other in group):
        return (keyword.volume,)
    return (keyword.impressions if any(other.impressions for other in group) else keyword.clicks,)


def _mean_of_shifted(centres: Vectors, shift: Vectors) -> Vectors:
    """Means of unit vectors after `shift` is taken off and their length is one again, as nearly as means tell."""
    lengths = np.sqrt(np.maximum(1 - 2 * centres @ shift + shift @ shift, 1e-6))
    return np.asarray((centres - shift) / lengths[:, None], np.float32)


def _common_words(keywords: Sequence[KeywordFacts]) -> set[str]:
    counts = Counter(word for keyword in keywords for word in _words(keyword.text))
    return {word for word, count in counts.items() if count > max(2, RARE * len(keywords))}


def _words(text: str) -> set[str]:
    return set(fold(text).split())


def _stored(vector: Vectors) -> bytes:
    return np.asarray(vector, np.float32).tobytes()


def _give_memory_back() -> None:
    """The C library keeps freed memory for later: a worker that grouped once would hold it until it ends."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
