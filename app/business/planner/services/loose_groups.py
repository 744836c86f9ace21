"""What becomes of loose clusters once their keywords are grouped anew: they go on, or their keywords go elsewhere."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from app.business.planner.services.clustering_plan import ClusteringAnswer, ClusteringRequest

MeanOf = Callable[[list[int]], bytes]
"""The centre of keywords, given by id."""


def place_loose(request: ClusteringRequest, answer: ClusteringAnswer, mean_of: MeanOf) -> ClusteringAnswer:
    """A cluster goes on as the group that has the keyword it is named by, the largest one if it has several such.

    No keyword of a cluster ends without one: what fits nowhere goes where most of its cluster goes, or stays there.
    """
    former = {keyword.id: key for key, cluster in request.loose.items() for keyword in cluster.keywords}
    places = [*(group.keyword_ids for group in answer.groups), *answer.joins.values()]
    place_of = {keyword: place for place, ids in enumerate(places) for keyword in ids}
    homes = _homes(request, place_of, len(answer.groups))
    goes_on = {key: places[place] for key, place in homes.items()}
    for key, cluster in request.loose.items():
        ids = [keyword.id for keyword in cluster.keywords]
        without = [keyword for keyword in ids if keyword not in place_of]
        went = Counter(place_of[keyword] for keyword in ids if keyword in place_of)
        if key in homes or not went:
            goes_on.setdefault(key, []).extend(without)
        else:
            places[went.most_common(1)[0][0]].extend(without)
    centres = {
        key: vector for key, vector in answer.centres.items() if former.keys().isdisjoint(answer.joins[key])
    }
    kept = set(homes.values())
    return replace(
        answer,
        groups=[
            replace(group, centre=mean_of(group.keyword_ids))
            for place, group in enumerate(answer.groups)
            if place not in kept
        ],
        # Those of other clusters that keywords of loose ones join are made anew from their texts next time.
        centres=centres | {key: (mean_of(ids), len(ids)) for key, ids in goes_on.items()},
        loose={key: cluster.members for key, cluster in request.loose.items()},
        former=former,
        goes_on=goes_on,
    )


def _homes(request: ClusteringRequest, place_of: Mapping[int, int], groups: int) -> dict[int, int]:
    """Loose cluster -> the group that it goes on as."""
    homes: dict[int, int] = {}
    by_size = sorted(request.loose, key=lambda key: (-len(request.loose[key].keywords), key))
    for key in by_size:
        cluster = request.loose[key]
        named_by = next((keyword.id for keyword in cluster.keywords if keyword.text == cluster.name), None)
        place = place_of.get(named_by, groups) if named_by is not None else groups
        if place < groups and place not in homes.values():
            homes[key] = place
    return homes
