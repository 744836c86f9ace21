"""Grouping stored with the demo's keywords, as the real service groups them: loading word vectors takes seconds."""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from app.business.planner.services.clustering_plan import (
    ClusteringAnswer,
    ClusteringRequest,
    KeywordFacts,
    NewCluster,
)
from app.business.planner.services.clustering_service import ClusteringService

KEYWORDS = Path(__file__).with_name("keywords")


def keyword_rows() -> Iterator[dict[str, str]]:
    """Every row of the demo's keyword files; the column Group names the cluster and is empty where none fits."""
    for path in sorted(KEYWORDS.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)


@cache
def _group_of() -> dict[str, str]:
    return {row["Keyword"]: row["Group"] for row in keyword_rows() if row["Group"]}


class KnownGroups(ClusteringService):
    """Answers from the keyword files; a keyword that is not in them is left unclustered."""

    def group(self, request: ClusteringRequest, key: str) -> ClusteringAnswer:
        """Put a keyword into the cluster that already holds its group, else into a new one."""
        groups = _group_of()
        there = {cluster.name: key for key, cluster in request.known.items()}
        answer, new = ClusteringAnswer(request.sector_id), defaultdict[str, list[KeywordFacts]](list)
        for keyword in request.keywords:
            name = groups.get(keyword.text)
            if name is None:
                answer.left.append(keyword.id)
            elif name in there:
                answer.joins.setdefault(there[name], []).append(keyword.id)
            else:
                new[name].append(keyword)
        answer.groups.extend(_cluster(name, members) for name, members in new.items())
        return answer


def _cluster(name: str, members: list[KeywordFacts]) -> NewCluster:
    intents = Counter(keyword.intent for keyword in members if keyword.intent)
    return NewCluster(name, intents.most_common(1)[0][0], [keyword.id for keyword in members])
