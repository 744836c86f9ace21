"""Clusters that grouping may still change: it made them, and nobody has changed them or built on them."""

from collections.abc import Callable, Collection, Mapping, Sequence

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from app.business.archived_rows import WITH_ARCHIVED
from app.business.planner.models import Cluster, ClusterStatus, Idea, Keyword, KeywordStatus
from app.business.planner.services import cluster_centres
from app.business.planner.services.clustering_plan import KeywordFacts, LooseCluster
from app.business.planner.services.keyword_facts import FACTS

MOST_GROUPED_ANEW = cluster_centres.MOST_SAMPLED
"""Keywords of a sector: up to here all of them are read for its cut anyway. Later clusters hardly change."""

InUse = Callable[[Session, int, Sequence[int]], Collection[int]]
"""(session, account, cluster ids) -> those that runs work on, wait for, or have worked on."""


def loose_clusters(
    session: Session, account_id: int, sector_id: int, in_use: InUse
) -> dict[int, LooseCluster]:
    """With their keywords."""
    names = {
        row.id: row.name
        for row in session.execute(
            select(Cluster.id, Cluster.name)
            .where(Cluster.account_id == account_id, Cluster.sector_id == sector_id, *_unchanged())
            .order_by(Cluster.id)
        )
    }
    used = _used(session, account_id, names, in_use)
    members = cluster_centres.unsettled(session, account_id, [key for key in names if key not in used])
    found = {key: LooseCluster(names[key], [], members[key]) for key in members}
    placed = select(Keyword.cluster_id, *FACTS).where(
        Keyword.account_id == account_id,
        Keyword.sector_id == sector_id,
        Keyword.status == KeywordStatus.CLUSTERED,
        Keyword.cluster_id.is_not(None),
    )
    for row in session.execute(placed.order_by(Keyword.id)):
        if row[0] in found:
            found[row[0]].keywords.append(KeywordFacts(*row[1:]))
    return found


def lock_clusters(session: Session, account_id: int, ids: Collection[int]) -> list[int]:
    """Those that are there and unchanged; from now on nothing is put into them or built on them."""
    query = select(Cluster.id).where(Cluster.account_id == account_id, Cluster.id.in_(ids), *_unchanged())
    return list(session.scalars(query.order_by(Cluster.id).with_for_update()))


def still_loose(
    session: Session, account_id: int, locked: Collection[int], members: Mapping[int, str], in_use: InUse
) -> set[int]:
    """Those of the locked clusters whose keywords are the same, and that nobody has built on since."""
    now = cluster_centres.unsettled(session, account_id, locked)
    same = {key for key in locked if now.get(key) == members[key]}
    return same - _used(session, account_id, same, in_use)


def end_empty(session: Session, account_id: int, cluster_ids: Collection[int]) -> None:
    """Delete those that have no keyword any more; they are locked."""
    empty = ~select(Keyword.id).where(Keyword.cluster_id == Cluster.id).exists()
    ended = delete(Cluster).where(Cluster.account_id == account_id, Cluster.id.in_(cluster_ids), empty)
    session.execute(ended, execution_options={**WITH_ARCHIVED, "synchronize_session": "fetch"})


def _unchanged() -> tuple[ColumnElement[bool], ...]:
    return (
        Cluster.status == ClusterStatus.NEW,
        Cluster.made_by_run_id.is_not(None),
        Cluster.version == Cluster.made_version,
    )


def _used(session: Session, account_id: int, ids: Collection[int], in_use: InUse) -> set[int]:
    """Archived ideas count: restored, they belong to their cluster."""
    every = sorted(ids)
    ideas = select(Idea.cluster_id).where(Idea.account_id == account_id, Idea.cluster_id.in_(every))
    with_ideas = session.scalars(ideas, execution_options=WITH_ARCHIVED)
    return {key for key in with_ideas if key is not None} | set(in_use(session, account_id, every))
