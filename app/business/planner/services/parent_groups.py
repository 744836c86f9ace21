"""Keywords put together by the parent keyword that a tool gave them."""

from dataclasses import replace

from app.business.folding import name_key
from app.business.planner.services.clustering_plan import ClusteringRequest, KeywordFacts

Groups = list[tuple[str, list[KeywordFacts]]]


def split_by_parent(
    request: ClusteringRequest,
) -> tuple[dict[int, list[KeywordFacts]], Groups, ClusteringRequest]:
    """Which keywords go into known clusters and which form new ones, largest first; and the request of the others.

    A keyword without a parent that is itself the parent of others goes with them.
    """
    every = [*request.keywords, *request.left]
    parents = {name_key(keyword.parent) for keyword in every if keyword.parent}
    found: dict[str, list[KeywordFacts]] = {}
    for keyword in every:
        key = name_key(keyword.parent or keyword.text)
        if keyword.parent or key in parents:
            found.setdefault(key, []).append(keyword)
    homes = _homes(request)
    joins = {homes[parent]: members for parent, members in found.items() if parent in homes}
    groups = [
        (parent, members)
        for parent, members in found.items()
        if parent not in homes and len(members) >= max(request.min_cluster_size, 2)
    ]
    groups.sort(key=lambda group: -len(group[1]))
    placed = {
        keyword.id for members in (*joins.values(), *(group for _, group in groups)) for keyword in members
    }
    rest = replace(
        request,
        keywords=[keyword for keyword in request.keywords if keyword.id not in placed],
        left=[keyword for keyword in request.left if keyword.id not in placed],
    )
    return joins, groups, rest


def _homes(request: ClusteringRequest) -> dict[str, int]:
    """Parent keyword -> the largest known cluster of its keywords, or the one named by it."""
    homes: dict[str, int] = {}
    by_size = sorted(request.known, key=lambda key: request.known[key].size)
    for key in by_size:
        homes[name_key(request.known[key].name)] = key
    for key in by_size:
        if parent := request.known[key].parent:
            homes[parent] = key
    return homes
