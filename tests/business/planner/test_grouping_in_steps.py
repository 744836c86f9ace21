"""Clusters stay good when keywords come in steps, and nothing of a sector is forgotten."""

from datetime import datetime

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.planner.grouping_models import ClusterCentre, SectorCut
from app.business.planner.models import Cluster, Keyword, Sector
from app.business.planner.services import cluster_centres, keyword_groups
from app.business.planner.services.cluster_service import move_keywords
from app.business.planner.services.clustering_plan import ENGLISH_MODEL, ClusteringRequest, KeywordFacts
from app.business.planner.services.clustering_service import ClusteringService
from app.business.planner.services.sentence_encoder import unit
from tests.bench.clusters import OWN, Texts, grouped, score, tf_idf
from tests.business.planner.stories import rule, sector_of_new_account
from tests.factories import make_cluster, make_keyword

BIKES = ["electric bike battery", "e bike battery replacement", "electric bicycle batteries", "ebike battery"]
service = ClusteringService()


@pytest.fixture
def sector(session: Session) -> Sector:
    return sector_of_new_account(session)


@pytest.fixture
def labelled(monkeypatch: pytest.MonkeyPatch) -> Texts:
    data = Texts.read(OWN)
    monkeypatch.setattr(keyword_groups, "embed", data.embed)
    return data


def _group(session: Session, sector: Sector, ids: list[int], now: datetime) -> int:
    request = service.read(session, sector.account_id, sector.id, ids)
    return service.save(session, service.group(request, "k"), origin=rule(sector), now=now).placed


def _clustered(session: Session, sector: Sector, cluster: Cluster, texts: list[str]) -> list[Keyword]:
    return [
        make_keyword(session, sector, text=text, status="clustered", cluster_id=cluster.id) for text in texts
    ]


def test_steps_are_as_good_as_one_pass_and_better_than_words(labelled: Texts) -> None:
    one_pass, words = (
        score(labelled, grouped(labelled, len(labelled.texts))),
        score(labelled, tf_idf(labelled)),
    )
    assert one_pass.rand > words.rand
    for size in (400, 160, 50):
        found = score(labelled, grouped(labelled, size))
        assert found.rand > one_pass.rand - 0.03
        assert found.bcubed > one_pass.bcubed - 0.03
        assert found.doubles <= 0.02 * found.clusters


def test_old_clusters_are_known_however_many_there_are(
    session: Session, sector: Sector, now: datetime
) -> None:
    oldest = make_cluster(session, sector)
    _clustered(session, sector, oldest, BIKES)
    for number in range(40):
        other = make_cluster(session, sector)
        _clustered(session, sector, other, [f"subject {number} part {part}" for part in range(3)])
    new = make_keyword(session, sector, text="ebike battery price")
    request = service.read(session, sector.account_id, sector.id, [new.id])
    assert len(request.known) == 41
    assert request.known[oldest.id].texts


def test_a_centre_is_stored_and_used_until_somebody_moves_a_keyword(
    session: Session, sector: Sector, now: datetime
) -> None:
    ids = [make_keyword(session, sector, text=text).id for text in BIKES]
    assert _group(session, sector, ids, now) == 4
    [cluster] = session.scalars(select(Cluster)).all()
    known = cluster_centres.known_clusters(session, sector.account_id, sector.id, ENGLISH_MODEL)
    assert (known[cluster.id].size, known[cluster.id].texts) == (4, ())
    assert known[cluster.id].centre is not None
    stray = make_keyword(session, sector, text="wedding cake")
    move_keywords(session, cluster, [stray.id], origin=rule(sector), now=now)
    known = cluster_centres.known_clusters(session, sector.account_id, sector.id, ENGLISH_MODEL)
    assert (known[cluster.id].size, known[cluster.id].centre) == (5, None)
    assert "wedding cake" in known[cluster.id].texts
    other = cluster_centres.known_clusters(session, sector.account_id, sector.id, "another model")
    assert other[cluster.id].centre is None


def test_what_was_left_over_is_looked_at_with_new_keywords(
    session: Session, sector: Sector, now: datetime
) -> None:
    lonely = make_keyword(session, sector, text="wedding cake recipe")
    assert _group(session, sector, [lonely.id], now) == 0
    new = make_keyword(session, sector, text="recipe for a wedding cake")
    assert _group(session, sector, [new.id], now) == 2
    session.refresh(lonely)
    assert lonely.status == "clustered"


