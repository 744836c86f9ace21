"""What clusters a choice of grouping would make of some of a site's keywords; nothing is moved."""

from dataclasses import dataclass, field

from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.planner.models import Grouping, Keyword, KeywordStatus, Sector, Site, Tightness
from app.business.planner.services.clustering_plan import ClusteringRequest, KeywordFacts, model_of
from app.business.planner.services.keyword_facts import FACTS

SAMPLE = 300
"""Keywords that are grouped while somebody waits."""


@dataclass(frozen=True)
class PreviewSample:
    """The newest keywords of the site's largest sector. vectors: theirs, by an AI service; empty for the built-in
    ones.
    """

    sector: str
    language: str
    keywords: list[KeywordFacts] = field(default_factory=list)
    vectors: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True)
class GroupingPreview:
    """Clusters (name, its keywords), the largest first, and how many keywords would stay alone."""

    clusters: list[tuple[str, list[str]]]
    alone: int


def sample_of_site(session: Session, site: Site) -> PreviewSample | None:
    """None where the site has no keywords."""
    used = (Keyword.site_id == site.id, Keyword.status != KeywordStatus.IGNORED)
    largest = session.execute(
        select(Sector.id, Sector.name)
        .join(Keyword, Keyword.sector_id == Sector.id)
        .where(*used)
        .group_by(Sector.id, Sector.name)
        .order_by(func.count().desc(), Sector.id)
        .limit(1)
    ).first()
    if largest is None:
        return None
    query = (
        select(*FACTS).where(*used, Keyword.sector_id == largest.id).order_by(Keyword.id.desc()).limit(SAMPLE)
    )
    keywords = [KeywordFacts(*row) for row in session.execute(query)]
    return PreviewSample(largest.name, site.language, keywords[::-1])


def preview_grouping(sample: PreviewSample, grouping: Grouping, tightness: Tightness) -> GroupingPreview:
    """The clusters if these keywords were all that the sector has. Loads the encoder: for a process of its own."""
    from numpy import asarray, float32

    from app.business.planner.services.keyword_groups import group_keywords
    from app.business.planner.services.sentence_encoder import unit

    request = ClusteringRequest(
        0,
        sample.keywords,
        {},
        2,
        model_of(sample.language),
        by_parent=grouping == Grouping.PARENT_KEYWORD,
        tightness=tightness,
    )
    places = {keyword.text: place for place, keyword in enumerate(sample.keywords)}
    given = unit(asarray(sample.vectors, float32)) if sample.vectors else None
    source = None if given is None else lambda asked: given[[places[text] for text in asked]]
    answer = group_keywords(request, source)
    texts = {keyword.id: keyword.text for keyword in sample.keywords}
    clusters = [(group.name, [texts[key] for key in group.keyword_ids]) for group in answer.groups]
    return GroupingPreview(sorted(clusters, key=lambda cluster: -len(cluster[1])), len(answer.left))


class PreviewOrder(BaseModel):
    """What the other process gets."""

    sample: PreviewSample
    grouping: Grouping
    tightness: Tightness

    def preview(self) -> GroupingPreview:
        """What it answers."""
        return preview_grouping(self.sample, self.grouping, self.tightness)
