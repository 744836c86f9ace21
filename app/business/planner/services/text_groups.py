"""Groups of texts by meaning: average linkage over cosine distances, with known groups as items that have a weight.

The mean distance of two groups of unit vectors is one less the product of their mean vectors, so a group is its mean
and its size, and nothing quadratic is kept. Importing this module loads numpy.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.business.planner.services.sentence_encoder import Vectors

CUTS = np.arange(0.10, 0.76, 0.05)
USUAL_CUT = 0.45
"""Greatest mean distance within a group, where there are too few texts to estimate it."""
FEW_TEXTS = 12
TOLERANCE = 0.88
"""The silhouette favours tiny groups: the widest cut that keeps this share of the best one is taken."""
NEAREST = 20
"""Neighbours of each item to begin with: enough for the same groups as with all of them."""
MOST_NEIGHBOURS = 60
BLOCK = 512
MOST_MEASURED = 3_000
"""Texts whose silhouette is looked at."""

Labels = NDArray[np.int64]


class Merge(NamedTuple):
    """Two items that became one; items are numbered on from the last one that was given."""

    first: int
    second: int
    distance: float


@dataclass
class Tree:
    """The merges of `size` items, nearest first."""

    size: int
    merges: list[Merge] = field(default_factory=list)

    def labels(self, cut: float) -> Labels:
        """A number for the group of each item, from 1 on."""
        parents = list(range(self.size + len(self.merges)))
        for place, merge in enumerate(self.merges):
            if merge.distance <= cut + 1e-9:
                parents[merge.first] = parents[merge.second] = self.size + place
        for place in range(len(parents) - 1, -1, -1):
            parents[place] = parents[parents[place]]
        return np.unique(parents[: self.size], return_inverse=True)[1] + 1

    def groups(self, cut: float) -> list[list[int]]:
        """Positions of each group's items, largest group first."""
        found: dict[int, list[int]] = {}
        for index, label in enumerate(self.labels(cut)):
            found.setdefault(int(label), []).append(index)
        return sorted(found.values(), key=lambda members: (-len(members), members[0]))


@dataclass(frozen=True)
class Items:
    """Texts and known groups: mean vectors, sizes, and which of them may not come together (known ones)."""

    means: Vectors
    sizes: Sequence[int]
    known: NDArray[np.bool_]

    @classmethod
    def of_texts(cls, vectors: Vectors) -> "Items":
        return cls(vectors, [1] * len(vectors), np.zeros(len(vectors), bool))


def any_size(_size: int, _is_known: bool, _distance: float) -> bool:
    """Groups may grow as they like."""
    return True


def link(items: Items, widest: float, may_be: Callable[[int, bool, float], bool] = any_size) -> Tree:
    """Join the nearest two again and again, up to the distance `widest`. `may_be`: size, is known, distance."""
    return _Linkage(items, widest, may_be).run()


