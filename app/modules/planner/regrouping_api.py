"""REST: regrouping keywords: merging and splitting clusters, moving keywords between them."""

from datetime import UTC, datetime
from typing import Annotated

from flask import Response, url_for
from pydantic import Field

from app.business.accounts.models import Role
from app.business.planner.models import Cluster
from app.business.planner.services import cluster_service
from app.infrastructure.database import db
from app.modules.access import current_person, owned_or_404
from app.modules.api.records import RowId, row_to_change
from app.modules.api.resource import Schema, answer, require_present, saved
from app.modules.planner.api import api, shown_cluster
from app.modules.planner.serializers import ClusterShown

MOST_CLUSTERS, MOST_KEYWORDS = 100, 5_000
KeywordIds = Annotated[list[RowId], Field(default_factory=list, max_length=MOST_KEYWORDS)]


class MergeClusters(Schema):
    """`clusters`: those that become part of this one, of the same sector, at least one."""

    clusters: list[RowId] = Field(default_factory=list, max_length=MOST_CLUSTERS)


class KeywordsChosen(Schema):
    """The ids of at least one keyword."""

    keywords: KeywordIds


class SplitCluster(Schema):
    """`name`: of the new cluster · `keywords`: those that go over to it; at least one must stay."""

    name: str = ""
    keywords: KeywordIds


@api.call("POST", "/clusters/<int:id>/merge/", Role.OPERATOR, answers={200: ClusterShown}, if_match=True)
def merge_clusters(id: int, body: MergeClusters) -> Response:
    """Move the keywords and ideas of other clusters into this one; the others are gone then, for good."""
    cluster = _cluster_to_change(id)
    others = [owned_or_404(Cluster, other) for other in dict.fromkeys(body.clusters)]
    cluster_service.merge_clusters(
        db.session(), cluster, others, origin=current_person().origin, now=datetime.now(UTC)
    )
    return _saved(cluster)


@api.call("POST", "/clusters/<int:id>/split/", Role.OPERATOR, answers={201: ClusterShown}, if_match=True)
def split_cluster(id: int, body: SplitCluster) -> Response:
    """Make a new cluster of some of the keywords of this one."""
    cluster, now = _cluster_to_change(id), datetime.now(UTC)
    new = cluster_service.split_cluster(
        db.session(), cluster, body.name, body.keywords, origin=current_person().origin, now=now
    )
    made = answer(shown_cluster(new), 201, version=new.version)
    made.location = url_for(".get_cluster", id=new.id)
    return saved(made)


@api.call(
    "POST", "/clusters/<int:id>/take-keywords/", Role.OPERATOR, answers={200: ClusterShown}, if_match=True
)
def take_keywords(id: int, body: KeywordsChosen) -> Response:
    """Put keywords of the sector into this cluster, out of any other."""
    cluster, now = _cluster_to_change(id), datetime.now(UTC)
    cluster_service.move_keywords(
        db.session(), cluster, body.keywords, origin=current_person().origin, now=now
    )
    return _saved(cluster)


@api.call(
    "POST", "/clusters/<int:id>/release-keywords/", Role.OPERATOR, answers={200: ClusterShown}, if_match=True
)
def release_keywords(id: int, body: KeywordsChosen) -> Response:
    """Take keywords out of this cluster: they are new again; ignored ones stay ignored."""
    cluster, now = _cluster_to_change(id), datetime.now(UTC)
    cluster_service.release_keywords(
        db.session(), cluster, body.keywords, origin=current_person().origin, now=now
    )
    return _saved(cluster)


def _cluster_to_change(id: int) -> Cluster:
    """The cluster, locked, in the version given by If-Match. Raises NotFound, Stale."""
    cluster = row_to_change(Cluster, id)
    require_present(shown_cluster(cluster), cluster.version)
    return cluster


def _saved(cluster: Cluster) -> Response:
    db.session.refresh(cluster)
    return saved(answer(shown_cluster(cluster), version=cluster.version))
