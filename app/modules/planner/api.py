"""The planner's REST resources: sites, sectors, keywords, clusters, ideas."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from flask import Response

from app.business.accounts.models import Role
from app.business.automation.services.runs.waiting import wake_for_budget
from app.business.errors import Invalid
from app.business.planner.models import Cluster, Idea, Keyword, Sector, Site
from app.business.planner.services import cluster_service, idea_service, keyword_service, site_service
from app.business.planner.services.record_lists import (
    CLUSTERS,
    IDEAS,
    KEYWORDS,
    SECTORS,
    SITES,
    cluster_figures,
)
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.api.records import list_rows, row_to_change, sent_changes, show
from app.modules.api.resource import answer, listed, listed_as, read_new, saved
from app.modules.planner.serializers import (
    ClusterChanges,
    ClusterNew,
    ClusterQuery,
    ClusterShown,
    IdeaChanges,
    IdeaNew,
    IdeaQuery,
    IdeaShown,
    KeywordChanges,
    KeywordNew,
    KeywordQuery,
    KeywordShown,
    SectorChanges,
    SectorNew,
    SectorQuery,
    SectorShown,
    SiteChanges,
    SiteNew,
    SiteQuery,
    SiteShown,
)


@allow(Role.VIEWER)
def list_sites() -> Response:
    """GET sites."""
    return listed(list_rows(SITES, SiteQuery), lambda site: show(SiteShown, site))


@allow(Role.OWNER)
def create_site() -> Response:
    """POST sites."""
    fields = read_new(SiteNew).model_dump()
    site = site_service.create_site(db.session(), current_person().account.id, fields, now=datetime.now(UTC))
    return saved(answer(show(SiteShown, site), 201, version=site.version))


@allow(Role.VIEWER)
def get_site(id: int) -> Response:
    """GET one site."""
    site = owned_or_404(Site, id)
    return answer(show(SiteShown, site), version=site.version)


@allow(Role.OWNER)
def change_site(id: int) -> Response:
    """PATCH one site."""
    site = row_to_change(Site, id)
    changes = sent_changes(SiteChanges, site, show(SiteShown, site))
    site_service.update_site(db.session(), site, changes, now=datetime.now(UTC))
    wake_for_budget(db.session(), site.account_id, site.id)
    return saved(answer(show(SiteShown, site), version=site.version))


@allow(Role.VIEWER)
def list_sectors() -> Response:
    """GET sectors."""
    return listed(list_rows(SECTORS, SectorQuery), lambda sector: show(SectorShown, sector))


@allow(Role.OPERATOR)
def create_sector() -> Response:
    """POST sectors."""
    fields = read_new(SectorNew)
    site = owned_or_404(Site, fields.site)
    sector = site_service.create_sector(db.session(), site, fields.name, now=datetime.now(UTC))
    return saved(answer(show(SectorShown, sector), 201, version=sector.version))


@allow(Role.VIEWER)
def get_sector(id: int) -> Response:
    """GET one sector."""
    sector = owned_or_404(Sector, id)
    return answer(show(SectorShown, sector), version=sector.version)


@allow(Role.OPERATOR)
def change_sector(id: int) -> Response:
    """PATCH one sector."""
    sector = row_to_change(Sector, id)
    changes = sent_changes(SectorChanges, sector, show(SectorShown, sector))
    if "name" in changes:
        site_service.rename_sector(db.session(), sector, changes["name"], now=datetime.now(UTC))
    return saved(answer(show(SectorShown, sector), version=sector.version))


@allow(Role.VIEWER)
def list_keywords() -> Response:
    """GET keywords."""
    return listed(list_rows(KEYWORDS, KeywordQuery), lambda keyword: show(KeywordShown, keyword))


@allow(Role.OPERATOR)
def create_keyword() -> Response:
    """POST keywords."""
    fields, now = read_new(KeywordNew).model_dump(exclude_unset=True), datetime.now(UTC)
    place = _place(fields, now)
    keyword = keyword_service.add_keyword(
        db.session(), place, fields, origin=current_person().origin, now=now
    )
    return saved(answer(show(KeywordShown, keyword), 201, version=keyword.version))


@allow(Role.VIEWER)
def get_keyword(id: int) -> Response:
    """GET one keyword."""
    keyword = owned_or_404(Keyword, id)
    return answer(show(KeywordShown, keyword), version=keyword.version)


@allow(Role.OPERATOR)
def change_keyword(id: int) -> Response:
    """PATCH one keyword; a cluster given moves it there, null takes it out."""
    keyword, now = row_to_change(Keyword, id), datetime.now(UTC)
    changes = sent_changes(KeywordChanges, keyword, show(KeywordShown, keyword))
    if "cluster" in changes:
        _move(keyword, changes.pop("cluster"), now)
    keyword_service.update_keyword(db.session(), keyword, changes, origin=current_person().origin, now=now)
    return saved(answer(show(KeywordShown, keyword), version=keyword.version))


@allow(Role.VIEWER)
def list_clusters() -> Response:
    """GET clusters."""
    page = list_rows(CLUSTERS, ClusterQuery)
    figures = cluster_figures(db.session(), [cluster.id for cluster in page.rows])
    shown = (show(ClusterShown, cluster) | asdict(figures[cluster.id]) for cluster in page.rows)
    return listed_as(shown, page.next_cursor)


@allow(Role.OPERATOR)
def create_cluster() -> Response:
    """POST clusters."""
    fields, now = read_new(ClusterNew).model_dump(exclude_unset=True), datetime.now(UTC)
    cluster = cluster_service.create_cluster(
        db.session(), _place(fields, now), fields, origin=current_person().origin, now=now
    )
    return saved(answer(_shown_cluster(cluster), 201, version=cluster.version))


@allow(Role.VIEWER)
def get_cluster(id: int) -> Response:
    """GET one cluster."""
    cluster = owned_or_404(Cluster, id)
    return answer(_shown_cluster(cluster), version=cluster.version)


@allow(Role.OPERATOR)
def change_cluster(id: int) -> Response:
    """PATCH one cluster."""
    cluster = row_to_change(Cluster, id)
    changes = sent_changes(ClusterChanges, cluster, _shown_cluster(cluster))
    cluster_service.update_cluster(
        db.session(), cluster, changes, origin=current_person().origin, now=datetime.now(UTC)
    )
    return saved(answer(_shown_cluster(cluster), version=cluster.version))


@allow(Role.VIEWER)
def list_ideas() -> Response:
    """GET ideas."""
    return listed(list_rows(IDEAS, IdeaQuery), lambda idea: show(IdeaShown, idea))


@allow(Role.OPERATOR)
def create_idea() -> Response:
    """POST ideas: of a cluster, or of a site and sector."""
    fields, now = read_new(IdeaNew).model_dump(exclude_unset=True), datetime.now(UTC)
    idea = idea_service.create_idea(
        db.session(), _place_of_idea(fields, now), fields, origin=current_person().origin, now=now
    )
    return saved(answer(show(IdeaShown, idea), 201, version=idea.version))


@allow(Role.VIEWER)
def get_idea(id: int) -> Response:
    """GET one idea."""
    idea = owned_or_404(Idea, id)
    return answer(show(IdeaShown, idea), version=idea.version)


@allow(Role.OPERATOR)
def change_idea(id: int) -> Response:
    """PATCH one idea."""
    idea = row_to_change(Idea, id)
    changes = sent_changes(IdeaChanges, idea, show(IdeaShown, idea))
    idea_service.update_idea(
        db.session(), idea, changes, origin=current_person().origin, now=datetime.now(UTC)
    )
    return saved(answer(show(IdeaShown, idea), version=idea.version))


def _place(fields: dict[str, Any], now: datetime) -> Sector:
    """Takes site and sector out of `fields`. Raises NotFound, Invalid."""
    account_id = current_person().account.id
    site_id, sector_id = fields.pop("site"), fields.pop("sector", None)
    return site_service.place_of(db.session(), account_id, site_id, sector_id, now=now)


def _place_of_idea(fields: dict[str, Any], now: datetime) -> Sector | Cluster:
    cluster_id = fields.pop("cluster", None)
    if cluster_id is None:
        if fields.get("site") is None:
            raise Invalid({"site": ["Send the site, or the cluster that the idea belongs to."]})
        return _place(fields, now)
    cluster = owned_or_404(Cluster, cluster_id)
    if fields.pop("site", None) not in (None, cluster.site_id):
        raise Invalid({"site": ["The cluster belongs to another site. Send the cluster alone."]})
    if fields.pop("sector", None) not in (None, cluster.sector_id):
        raise Invalid({"sector": ["The cluster belongs to another sector. Send the cluster alone."]})
    return cluster


def _move(keyword: Keyword, cluster_id: int | None, now: datetime) -> None:
    session, origin = db.session(), current_person().origin
    if cluster_id is not None and cluster_id != keyword.cluster_id:
        cluster = owned_or_404(Cluster, cluster_id)
        cluster_service.move_keywords(session, cluster, [keyword.id], origin=origin, now=now)
    elif cluster_id is None and keyword.cluster_id is not None:
        cluster = owned_or_404(Cluster, keyword.cluster_id)
        cluster_service.release_keywords(session, cluster, [keyword.id], origin=origin, now=now)
    session.refresh(keyword)


def _shown_cluster(cluster: Cluster) -> dict[str, Any]:
    figures = cluster_figures(db.session(), [cluster.id])[cluster.id]
    return show(ClusterShown, cluster) | asdict(figures)