class _Linkage:
    def __init__(self, items: Items, widest: float, may_be: Callable[[int, bool, float], bool]) -> None:
        self.widest, self.may_be, self.tree = widest, may_be, Tree(len(items.means))
        count = len(items.means)
        self.means = np.zeros((2 * count, items.means.shape[1]), np.float32)
        self.means[:count] = items.means
        self.sizes, self.known = list(items.sizes), items.known.tolist()
        self.heights = [0.0] * count
        self.near: list[set[int] | None] = list(_neighbours(items, widest))
        self.heap: list[tuple[float, int, int]] = []

    def run(self) -> Tree:
        for item in range(self.tree.size):
            self._offer(item, [other for other in self.near[item] or () if other > item])
        while self.heap:
            distance, first, second = heapq.heappop(self.heap)
            if self._stands(first, second) and self._may_join(first, second, distance):
                self._join(first, second, distance)
        return self.tree

    def _stands(self, first: int, second: int) -> bool:
        return self.near[first] is not None and self.near[second] is not None

    def _may_join(self, first: int, second: int, distance: float) -> bool:
        is_known = self.known[first] or self.known[second]
        return self.may_be(self.sizes[first] + self.sizes[second], is_known, distance)

    def _join(self, first: int, second: int, distance: float) -> None:
        new, size = len(self.sizes), self.sizes[first] + self.sizes[second]
        around = (self.near[first] or set()) | (self.near[second] or set())
        self.near[first] = self.near[second] = None
        self.means[new] = (
            self.sizes[first] * self.means[first] + self.sizes[second] * self.means[second]
        ) / size
        self.sizes.append(size)
        self.known.append(self.known[first] or self.known[second])
        self.heights.append(max(distance, self.heights[first], self.heights[second]))
        self.tree.merges.append(Merge(first, second, self.heights[new]))
        others = sorted(
            item
            for item in around
            if self.near[item] is not None and not (self.known[new] and self.known[item])
        )
        self.near.append(set(self._offer(new, others)))

    def _offer(self, item: int, others: list[int]) -> list[int]:
        """Pairs of the item with the nearest of the others; returns these."""
        if not others:
            return others
        distances = 1 - self.means[others] @ self.means[item]
        if len(others) > MOST_NEIGHBOURS:
            best = np.argpartition(distances, MOST_NEIGHBOURS)[:MOST_NEIGHBOURS]
            others, distances = [others[place] for place in best], distances[best]
        for other, distance in zip(others, distances.tolist(), strict=True):
            neighbours = self.near[other]
            if neighbours is not None:
                neighbours.add(item)
            if distance <= self.widest:
                heapq.heappush(self.heap, (distance, item, other))
        return others


def _neighbours(items: Items, widest: float) -> list[set[int]]:
    count = len(items.means)
    wanted = min(NEAREST, count - 1)
    near: list[set[int]] = [set() for _ in range(count)]
    for start in range(0, count if wanted > 0 else 0, BLOCK):
        likeness = items.means[start : start + BLOCK] @ items.means.T
        rows = np.arange(len(likeness))
        likeness[rows, start + rows] = -2
        likeness[np.ix_(items.known[start : start + BLOCK], items.known)] = -2
        best = np.argpartition(-likeness, wanted - 1, axis=1)[:, :wanted]
        for row, column in zip(*np.nonzero(likeness[rows[:, None], best] >= 1 - widest), strict=True):
            first, second = start + int(row), int(best[row, column])
            near[first].add(second)
            near[second].add(first)
    return near


def best_cut(vectors: Vectors) -> float:
    """The cut for texts of this kind, from the texts alone."""
    if len(vectors) < FEW_TEXTS:
        return USUAL_CUT
    tree = link(Items.of_texts(vectors), float(CUTS[-1]))
    merits = [_silhouette(vectors, tree.labels(float(cut))) for cut in CUTS]
    enough = TOLERANCE * max(merits)
    widest = max(
        (cut for cut, merit in zip(CUTS, merits, strict=True) if merit >= enough > 0), default=USUAL_CUT
    )
    return float(widest)


def _silhouette(vectors: Vectors, labels: Labels) -> float:
    """Mean silhouette; mean cosine distances to whole groups follow from the groups' sums, exactly."""
    sizes = np.bincount(labels)[1:]
    if not 1 < len(sizes) < len(vectors):
        return -1.0
    own = labels - 1
    sums = np.zeros((len(sizes), vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, own, vectors)
    looked_at = np.unique(np.linspace(0, len(vectors) - 1, min(len(vectors), MOST_MEASURED)).astype(np.int64))
    merits = [
        _merits(vectors[part], own[part], sums, sizes)
        for part in np.array_split(looked_at, -(-len(looked_at) // BLOCK))
    ]
    return float(np.concatenate(merits).mean())


def _merits(vectors: Vectors, own: Labels, sums: Vectors, sizes: Labels) -> NDArray[np.float32]:
    towards = vectors @ sums.T
    rows = np.arange(len(vectors))
    others = np.maximum(sizes[own] - 1, 1)
    within = 1 - (towards[rows, own] - 1) / others
    towards /= sizes
    towards[rows, own] = -2
    between = 1 - towards.max(axis=1)
    merit = (between - within) / np.maximum(np.maximum(between, within), 1e-9)
    return np.where(sizes[own] > 1, merit, 0)
