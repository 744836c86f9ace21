"""The planner's REST resources: sites, sectors, keywords, clusters, ideas."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from flask import Response

from app.business.accounts.models import Role
from app.business.automation.services.runs.waiting import wake_for_budget
from app.business.errors import Busy, Invalid, NotFound
from app.business.planner.models import Cluster, Idea, Keyword, Sector, Site
from app.business.planner.services import cluster_service, idea_service, keyword_service, site_service
from app.business.planner.services.keyword_service import at_index
from app.business.planner.services.record_lists import (
    CLUSTERS,
    IDEAS,
    KEYWORDS,
    SECTORS,
    SITES,
    ClusterFigures,
    cluster_figures,
)
from app.infrastructure.database import db
from app.modules.access import OWNER_OF_ALL, current_person, owned_or_404, require_seen
from app.modules.api.bodies import Changes, OneOrMany
from app.modules.api.declaration import ApiBlueprint
from app.modules.api.exports import FILE, record_file
from app.modules.api.records import list_rows, row_to_change, show
from app.modules.api.resource import Listed, Window, answer, listed, listed_as, report, saved
from app.modules.planner.serializers import (
    ClusterChanges,
    ClusterExportQuery,
    ClusterNew,
    ClusterQuery,
    ClusterShown,
    IdeaChanges,
    IdeaExportQuery,
    IdeaNew,
    IdeaQuery,
    IdeaShown,
    KeywordChanges,
    KeywordExportQuery,
    KeywordNew,
    KeywordQuery,
    KeywordsAdded,
    KeywordShown,
)
from app.modules.planner.site_serializers import (
    SectorChanges,
    SectorNew,
    SectorQuery,
    SectorShown,
    SiteChanges,
    SiteNew,
    SiteQuery,
    SiteShown,
)
from app.modules.quotas import EXPORTS

api = ApiBlueprint("planner_api", __name__, url_prefix="/api/planner")


@api.call("GET", "/sites/", Role.VIEWER, answers={200: Listed[SiteShown]})
def list_sites(query: SiteQuery, window: Window) -> Response:
    """Sites."""
    return listed(window, list_rows(SITES, query, window), lambda site: show(SiteShown, site))


@api.call("POST", "/sites/", OWNER_OF_ALL, answers={201: SiteShown})
def create_site(body: SiteNew) -> Response:
    """A new site."""
    fields = body.model_dump()
    person, now = current_person(), datetime.now(UTC)
    site = site_service.create_site(db.session(), person.account.id, fields, actor=person.actor, now=now)
    return saved(answer(show(SiteShown, site), 201, version=site.version))


@api.call("GET", "/sites/<int:id>/", Role.VIEWER, answers={200: SiteShown}, if_match=True)
def get_site(id: int) -> Response:
    """One site."""
    site = owned_or_404(Site, id)
    return answer(show(SiteShown, site), version=site.version)


@api.call("PATCH", "/sites/<int:id>/", Role.OWNER, answers={200: SiteShown}, if_match=True)
def change_site(id: int, body: Changes[SiteChanges]) -> Response:
    """Change one site."""
    site = row_to_change(Site, id)
    changes = body.of(site, show(SiteShown, site))
    site_service.update_site(db.session(), site, changes, actor=current_person().actor, now=datetime.now(UTC))
    wake_for_budget(db.session(), site.account_id, site.id)
    return saved(answer(show(SiteShown, site), version=site.version))


@api.call("GET", "/sectors/", Role.VIEWER, answers={200: Listed[SectorShown]})
def list_sectors(query: SectorQuery, window: Window) -> Response:
    """Sectors."""
    return listed(window, list_rows(SECTORS, query, window), lambda sector: show(SectorShown, sector))


@api.call("POST", "/sectors/", Role.OPERATOR, answers={201: SectorShown}, errors=(NotFound,))
def create_sector(body: SectorNew) -> Response:
    """A new sector."""
    site = owned_or_404(Site, body.site)
    sector = site_service.create_sector(db.session(), site, body.name, now=datetime.now(UTC))
    return saved(answer(show(SectorShown, sector), 201, version=sector.version))


@api.call("GET", "/sectors/<int:id>/", Role.VIEWER, answers={200: SectorShown}, if_match=True)
def get_sector(id: int) -> Response:
    """One sector."""
    sector = owned_or_404(Sector, id)
    return answer(show(SectorShown, sector), version=sector.version)


@api.call("PATCH", "/sectors/<int:id>/", Role.OPERATOR, answers={200: SectorShown}, if_match=True)
def change_sector(id: int, body: Changes[SectorChanges]) -> Response:
    """Change one sector."""
    sector = row_to_change(Sector, id)
    changes = body.of(sector, show(SectorShown, sector))
    if "name" in changes:
        site_service.rename_sector(db.session(), sector, changes["name"], now=datetime.now(UTC))
    return saved(answer(show(SectorShown, sector), version=sector.version))


@api.call("GET", "/keywords/", Role.VIEWER, answers={200: Listed[KeywordShown]})
def list_keywords(query: KeywordQuery, window: Window) -> Response:
    """Keywords."""
    return listed(window, list_rows(KEYWORDS, query, window), lambda keyword: show(KeywordShown, keyword))


@api.call("GET", "/keywords/export/", Role.VIEWER, answers=FILE, errors=(Busy,), quota=EXPORTS)
def export_keywords(query: KeywordExportQuery) -> Response:
    """Keywords of the filter in its order, at most 100,000, as a file: CSV, JSON lines or XLSX.

    Texts that begin like a formula get a leading apostrophe in CSV, and are text in XLSX.
    """
    return record_file("keywords", KEYWORDS, query, KeywordShown)


@api.call(
    "POST", "/keywords/", Role.OPERATOR, answers={201: KeywordShown | KeywordsAdded}, errors=(NotFound,)
)
def create_keyword(body: OneOrMany[KeywordNew]) -> Response:
    """A new keyword, or a list of up to 1,000, of which those that the site has already are left out.

    Rules hear of a list at once, when all of it is in.
    """
    if body.one is None:
        return _add_keywords(body.many)
    fields, now = body.one.model_dump(exclude_unset=True), datetime.now(UTC)
    place = _place(fields, now)
    keyword = keyword_service.add_keyword(
        db.session(), place, fields, origin=current_person().origin, now=now
    )
    return saved(answer(show(KeywordShown, keyword), 201, version=keyword.version))


@api.call("GET", "/keywords/<int:id>/", Role.VIEWER, answers={200: KeywordShown}, if_match=True)
def get_keyword(id: int) -> Response:
    """One keyword."""
    keyword = owned_or_404(Keyword, id)
    return answer(show(KeywordShown, keyword), version=keyword.version)


@api.call("PATCH", "/keywords/<int:id>/", Role.OPERATOR, answers={200: KeywordShown}, if_match=True)
def change_keyword(id: int, body: Changes[KeywordChanges]) -> Response:
    """Change one keyword; a cluster given moves it there, null takes it out."""
    keyword, now = row_to_change(Keyword, id), datetime.now(UTC)
    changes = body.of(keyword, show(KeywordShown, keyword))
    if "cluster" in changes:
        _move(keyword, changes.pop("cluster"), now)
    keyword_service.update_keyword(db.session(), keyword, changes, origin=current_person().origin, now=now)
    return saved(answer(show(KeywordShown, keyword), version=keyword.version))


@api.call("GET", "/clusters/", Role.VIEWER, answers={200: Listed[ClusterShown]})
def list_clusters(query: ClusterQuery, window: Window) -> Response:
    """Clusters."""
    page = list_rows(CLUSTERS, query, window)
    return listed_as(window, page, _shown_clusters(page.rows))


@api.call("GET", "/clusters/export/", Role.VIEWER, answers=FILE, errors=(Busy,), quota=EXPORTS)
def export_clusters(query: ClusterExportQuery) -> Response:
    """Clusters of the filter in its order, at most 100,000, as a file: CSV, JSON lines or XLSX.

    Texts that begin like a formula get a leading apostrophe in CSV, and are text in XLSX.
    """
    return record_file("clusters", CLUSTERS, query, ClusterShown, _shown_clusters)


@api.call("POST", "/clusters/", Role.OPERATOR, answers={201: ClusterShown}, errors=(NotFound,))
def create_cluster(body: ClusterNew) -> Response:
    """A new cluster."""
    fields, now = body.model_dump(exclude_unset=True), datetime.now(UTC)
    cluster = cluster_service.create_cluster(
        db.session(), _place(fields, now), fields, origin=current_person().origin, now=now
    )
    return saved(answer(shown_cluster(cluster), 201, version=cluster.version))


@api.call("GET", "/clusters/<int:id>/", Role.VIEWER, answers={200: ClusterShown}, if_match=True)
def get_cluster(id: int) -> Response:
    """One cluster."""
    cluster = owned_or_404(Cluster, id)
    return answer(shown_cluster(cluster), version=cluster.version)


@api.call("PATCH", "/clusters/<int:id>/", Role.OPERATOR, answers={200: ClusterShown}, if_match=True)
def change_cluster(id: int, body: Changes[ClusterChanges]) -> Response:
    """Change one cluster."""
    cluster = row_to_change(Cluster, id)
    changes = body.of(cluster, shown_cluster(cluster))
    cluster_service.update_cluster(
        db.session(), cluster, changes, origin=current_person().origin, now=datetime.now(UTC)
    )
    return saved(answer(shown_cluster(cluster), version=cluster.version))


@api.call("GET", "/ideas/", Role.VIEWER, answers={200: Listed[IdeaShown]})
def list_ideas(query: IdeaQuery, window: Window) -> Response:
    """Ideas."""
    return listed(window, list_rows(IDEAS, query, window), lambda idea: show(IdeaShown, idea))


@api.call("GET", "/ideas/export/", Role.VIEWER, answers=FILE, errors=(Busy,), quota=EXPORTS)
def export_ideas(query: IdeaExportQuery) -> Response:
    """Ideas of the filter in its order, at most 100,000, as a file: CSV, JSON lines or XLSX.

    Texts that begin like a formula get a leading apostrophe in CSV, and are text in XLSX.
    """
    return record_file("ideas", IDEAS, query, IdeaShown)


@api.call("POST", "/ideas/", Role.OPERATOR, answers={201: IdeaShown}, errors=(NotFound,))
def create_idea(body: IdeaNew) -> Response:
    """A new idea: of a cluster, or of a site and sector."""
    fields, now = body.model_dump(exclude_unset=True), datetime.now(UTC)
    idea = idea_service.create_idea(
        db.session(), _place_of_idea(fields, now), fields, origin=current_person().origin, now=now
    )
    return saved(answer(show(IdeaShown, idea), 201, version=idea.version))


@api.call("GET", "/ideas/<int:id>/", Role.VIEWER, answers={200: IdeaShown}, if_match=True)
def get_idea(id: int) -> Response:
    """One idea."""
    idea = owned_or_404(Idea, id)
    return answer(show(IdeaShown, idea), version=idea.version)


@api.call("PATCH", "/ideas/<int:id>/", Role.OPERATOR, answers={200: IdeaShown}, if_match=True)
def change_idea(id: int, body: Changes[IdeaChanges]) -> Response:
    """Change one idea."""
    idea = row_to_change(Idea, id)
    changes = body.of(idea, show(IdeaShown, idea))
    idea_service.update_idea(
        db.session(), idea, changes, origin=current_person().origin, now=datetime.now(UTC)
    )
    return saved(answer(show(IdeaShown, idea), version=idea.version))


def _add_keywords(sent: Sequence[KeywordNew]) -> Response:
    require_seen(Site, list({keyword.site for keyword in sent}))
    now, places, rows = datetime.now(UTC), _Places(), []
    for index, keyword in enumerate(sent):
        fields = keyword.model_dump(exclude_unset=True)
        try:
            rows.append((places.take(fields, now), fields))
        except Invalid as refusal:
            raise at_index(index, refusal) from None
    added = keyword_service.add_keywords(db.session(), rows, origin=current_person().origin, now=now)
    shown = [show(KeywordShown, keyword) for keyword in added]
    made = KeywordsAdded(results=shown, created=len(shown), duplicates=len(sent) - len(shown))
    return saved(report(made, 201))


class _Places:
    """Sectors by what was sent: a list has few, and each is looked up once."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, int | None], Sector] = {}

    def take(self, fields: dict[str, Any], now: datetime) -> Sector:
        """Takes site and sector out of `fields`. Raises NotFound, Invalid."""
        key = fields["site"], fields.get("sector")
        if key not in self.known:
            self.known[key] = _place(dict(fields), now)
        fields.pop("site")
        fields.pop("sector", None)
        return self.known[key]


def _place(fields: dict[str, Any], now: datetime) -> Sector:
    """Takes site and sector out of `fields`. Raises NotFound, Invalid."""
    site_id, sector_id = fields.pop("site"), fields.pop("sector", None)
    return site_service.place_of(db.session(), current_person().scope, site_id, sector_id, now=now)


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


def shown_cluster(cluster: Cluster) -> ClusterShown:
    """A cluster with its figures."""
    return _shown_clusters([cluster])[0]


def _shown_clusters(clusters: Sequence[Cluster]) -> list[ClusterShown]:
    figures = cluster_figures(db.session(), [cluster.id for cluster in clusters])
    return [_with_figures(cluster, figures[cluster.id]) for cluster in clusters]


def _with_figures(cluster: Cluster, figures: ClusterFigures) -> ClusterShown:
    return show(ClusterShown, cluster).model_copy(update=asdict(figures))
