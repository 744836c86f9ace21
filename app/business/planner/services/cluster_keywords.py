"""The keywords of a cluster, the most searched first: what ideas, briefs, articles and their checks read of it."""

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


def in_cluster(cluster: Cluster) -> tuple[ColumnElement[bool], ...]:
    """Clauses over keywords: those of the cluster that are not ignored."""
    return (
        Keyword.account_id == cluster.account_id,
        Keyword.cluster_id == cluster.id,
        Keyword.status != KeywordStatus.IGNORED,
    )
