"""Groups the new keywords of a sector: first into near existing clusters, then into new ones."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.business.errors import Conflict
from app.business.events import EventType, Origin
from app.business.language_model import Embedder, ModelConnection, ModelUse, ProviderFault
from app.business.outlets.services.ai_connections import connection_of
from app.business.planner.models import (
    Cluster,
    ClusterStatus,
    Grouping,
    Keyword,
    KeywordStatus,
    Sector,
    Tightness,
)
from app.business.planner.services import cluster_centres
from app.business.planner.services.clustering_plan import (
    ClusteringAnswer,
    ClusteringRequest,
    KeywordFacts,
    NewCluster,
    model_of,
    model_of_service,
)
from app.business.planner.services.keyword_facts import FACTS
from app.business.planner.services.loose_clusters import (
    MOST_GROUPED_ANEW,
    InUse,
    end_empty,
    lock_clusters,
    loose_clusters,
    still_loose,
)
from app.business.planner.services.record_changes import CLUSTER, KEYWORD, move_status, new_record, report

VECTORS_VERSION = "vectors-1"
MOST_LEFT_OVERS = 1_000
"""Of earlier groupings: those looked at again with the new keywords, newest first."""


@dataclass(frozen=True)
class ClusteringResult:
    """Clusters created; keywords that joined older clusters, were placed in all (these are charged), were left, and
    changed from one loose cluster to another.
    """

    clusters: list[Cluster]
    joined: int
    placed: int
    left: int
    moved: int = 0


def not_in_use(_session: Session, _account_id: int, _ids: Sequence[int]) -> Collection[int]:
    """Where nothing runs."""
    return ()


class ClusteringService:
    """Groups keywords by meaning, or by the parent keyword of their file.

    embedder: makes the vectors of accounts whose AI service has a model for that · in_use: clusters that runs use.
    """

    def __init__(self, embedder: Embedder | None = None, in_use: InUse = not_in_use) -> None:
        self.embedder, self.in_use = embedder, in_use

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
        query = select(*FACTS).where(
            Keyword.account_id == account_id,
            Keyword.sector_id == sector_id,
            Keyword.id.in_(keyword_ids),
            Keyword.status == KeywordStatus.NEW,
        )
        keywords = [KeywordFacts(*row) for row in session.execute(query.order_by(Keyword.id))]
        if not keywords:
            raise Conflict("None of these keywords is new; only new ones are grouped.")
        site = session.get_one(Sector, sector_id).site
        connection = self._service_of(session, account_id)
        model = model_of_service(connection) if connection else model_of(site.language)
        request = ClusteringRequest(
            sector_id,
            keywords,
            cluster_centres.known_clusters(session, account_id, sector_id, model),
            min_cluster_size,
            model,
            _left_over(session, account_id, sector_id, keywords),
            by_parent=site.grouping == Grouping.PARENT_KEYWORD,
            tightness=Tightness(site.tightness),
            connection=connection,
        )
        if request.by_parent:
            parents = cluster_centres.parents_of(session, account_id, sector_id)
            known = {key: replace(one, parent=parents.get(key, "")) for key, one in request.known.items()}
            request = replace(request, known=known)
        cut = cluster_centres.cut_of(session, account_id, sector_id, model, request.size)
        if cut:
            return replace(request, cut=cut)
        request = replace(request, sample=cluster_centres.sample_of(session, account_id, sector_id))
        if request.by_parent or request.size > MOST_GROUPED_ANEW:
            return request
        loose = loose_clusters(session, account_id, sector_id, self.in_use)
        known = {key: one for key, one in request.known.items() if key not in loose}
        return replace(request, loose=loose, known=known)

    def group(self, request: ClusteringRequest, key: str) -> ClusteringAnswer:
        """Where each keyword goes; deterministic. Raises ProviderFault when the service that makes the vectors fails:
        those of others are never used instead.
        """
        # Imported here: numpy and the word vectors stay out of processes that do not cluster.
        from numpy import asarray, float32

        from app.business.planner.services.keyword_groups import group_keywords
        from app.business.planner.services.sentence_encoder import Vectors, unit

        connection, embedder = request.connection, self.embedder
        if connection is None or embedder is None:
            return group_keywords(request)
        if request.refusal:
            raise ProviderFault("over_limit", request.refusal)
        tokens = 0

        def vectors(texts: list[str]) -> Vectors:
            nonlocal tokens
            found = embedder.embed(texts, connection, key)
            tokens = found.tokens
            return unit(asarray(found.vectors, float32))

        answer = group_keywords(request, vectors)
        cost = connection.cost(tokens, 0) if tokens else None
        return replace(answer, use=ModelUse(connection.embedding_model, VECTORS_VERSION, tokens, 0, cost))

    def _service_of(self, session: Session, account_id: int) -> ModelConnection | None:
        connection = connection_of(session, account_id)
        return connection if connection and connection.embedding_model and self.embedder else None

    def save(
        self, session: Session, answer: ClusteringAnswer, *, origin: Origin, now: datetime
    ) -> ClusteringResult:
        """Make the clusters and place the keywords that are still new; events for both.

        Keywords of loose clusters change their cluster, unless somebody has used that one since.
        """
        account_id = origin.account_id
        locked = lock_clusters(session, account_id, answer.loose) if answer.loose else []
        # A keyword that somebody took out of a loose cluster since was not asked for.
        still_new = _lock_keywords(session, answer, account_id) - answer.former.keys()
        loose = still_loose(session, account_id, locked, answer.loose, self.in_use) if locked else set[int]()
        free = still_new | {key for key, cluster in answer.former.items() if cluster in loose}
        groups = [(group, [key for key in group.keyword_ids if key in free]) for group in answer.groups]
        wanted = [(group, ids) for group, ids in groups if ids]
        older = {**answer.joins, **answer.goes_on}
        unsettled = cluster_centres.unsettled(session, account_id, older)
        there = set(session.scalars(select(Cluster.id).where(Cluster.id.in_(list(older)))))
        places = {key: cluster for cluster in sorted(there) for key in older[cluster] if key in free}
        joined = len(places.keys() & still_new)
        clusters = _make_clusters(session, answer.sector_id, [group for group, _ in wanted], origin, now)
        for cluster, (_, ids) in zip(clusters, wanted, strict=True):
            places |= dict.fromkeys(ids, cluster.id)
        new = {key: cluster for key, cluster in places.items() if key in still_new}
        placed = _place(session, new, KeywordStatus.NEW, origin, now)
        moves = {
            key: cluster for key, cluster in places.items() if answer.former.get(key, cluster) != cluster
        }
        moved = _place(session, moves, KeywordStatus.CLUSTERED, origin, now)
        end_empty(session, account_id, loose - answer.goes_on.keys())
        _keep(session, account_id, answer, unsettled, there, list(zip(clusters, wanted, strict=True)))
        # Reported last: rules that the cluster's event starts find its keywords in it.
        report(session, EventType.CLUSTER_CREATED, CLUSTER, clusters, origin, now)
        _note_tried(session, answer.left, now)
        return ClusteringResult(clusters, joined, placed, len(answer.left), moved)


def _left_over(
    session: Session, account_id: int, sector_id: int, keywords: Sequence[KeywordFacts]
) -> list[KeywordFacts]:
    """Keywords that fitted nowhere earlier: with the new ones they may."""
    query = (
        select(*FACTS)
        .where(
            Keyword.account_id == account_id,
            Keyword.sector_id == sector_id,
            Keyword.status == KeywordStatus.NEW,
            Keyword.cluster_tried_at.is_not(None),
        )
        .order_by(Keyword.cluster_tried_at.desc(), Keyword.id.desc())
        .limit(MOST_LEFT_OVERS)
    )
    asked = {keyword.id for keyword in keywords}
    found = [KeywordFacts(*row) for row in session.execute(query) if row[0] not in asked]
    return sorted(found, key=lambda keyword: keyword.id)


def _keep(
    session: Session,
    account_id: int,
    answer: ClusteringAnswer,
    unsettled: Collection[int],
    there: set[int],
    made: Sequence[tuple[Cluster, tuple[NewCluster, list[int]]]],
) -> None:
    """Centres for the next grouping, each with the number of keywords it was made of, and the sector's cut."""
    centres = {key: vector for key, (vector, _) in answer.centres.items() if key in there}
    sizes = {key: size for key, (_, size) in answer.centres.items()}
    for cluster, (group, _) in made:
        if group.centre is not None:
            centres[cluster.id], sizes[cluster.id] = group.centre, len(group.keyword_ids)
    own = {*unsettled, *(cluster.id for cluster, _ in made)}
    cluster_centres.keep_centres(session, account_id, answer.model, centres, sizes, own)
    if answer.cut is not None:
        cluster_centres.keep_cut(session, account_id, answer.sector_id, answer.model, answer.cut, answer.size)


def _lock_keywords(session: Session, answer: ClusteringAnswer, account_id: int) -> set[int]:
    """Lock those that are to be placed or moved; returns those that are new."""
    ids = [key for group in answer.groups for key in group.keyword_ids]
    ids += [key for placed in (*answer.joins.values(), *answer.goes_on.values()) for key in placed]
    query = select(Keyword.id, Keyword.status).where(Keyword.account_id == account_id, Keyword.id.in_(ids))
    rows = session.execute(query.order_by(Keyword.id).with_for_update())
    return {key for key, status in rows if status == KeywordStatus.NEW}


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


def _place(
    session: Session, places: dict[int, int], came_from: KeywordStatus, origin: Origin, now: datetime
) -> int:
    """The keywords are locked, and their status is that. Placed first, moved then: the move's event has the cluster."""
    if places:
        rows = [{"id": key, "cluster_id": cluster_id} for key, cluster_id in places.items()]
        session.execute(update(Keyword), rows)
    moved = move_status(
        session,
        KEYWORD,
        list(places),
        {came_from},
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
