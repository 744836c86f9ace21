"""The keywords of a cluster, the most searched first: what ideas, briefs, articles and their checks read of it."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import TypedDict

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.business.planner.models import Cluster, Keyword, KeywordStatus


class SearchedKeyword(TypedDict):
    """volume: monthly searches, None where they are not known."""

    text: str
    volume: int | None
    intent: str | None


def cluster_keywords(session: Session, cluster: Cluster, most: int) -> list[SearchedKeyword]:
    """At most so many of them; ignored ones are left out."""
    query = (
        select(Keyword.text, Keyword.volume, Keyword.intent)
        .where(*in_cluster(cluster))
        .order_by(func.coalesce(Keyword.volume, 0).desc(), Keyword.id)
        .limit(most)
    )
    return [
        {"text": text, "volume": volume, "intent": intent} for text, volume, intent in session.execute(query)
    ]


def keywords_of(
    session: Session, cluster_ids: Collection[int], most: int
) -> Mapping[int, list[SearchedKeyword]]:
    """The same for many clusters, by cluster."""
    by_volume = func.coalesce(Keyword.volume, 0).desc(), Keyword.id
    place = func.row_number().over(partition_by=Keyword.cluster_id, order_by=by_volume).label("place")
    mine = Keyword.cluster_id.in_(cluster_ids), Keyword.status != KeywordStatus.IGNORED
    ranked = select(Keyword.cluster_id, Keyword.text, Keyword.volume, Keyword.intent, place).where(*mine)
    some = ranked.subquery()
    found: dict[int, list[SearchedKeyword]] = defaultdict(list)
    shown = select(some).where(some.c.place <= most).order_by(some.c.cluster_id, some.c.place)
    for cluster_id, text, volume, intent, _ in session.execute(shown):
        found[cluster_id].append({"text": text, "volume": volume, "intent": intent})
    return found


def in_cluster(cluster: Cluster) -> tuple[ColumnElement[bool], ...]:
    """Clauses over keywords: those of the cluster that are not ignored."""
    return (
        Keyword.account_id == cluster.account_id,
        Keyword.cluster_id == cluster.id,
        Keyword.status != KeywordStatus.IGNORED,
    )
