"""How a site chooses to group: by parent keyword, wider or tighter, by the vectors of its AI service."""

import csv
from collections import Counter
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.language_model import Embeddings, ModelConnection, ProviderFault
from app.business.planner.grouping_models import ClusterCentre
from app.business.planner.models import Cluster, Grouping, Keyword, Sector, Tightness
from app.business.planner.services.clustering_plan import ENGLISH_MODEL, ClusteringRequest, KeywordFacts
from app.business.planner.services.clustering_service import ClusteringService
from app.business.planner.services.grouping_preview import preview_grouping, sample_of_site
from app.business.planner.services.keyword_groups import group_keywords
from app.business.planner.services.text_vectors import embed
from tests.business.planner.stories import rule, sector_of_new_account
from tests.factories import make_ai_connection, make_keyword

LABELLED = Path(__file__).parents[2] / "data" / "clustering" / "clinc150_part.csv"


@pytest.fixture
def sector(session: Session) -> Sector:
    return sector_of_new_account(session)


def group(
    session: Session, sector: Sector, now: datetime, service: ClusteringService | None = None
) -> dict[str, str]:
    """Group the sector's new keywords; returns the cluster of each clustered keyword."""
    service = service or ClusteringService()
    ids = session.scalars(
        select(Keyword.id).where(Keyword.sector_id == sector.id, Keyword.status == "new")
    ).all()
    answer = service.group(service.read(session, sector.account_id, sector.id, ids), "k")
    key = f"r7-s0-{len(ids)}-{ids[0]}"
    service.save(session, answer, origin=rule(sector, unit_key=key), now=now)
    session.expire_all()
    query = select(Keyword.text, Cluster.name).join(Cluster, Cluster.id == Keyword.cluster_id)
    return {row.text: row.name for row in session.execute(query)}


def test_a_parent_keyword_decides_where_the_site_says_so(
    session: Session, sector: Sector, now: datetime
) -> None:
    sector.site.grouping = Grouping.PARENT_KEYWORD
    parents = {
        "oak table": "furniture",
        "garden hose": "furniture",
        "red socks": "Happy Socks",
        "blue car": "Happy socks",
    }
    for text, parent in parents.items():
        make_keyword(session, sector, text=text, parent_keyword=parent)
    make_keyword(session, sector, text="happy socks", volume=5)
    make_keyword(session, sector, text="lonely", parent_keyword="of its own")
    first = group(session, sector, now)
    assert first["oak table"] == first["garden hose"]
    assert first["red socks"] == first["blue car"] == first["happy socks"] == "happy socks"
    make_keyword(session, sector, text="tin box", parent_keyword="happy socks")
    make_keyword(session, sector, text="paint", parent_keyword="FURNITURE")
    later = group(session, sector, now)
    assert later["tin box"] == "happy socks"
    assert later["paint"] == first["oak table"]
    assert "lonely" not in later


def test_keywords_without_a_parent_join_what_parents_formed(
    session: Session, sector: Sector, now: datetime
) -> None:
    sector.site.grouping = Grouping.PARENT_KEYWORD
    for text in ("wool socks for men", "mens wool socks", "wool socks men"):
        make_keyword(session, sector, text=text, parent_keyword="men wool socks")
    make_keyword(session, sector, text="wool socks for man")
    found = group(session, sector, now)
    assert len(set(found.values())) == 1
    assert "wool socks for man" in found


def test_parents_mean_nothing_unless_chosen(session: Session, sector: Sector, now: datetime) -> None:
    for text in ("oak table", "garden hose", "red socks", "blue car"):
        make_keyword(session, sector, text=text, parent_keyword="furniture")
    assert len(set(group(session, sector, now).values())) != 1


def test_tighter_makes_more_clusters_of_nearer_searches() -> None:
    with LABELLED.open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)][:120]
    vectors = dict(zip(texts, embed(texts, ENGLISH_MODEL), strict=True))
    facts = [KeywordFacts(number, text, 0, None) for number, text in enumerate(texts)]
    pages = {}
    for tightness in Tightness:
        request = ClusteringRequest(1, facts, {}, 2, tightness=tightness)
        answer = group_keywords(request, lambda asked: np.stack([vectors[text] for text in asked]))
        pages[tightness] = len(answer.groups) + len(answer.left)
    assert pages[Tightness.LOOSE] < pages[Tightness.USUAL] < pages[Tightness.TIGHT]


