"""Where each new keyword of a sector goes: into a near cluster, into a new group, or nowhere yet.

Importing this module loads numpy, scipy and word vectors: only processes that cluster import it.
"""

from collections import Counter
from collections.abc import Sequence

from app.business.planner.services.clustering_plan import (
    ClusteringAnswer,
    ClusteringRequest,
    KeywordFacts,
    NewCluster,
)
from app.business.planner.services.text_groups import USUAL_CUT, central, group, nearest
from app.business.planner.services.word_vectors import Vectors, embed


def group_keywords(request: ClusteringRequest) -> ClusteringAnswer:
    """Deterministic: the same request gives the same answer."""
    vectors, known = _embed(request)
    groups, cut = group(vectors)
    answer = ClusteringAnswer(request.sector_id)
    joined = _join(vectors, known, min(cut, USUAL_CUT))
    for index, cluster_id in joined.items():
        answer.joins.setdefault(cluster_id, []).append(request.keywords[index].id)
    for members in groups:
        free = [index for index in members if index not in joined]
        if len(free) >= request.min_cluster_size:
            answer.groups.append(_named(request.keywords, free, vectors))
        else:
            answer.left.extend(request.keywords[index].id for index in free)
    return answer


def _embed(request: ClusteringRequest) -> tuple[Vectors, dict[int, Vectors]]:
    """Vectors of the keywords, and of the texts of each known cluster, in one embedding."""
    texts = [keyword.text for keyword in request.keywords]
    end = len(texts)
    vectors = embed(texts + [text for known in request.known.values() for text in known])
    parts: dict[int, Vectors] = {}
    for cluster_id, known in request.known.items():
        parts[cluster_id], end = vectors[end : end + len(known)], end + len(known)
    return vectors[: len(texts)], parts


def _join(vectors: Vectors, known: dict[int, Vectors], cut: float) -> dict[int, int]:
    """Position of a keyword -> the known cluster whose texts are within `cut` of it."""
    if not known:
        return {}
    found, distances = nearest(vectors, list(known.values()))
    ids = list(known)
    return {index: ids[place] for index, place in enumerate(found) if distances[index] <= cut}


def _named(keywords: Sequence[KeywordFacts], members: Sequence[int], vectors: Vectors) -> NewCluster:
    """A group named by the most searched of its central keywords."""
    middle = [members[place] for place in central(vectors[members])]
    best = max(middle, key=lambda index: (keywords[index].volume, -len(keywords[index].text)))
    intents = Counter(intent for index in members if (intent := keywords[index].intent))
    main_intent = intents.most_common(1)[0][0] if intents else None
    return NewCluster(keywords[best].text, main_intent, [keywords[index].id for index in members])
