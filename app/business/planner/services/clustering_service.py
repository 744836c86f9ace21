"""Groups the new keywords of a sector: first into near existing clusters, then into new ones."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.business.errors import Conflict
from app.business.events import EventType, Origin
from app.business.planner.models import Cluster, ClusterStatus, Keyword, KeywordStatus, Sector
from app.business.planner.services.clustering_plan import (
    ClusteringAnswer,
    ClusteringRequest,
    KeywordFacts,
    NewCluster,
)
from app.business.planner.services.record_changes import CLUSTER, KEYWORD, move_status, new_record, report

TEXTS_OF_A_CLUSTER = 20
KNOWN_TEXTS_LIMIT = 5_000


@dataclass(frozen=True)
class ClusteringResult:
    """Clusters created; keywords that joined older clusters, were placed in all (these are charged), were left."""

    clusters: list[Cluster]
    joined: int
    placed: int
    left: int


class ClusteringService:
    """Groups keywords by meaning."""

    def read(
        self,
        session: Session,
        account_id: int,
        sector_id: int,
        keyword_ids: Sequence[int],
        *,
        min_cluster_size: int = 2,
    ) -> ClusteringRequest:
        """The new ones of these keywords as plain data. Raises Conflict when none of them is new."""
        query = select(Keyword.id, Keyword.text, func.coalesce(Keyword.volume, 0), Keyword.intent).where(
            Keyword.account_id == account_id,
            Keyword.sector_id == sector_id,
            Keyword.id.in_(keyword_ids),
            Keyword.status == KeywordStatus.NEW,
        )
        keywords = [KeywordFacts(*row) for row in session.execute(query.order_by(Keyword.id))]
        if not keywords:
            raise Conflict("None of these keywords is new; only new ones are grouped.")
        return ClusteringRequest(
            sector_id, keywords, _known_clusters(session, account_id, sector_id), min_cluster_size
        )

    def group(self, request: ClusteringRequest, key: str) -> ClusteringAnswer:
        """Where each keyword goes; deterministic."""
        # Imported here: numpy, scipy and the word vectors stay out of processes that do not cluster.
        from app.business.planner.services.keyword_groups import group_keywords

        return group_keywords(request)

    def save(
        self, session: Session, answer: ClusteringAnswer, *, origin: Origin, now: datetime
    ) -> ClusteringResult:
        """Make the clusters and place the keywords that are still new; events for both."""
        still_new = _still_new(session, answer, origin.account_id)
        groups = [(group, [key for key in group.keyword_ids if key in still_new]) for group in answer.groups]
        wanted = [(group, ids) for group, ids in groups if ids]
        clusters = _make_clusters(session, answer.sector_id, [group for group, _ in wanted], origin, now)
        there = set(session.scalars(select(Cluster.id).where(Cluster.id.in_(list(answer.joins)))))
        places = {key: cluster for cluster in there for key in answer.joins[cluster] if key in still_new}
        joined = len(places)
        for cluster, (_, ids) in zip(clusters, wanted, strict=True):
            places |= dict.fromkeys(ids, cluster.id)
        placed = _place(session, places, origin, now)
        # Reported last: rules that the cluster's event starts find its keywords in it.
        report(session, EventType.CLUSTER_CREATED, CLUSTER, clusters, origin, now)
        _note_tried(session, answer.left, now)
        return ClusteringResult(clusters, joined, placed, len(answer.left))


def _known_clusters(session: Session, account_id: int, sector_id: int) -> dict[int, list[str]]:
    rank = func.row_number().over(
        partition_by=Keyword.cluster_id, order_by=(func.coalesce(Keyword.volume, 0).desc(), Keyword.id)
    )
    ranked = (
        select(Keyword.cluster_id, Keyword.text, rank.label("rank"))
        .join(Cluster, Cluster.id == Keyword.cluster_id)
        .where(
            Keyword.account_id == account_id,
            Keyword.sector_id == sector_id,
            Keyword.status == KeywordStatus.CLUSTERED,
        )
        .subquery()
    )
    query = (
        select(ranked.c.cluster_id, ranked.c.text)
        .where(ranked.c.rank <= TEXTS_OF_A_CLUSTER)
        .order_by(ranked.c.cluster_id.desc(), ranked.c.rank)
        .limit(KNOWN_TEXTS_LIMIT)
    )
    known: dict[int, list[str]] = defaultdict(list)
    for cluster_id, text in session.execute(query):
        known[cluster_id].append(text)
    return dict(known)


def _still_new(session: Session, answer: ClusteringAnswer, account_id: int) -> set[int]:
    ids = [key for group in answer.groups for key in group.keyword_ids]
    ids += [key for joined in answer.joins.values() for key in joined]
    query = select(Keyword.id).where(
        Keyword.account_id == account_id, Keyword.id.in_(ids), Keyword.status == KeywordStatus.NEW
    )
    return set(session.scalars(query.order_by(Keyword.id).with_for_update()))


def _make_clusters(
    session: Session, sector_id: int, groups: Sequence[NewCluster], origin: Origin, now: datetime
) -> list[Cluster]:
    if not groups:
        return []
    sector = session.get_one(Sector, sector_id)
    clusters = [
        Cluster(
            **new_record(sector, ClusterStatus.NEW, origin, now, ordinal),
            name=group.name,
            main_keyword=group.name,
            main_intent=group.main_intent,
        )
        for ordinal, group in enumerate(groups)
    ]
    session.add_all(clusters)
    session.flush()
    return clusters


def _place(session: Session, places: dict[int, int], origin: Origin, now: datetime) -> int:
    """The keywords are locked and still new. Placed first, moved then: the event of the move has the cluster."""
    if places:
        rows = [{"id": key, "cluster_id": cluster_id} for key, cluster_id in places.items()]
        session.execute(update(Keyword), rows)
    moved = move_status(
        session,
        KEYWORD,
        list(places),
        {KeywordStatus.NEW},
        KeywordStatus.CLUSTERED,
        origin,
        now,
        cluster_tried_at=now,
    )
    return len(moved)


def _note_tried(session: Session, left: Sequence[int], now: datetime) -> None:
    # Left-over keywords are retried a week later: new ones that fit may have come.
    session.execute(
        update(Keyword)
        .where(Keyword.id.in_(left), Keyword.status == KeywordStatus.NEW)
        .values(cluster_tried_at=now)
    )