class Letters:
    """Vectors by the first letter of a text, `width` long; `fault` comes instead."""

    def __init__(self, width: int = 30, fault: ProviderFault | None = None) -> None:
        self.width, self.fault = width, fault
        self.asked = Counter[str]()

    def embed(self, texts: list[str], connection: ModelConnection, key: str) -> Embeddings:
        if self.fault:
            raise self.fault
        self.asked.update(texts)
        return Embeddings(
            [[float(ord(text[0]) % self.width == at) for at in range(self.width)] for text in texts], 7
        )


def connected(session: Session, sector: Sector, model: str = "vectors") -> None:
    make_ai_connection(session, session.get_one(Account, sector.account_id), embedding_model=model)


def test_the_vectors_of_the_service_decide_and_each_centre_says_whose_it_is(
    session: Session, sector: Sector, now: datetime
) -> None:
    connected(session, sector)
    for text in ("apple", "anchor", "avenue", "boat", "bread", "brick"):
        make_keyword(session, sector, text=text)
    letters = Letters()
    found = group(session, sector, now, ClusteringService(letters))
    assert len({found[text] for text in ("apple", "anchor", "avenue")}) == 1
    assert len(set(found.values())) == 2
    assert set(letters.asked.values()) == {1}, "each text is asked for once"
    assert set(session.scalars(select(ClusterCentre.model))) == {"vectors at ai.example"}
    letters.asked.clear()
    make_keyword(session, sector, text="angle")
    assert group(session, sector, now, ClusteringService(letters))["angle"] == found["apple"]
    assert "angle" in letters.asked


def test_a_service_that_is_away_fails_and_nothing_else_is_used(
    session: Session, sector: Sector, now: datetime
) -> None:
    connected(session, sector)
    for text in ("wool socks men", "mens wool socks"):
        make_keyword(session, sector, text=text)
    away = ProviderFault("connection", "The AI service could not be reached.")
    with pytest.raises(ProviderFault, match="could not be reached"):
        group(session, sector, now, ClusteringService(Letters(fault=away)))
    assert set(session.scalars(select(Keyword.status))) == {"new"}


def test_vectors_of_another_length_are_never_mixed(session: Session, sector: Sector, now: datetime) -> None:
    connected(session, sector)
    for text in ("apple", "anchor", "avenue"):
        make_keyword(session, sector, text=text)
    group(session, sector, now, ClusteringService(Letters()))
    make_keyword(session, sector, text="angle")
    with pytest.raises(ProviderFault, match="another length"):
        group(session, sector, now, ClusteringService(Letters(width=31)))


def test_centres_of_other_vectors_are_made_anew(session: Session, sector: Sector, now: datetime) -> None:
    for text in ("wool socks men", "mens wool socks", "wool socks for men"):
        make_keyword(session, sector, text=text)
    before = group(session, sector, now)
    connected(session, sector)
    make_keyword(session, sector, text="winter")
    letters = Letters()
    group(session, sector, now, ClusteringService(letters))
    assert set(before) <= set(letters.asked)


def test_a_preview_moves_nothing(session: Session, sector: Sector) -> None:
    for text in ("wool socks men", "mens wool socks", "wool socks for men", "garden hose"):
        make_keyword(session, sector, text=text, parent_keyword="x" if "garden" in text else "")
    sample = sample_of_site(session, sector.site)
    assert sample
    assert (sample.sector, len(sample.keywords)) == ("Shoes", 4)
    found = preview_grouping(sample, Grouping.MEANING, Tightness.USUAL)
    assert [sorted(texts) for _, texts in found.clusters] == [
        ["mens wool socks", "wool socks for men", "wool socks men"]
    ]
    assert found.alone == 1
    assert session.scalars(select(Cluster)).all() == []
    assert set(session.scalars(select(Keyword.status))) == {"new"}
