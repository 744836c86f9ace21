"""What ideas are made from, read for many clusters at once: the clusters with their keywords, and the pages of their
sites."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.planner.models import Cluster, Idea, IdeaStatus, Record, Site
from app.business.planner.services.cluster_centres import centres_of, centres_of_planned
from app.business.planner.services.cluster_keywords import SearchedKeyword, keywords_of
from app.business.planner.services.clustering_plan import model_of
from app.business.planner.services.known_sites import KnownSites
from app.business.planner.services.page_doubles import SitePage, SitePages
from app.business.planner.services.site_stamps import SiteStamp, read_stamps

KEYWORDS_SHOWN = 60
PagesOfSites = Callable[[Session, Collection[int], Collection[int]], Mapping[int, Sequence[SitePage]]]
"""Of these accounts, and sites of theirs: the pages beside ideas, by site."""


@dataclass(frozen=True)
class OtherPages:
    """Pages beside ideas. read: those of sites · tables: where they are."""

    read: PagesOfSites
    tables: tuple[type[Record], ...]


@dataclass(frozen=True)
class ClusterFacts:
    """keywords: the most searched first, at most 60 · centre: the stored one."""

    id: int
    account_id: int
    site_id: int
    sector_id: int
    status: str
    name: str
    main_keyword: str
    main_intent: str | None
    keywords: list[SearchedKeyword]
    centre: bytes | None


@dataclass
class SiteFacts:
    """ideas: each with whether it was rejected, oldest first · written: tasks and articles · centres: of the clusters
    that have ideas · stamp: of its pages · index: of those that a new one must not compete with, where it is made
    already."""

    name: str
    language: str
    ideas: list[tuple[SitePage, bool]] = field(default_factory=list)
    written: list[SitePage] = field(default_factory=list)
    centres: dict[int, bytes] = field(default_factory=dict)
    stamp: SiteStamp = field(default_factory=dict)
    index: SitePages | None = None

    def pages(self, cluster_id: int = 0) -> list[SitePage]:
        """Ideas of the cluster, if one is named; of the rest of the site those that are not rejected, tasks and
        articles."""
        ideas = [page for page, rejected in self.ideas if not rejected or page.cluster == cluster_id]
        return [*ideas, *self.written]

    @cached_property
    def planned(self) -> frozenset[int | None]:
        """Its clusters that have ideas, rejected ones too, as they were read."""
        return frozenset(page.cluster for page, _ in self.ideas)

    def has_rejected(self, cluster_id: int) -> bool:
        """Whether an idea of the cluster was rejected."""
        return any(rejected and page.cluster == cluster_id for page, rejected in self.ideas)

    def add_ideas(self, cluster: ClusterFacts, pages: Iterable[SitePage]) -> None:
        """Let those who come later see ideas of the cluster that are about to be saved."""
        added = [(page, False) for page in pages]
        self.ideas.extend(added)
        if added and cluster.centre is not None:
            self.centres = dict(sorted({**self.centres, cluster.id: cluster.centre}.items()))


@dataclass
class IdeasFacts:
    """Clusters that exist, and their sites, by id."""

    clusters: dict[int, ClusterFacts] = field(default_factory=dict)
    sites: dict[int, SiteFacts] = field(default_factory=dict)

    def has_ideas(self, cluster_id: int) -> bool:
        """Whether the cluster has any, rejected ones too."""
        return cluster_id in self.sites[self.clusters[cluster_id].site_id].planned

    def of_clusters(self, cluster_ids: Collection[int]) -> "IdeasFacts":
        """The facts of these clusters only."""
        clusters = {key: cluster for key, cluster in self.clusters.items() if key in cluster_ids}
        site_ids = {cluster.site_id for cluster in clusters.values()}
        return IdeasFacts(clusters, {key: site for key, site in self.sites.items() if key in site_ids})


def read_ideas_facts(
    session: Session, cluster_ids: Collection[int], others: OtherPages, known: KnownSites | None = None
) -> IdeasFacts:
    """The facts of these clusters; those that do not exist are left out.

    known: sites whose pages need not be read if they are the same; they are taken. None: no stamps are read, either.
    """
    facts = IdeasFacts()
    rows = session.execute(
        select(
            Cluster.id,
            Cluster.account_id,
            Cluster.site_id,
            Cluster.sector_id,
            Cluster.status,
            Cluster.name,
            Cluster.main_keyword,
            Cluster.main_intent,
            Site.name.label("site"),
            Site.language,
        )
        .join(Site, (Site.id == Cluster.site_id) & (Site.account_id == Cluster.account_id))
        .where(Cluster.id.in_(cluster_ids))
        .order_by(Cluster.id)
    ).all()
    if not rows:
        return facts
    facts.sites = {row.site_id: SiteFacts(row.site, row.language) for row in rows}
    accounts = {row.account_id for row in rows}
    if known is None:
        add_pages(session, accounts, facts.sites, others)
    else:
        _add_unknown_pages(session, accounts, facts.sites, others, known)
    keywords, centres = keywords_of(session, [row.id for row in rows], KEYWORDS_SHOWN), dict[int, bytes]()
    for model, site_ids in _sites_by_model(facts.sites).items():
        centres |= centres_of(session, [row.id for row in rows if row.site_id in site_ids], model)
        for site_id, planned in centres_of_planned(session, site_ids, model).items():
            facts.sites[site_id].centres = planned
    facts.clusters = {row.id: ClusterFacts(*row[:8], keywords[row.id], centres.get(row.id)) for row in rows}
    return facts


def has_same_sources(session: Session, facts: IdeasFacts, others: OtherPages) -> bool:
    """Whether the keywords of the clusters, and the pages of their sites, are still those that the facts were read
    from."""
    accounts = {cluster.account_id for cluster in facts.clusters.values()}
    stamps = read_stamps(session, accounts, facts.sites, others.tables)
    keywords = keywords_of(session, facts.clusters, KEYWORDS_SHOWN)
    return all(site.stamp == stamps[key] for key, site in facts.sites.items()) and all(
        cluster.keywords == keywords[key] for key, cluster in facts.clusters.items()
    )


def _add_unknown_pages(
    session: Session,
    account_ids: Collection[int],
    sites: Mapping[int, SiteFacts],
    others: OtherPages,
    known: KnownSites,
) -> None:
    # Read before the pages: a page that comes in between is read, and makes the stamp another one later.
    stamps = read_stamps(session, account_ids, sites, others.tables)
    unknown = {}
    for site_id, site in sites.items():
        site.stamp = stamps[site_id]
        if same := known.take(site_id, site.stamp, site.language):
            site.ideas, site.written, site.index = same.ideas, same.written, same.index
        else:
            unknown[site_id] = site
    if unknown:
        add_pages(session, account_ids, unknown, others)


def add_pages(
    session: Session,
    account_ids: Collection[int],
    sites: Mapping[int, SiteFacts],
    others: OtherPages,
) -> None:
    """Read the pages of the sites, by id, which are these accounts'."""
    query = (
        select(Idea.site_id, Idea.id, Idea.title, Idea.main_keyword, Idea.cluster_id, Idea.status)
        .where(Idea.account_id.in_(account_ids), Idea.site_id.in_(sites))
        .order_by(Idea.id)
    )
    for site_id, key, title, main_keyword, cluster_id, status in session.execute(query):
        page = SitePage("idea", key, title, main_keyword, cluster_id)
        sites[site_id].ideas.append((page, status == IdeaStatus.REJECTED))
    for site_id, pages in others.read(session, account_ids, list(sites)).items():
        sites[site_id].written = list(pages)


def _sites_by_model(sites: Mapping[int, SiteFacts]) -> Mapping[str, list[int]]:
    """The encoder that made the centres of a site depends on its language."""
    found: dict[str, list[int]] = defaultdict(list)
    for site_id, site in sites.items():
        found[model_of(site.language)].append(site_id)
    return found
