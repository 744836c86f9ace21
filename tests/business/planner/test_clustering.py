"""Clustering keywords by meaning: what belongs together, joins older clusters, is left over, is saved."""

from datetime import datetime
from itertools import permutations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.errors import Conflict
from app.business.planner.models import Cluster, Keyword, Sector
from app.business.planner.services.clustering_plan import (
    ClusteringRequest,
    KeywordFacts,
    KnownCluster,
)
from app.business.planner.services.clustering_service import ClusteringService
from tests.business.planner.stories import events, rule, sector_of_new_account
from tests.factories import make_cluster, make_keyword

TOPICS = {
    "bread": ["sourdough starter recipe", "sourdough starter", "make a sourdough starter", "easy sourdough bread"],
    "bikes": ["electric bike battery", "e bike battery replacement", "electric bicycle batteries", "ebike battery"],
    "visa": ["schengen visa application", "apply for schengen visa", "schengen visa requirements"],
    "tax": ["file income tax return online", "income tax return deadline", "income tax filing"],
}  # fmt: skip
service = ClusteringService()


def request(texts: list[str], known: dict[int, list[str]] | None = None, size: int = 2) -> ClusteringRequest:
    keywords = [KeywordFacts(number, text, 10 * number, None) for number, text in enumerate(texts, 1)]
    clusters = {key: KnownCluster("", len(of), None, tuple(of)) for key, of in (known or {}).items()}
    return ClusteringRequest(1, keywords, clusters, size)


def test_keywords_of_one_topic_come_together_and_topics_stay_apart() -> None:
    texts = [text for topic in TOPICS.values() for text in topic]
    topic_of = dict(enumerate((name for name, topic in TOPICS.items() for _ in topic), 1))
    answer = service.group(request(texts), "k")
    for group in answer.groups:
        assert len({topic_of[key] for key in group.keyword_ids}) == 1
    assert sum(len(group.keyword_ids) for group in answer.groups) >= len(texts) - 2


def test_the_same_keywords_give_the_same_groups() -> None:
    texts = [text for topic in TOPICS.values() for text in topic]
    assert service.group(request(texts), "a") == service.group(request(texts), "b")


def test_a_group_is_named_by_its_most_searched_central_keyword() -> None:
    [group] = service.group(request(TOPICS["bikes"]), "k").groups
    assert group.name in TOPICS["bikes"]
    assert len(group.keyword_ids) == 4


def test_of_two_that_are_searched_equally_the_first_names_the_group() -> None:
    """Both are as central, but for rounding."""
    for texts in (pair for topic in TOPICS.values() for pair in permutations(topic, 2)):
        pair = [KeywordFacts(number, text, 10, None) for number, text in enumerate(texts, 1)]
        for group in service.group(ClusteringRequest(1, pair, {}, 2), "k").groups:
            assert group.name == texts[0]


def test_new_keywords_join_a_near_cluster_first() -> None:
    answer = service.group(request(["ebike battery price", "wedding cake"], known={9: TOPICS["bikes"]}), "k")
    assert answer.joins == {9: [1]}
    assert answer.left == [2]


def test_groups_below_the_wanted_size_are_left_over() -> None:
    answer = service.group(request(TOPICS["bikes"], size=5), "k")
    assert (answer.groups, sorted(answer.left)) == ([], [1, 2, 3, 4])


def test_one_keyword_alone_and_keywords_in_other_scripts_work() -> None:
    assert service.group(request(["socks"]), "k").left == [1]
    answer = service.group(request(["купить велосипед", "купить велосипед москва", "寿司 東京"]), "k")
    assert {1, 2} <= {key for group in answer.groups for key in group.keyword_ids}


@pytest.fixture
def sector(session: Session) -> Sector:
    return sector_of_new_account(session)


def _keywords(session: Session, sector: Sector) -> list[int]:
    texts = [text for topic in TOPICS.values() for text in topic]
    return [make_keyword(session, sector, text=text, volume=5, intent="commercial").id for text in texts]


def test_clusters_are_created_keywords_placed_and_both_reported(
    session: Session, sector: Sector, now: datetime
) -> None:
    ids = _keywords(session, sector)
    answer = service.group(service.read(session, sector.account_id, sector.id, ids), "k")
    saved = service.save(session, answer, origin=rule(sector), now=now)
    assert saved.placed + saved.left == len(ids)
    assert [cluster.made_key for cluster in saved.clusters][:2] == ["r7-s0-1-0", "r7-s0-1-1"]
    assert saved.clusters[0].main_intent == "commercial"
    assert events(session) == {
        ("cluster_created", "cluster"): len(saved.clusters), ("status_changed", "keyword"): saved.placed
    }  # fmt: skip
    placed = session.scalars(select(Keyword).where(Keyword.status == "clustered")).all()
    assert {row.cluster_id for row in placed} == {cluster.id for cluster in saved.clusters}


def test_left_over_keywords_stay_new_and_are_marked_as_tried(
    session: Session, sector: Sector, now: datetime
) -> None:
    keyword = make_keyword(session, sector, text="wedding cake")
    answer = service.group(service.read(session, sector.account_id, sector.id, [keyword.id]), "k")
    assert service.save(session, answer, origin=rule(sector), now=now).left == 1
    session.refresh(keyword)
    assert (keyword.status, keyword.cluster_tried_at) == ("new", now)


def test_a_keyword_that_a_person_moved_meanwhile_is_left_to_them(
    session: Session, sector: Sector, now: datetime
) -> None:
    ids = _keywords(session, sector)
    answer = service.group(service.read(session, sector.account_id, sector.id, ids), "k")
    for keyword in session.scalars(select(Keyword)):
        keyword.status = "ignored"
    session.flush()
    saved = service.save(session, answer, origin=rule(sector), now=now)
    assert (saved.placed, saved.clusters, session.scalars(select(Cluster)).all()) == (0, [], [])


def test_keywords_join_the_clusters_of_their_sector(session: Session, sector: Sector, now: datetime) -> None:
    cluster = make_cluster(session, sector)
    for text in TOPICS["bikes"]:
        make_keyword(session, sector, text=text, status="clustered", cluster_id=cluster.id)
    new = make_keyword(session, sector, text="ebike battery price")
    answer = service.group(service.read(session, sector.account_id, sector.id, [new.id]), "k")
    saved = service.save(session, answer, origin=rule(sector), now=now)
    session.refresh(new)
    assert (saved.joined, saved.placed, new.cluster_id) == (1, 1, cluster.id)


def test_only_new_keywords_are_grouped(session: Session, sector: Sector) -> None:
    keyword = make_keyword(session, sector, status="ignored")
    with pytest.raises(Conflict, match="None of these keywords is new"):
        service.read(session, sector.account_id, sector.id, [keyword.id])