def test_the_cut_of_a_sector_is_kept_until_it_has_grown(
    session: Session, sector: Sector, now: datetime
) -> None:
    ids = [make_keyword(session, sector, text=text).id for text in BIKES]
    _group(session, sector, ids, now)
    kept = session.scalars(select(SectorCut)).one()
    assert kept.size == 4
    new = make_keyword(session, sector, text="ebike battery price")
    assert service.read(session, sector.account_id, sector.id, [new.id]).cut == kept.cut
    more = [make_keyword(session, sector, text=f"subject {number}").id for number in range(4)]
    request = service.read(session, sector.account_id, sector.id, more)
    assert request.cut is None
    assert len(request.sample) == 9


def test_centres_go_with_their_cluster(session: Session, sector: Sector, now: datetime) -> None:
    ids = [make_keyword(session, sector, text=text).id for text in BIKES]
    _group(session, sector, ids, now)
    [cluster] = session.scalars(select(Cluster)).all()
    for keyword in session.scalars(select(Keyword)):
        keyword.cluster_id = None
    session.delete(cluster)
    session.flush()
    assert session.scalars(select(ClusterCentre)).all() == []


@pytest.mark.parametrize(
    ("figures", "name"),
    [
        ([(5, 0, 0), (70, 0, 0), (6, 0, 0), (7, 0, 0)], 1),
        ([(0, 5, 9), (0, 6, 8), (0, 80, 1), (0, 7, 2)], 2),
        ([(0, 0, 5), (0, 0, 6), (0, 0, 7), (0, 0, 80)], 3),
    ],
    ids=["volume", "impressions", "clicks"],
)
def test_a_cluster_is_named_by_its_most_searched_keyword(
    figures: list[tuple[int, int, int]], name: int
) -> None:
    keywords = [
        KeywordFacts(at, text, volume, None, impressions, clicks)
        for at, (text, (volume, impressions, clicks)) in enumerate(zip(BIKES, figures, strict=True))
    ]
    [group] = service.group(ClusteringRequest(1, keywords, {}, 2), "k").groups
    assert group.name == BIKES[name]


def test_two_keywords_that_share_the_head_word_only_are_no_pair() -> None:
    texts = ["socks for nurses", "socks with penguins", "socks"]
    keywords = [KeywordFacts(at, text, 0, None) for at, text in enumerate(texts)]
    groups = service.group(ClusteringRequest(1, keywords, {}, 2), "k").groups
    assert not [group for group in groups if set(group.keyword_ids) == {0, 1}]


def test_no_cluster_is_too_large_for_a_page() -> None:
    sizes, colours = ("small", "large", "wide", "narrow", "tall", "short"), ("red", "blue", "green", "black")
    things = ("cotton", "wool", "silk", "linen", "nylon", "bamboo", "merino", "cashmere")
    texts = [f"{size} {colour} {thing} socks" for size in sizes for colour in colours for thing in things]
    keywords = [KeywordFacts(at, text, 0, None) for at, text in enumerate(texts)]
    groups = service.group(ClusteringRequest(1, keywords, {}, 2), "k").groups
    assert groups
    assert max(len(group.keyword_ids) for group in groups) <= keyword_groups.MOST_ON_A_PAGE


@pytest.mark.parametrize(("each", "clusters"), [(20, 1), (70, 2)])
def test_two_wide_groups_around_one_middle_are_one_page_if_it_can_answer_them(
    each: int, clusters: int
) -> None:
    middle, apart, *axes = np.eye(30 * each + 2, dtype=np.float32)
    texts = [middle + side * apart * 0.25 + 0.8 * axes.pop() for side in (1, -1) for _ in range(each)]
    vectors = unit(np.stack([*texts, *axes]))
    keywords = [KeywordFacts(at, f"text {at}", 0, None) for at in range(len(vectors))]
    request = ClusteringRequest(1, keywords, {}, 2, cut=0.45)
    groups = keyword_groups.group_keywords(request, lambda _texts: vectors).groups
    assert [len(group.keyword_ids) for group in groups] == [2 * each // clusters] * clusters
