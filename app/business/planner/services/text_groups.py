"""Groups of texts by meaning: average linkage over cosine distances, with the cut chosen by silhouette.

Importing this module loads numpy and scipy: only processes that cluster import it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from app.business.planner.services.word_vectors import Vectors

CUTS = np.arange(0.10, 0.76, 0.05)
USUAL_CUT = 0.45
"""Greatest mean distance within a group, where there are too few texts to estimate it."""

FEW_TEXTS = 12
TOLERANCE = 0.88
"""The silhouette favours tiny groups: the widest cut that keeps this share of the best one is taken."""

Labels = NDArray[np.int64]


def group(vectors: Vectors) -> tuple[list[list[int]], float]:
    """Positions of the texts of each group, largest group first, and the cut that was chosen."""
    if len(vectors) < 2:
        return [[index] for index in range(len(vectors))], USUAL_CUT
    distances = np.clip(1 - vectors @ vectors.T, 0, 2)
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "average")
    del distances
    cut = _best_cut(vectors, tree) if len(vectors) >= FEW_TEXTS else USUAL_CUT
    return _members(fcluster(tree, cut, "distance")), cut


def nearest(vectors: Vectors, groups: Sequence[Vectors]) -> tuple[Labels, NDArray[np.float32]]:
    """For each text the group with the least mean distance to its texts, and that distance."""
    centres = np.stack([texts.mean(axis=0) for texts in groups])
    distances = 1 - vectors @ centres.T
    found = distances.argmin(axis=1)
    return found, distances[np.arange(len(vectors)), found]


def central(vectors: Vectors) -> list[int]:
    """Positions of the half of the texts that lies nearest the middle, nearest first."""
    order = np.argsort(-(vectors @ vectors.mean(axis=0)), kind="stable")
    return [int(index) for index in order[: (len(vectors) + 1) // 2]]


def _best_cut(vectors: Vectors, tree: NDArray[np.float64]) -> float:
    merits = [_silhouette(vectors, fcluster(tree, cut, "distance")) for cut in CUTS]
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
    towards = vectors @ sums.T
    rows = np.arange(len(vectors))
    others = np.maximum(sizes[own] - 1, 1)
    within = 1 - (towards[rows, own] - 1) / others
    towards /= sizes
    towards[rows, own] = -2
    between = 1 - towards.max(axis=1)
    merit = (between - within) / np.maximum(np.maximum(between, within), 1e-9)
    return float(np.where(sizes[own] > 1, merit, 0).mean())


def _members(labels: Labels) -> list[list[int]]:
    groups: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        groups.setdefault(int(label), []).append(index)
    return sorted(groups.values(), key=lambda members: (-len(members), members[0]))
