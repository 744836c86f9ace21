"""Manual changes of clusters and ideas: what is legal, what follows, which events are written."""

from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from app.business.errors import Conflict, Invalid
from app.business.planner.models import Cluster, Sector
from app.business.planner.services.cluster_service import (
    create_cluster,
    merge_clusters,
    move_keywords,
    release_keywords,
    split_cluster,
    update_cluster,
)
from app.business.planner.services.idea_service import create_idea, decide_ideas, update_idea
from app.business.planner.services.record_changes import IDEA, set_status
from tests.business.planner.stories import events, person, rule, sector_of_new_account
from tests.factories import make_cluster, make_idea, make_keyword, make_sector


@pytest.fixture
def sector(session: Session) -> Sector:
    return sector_of_new_account(session)


def test_a_manual_cluster_writes_its_event(session: Session, sector: Sector, now: datetime) -> None:
    fields = {"name": " Running  Shoes ", "labels": ["spring"]}
    cluster = create_cluster(session, sector, fields, origin=person(sector), now=now)
    assert (cluster.name, cluster.main_keyword, cluster.status) == ("Running Shoes", "running shoes", "new")
    update_cluster(session, cluster, {"name": "Runners"}, origin=person(sector), now=now)
    assert cluster.name == "Runners"
    assert events(session) == {("cluster_created", "cluster"): 1}


def test_keywords_move_into_a_cluster_and_out_again(session: Session, sector: Sector, now: datetime) -> None:
    cluster, keyword = make_cluster(session, sector), make_keyword(session, sector)
    move_keywords(session, cluster, [keyword.id], origin=person(sector), now=now)
    session.refresh(keyword)
    assert (keyword.status, keyword.cluster_id) == ("clustered", cluster.id)
    release_keywords(session, cluster, [keyword.id], origin=person(sector), now=now)
    session.refresh(keyword)
    assert (keyword.status, keyword.cluster_id) == ("new", None)
    assert events(session) == {("status_changed", "keyword"): 2}


def test_keywords_of_another_sector_are_not_found(session: Session, sector: Sector, now: datetime) -> None:
    stranger = make_keyword(session, make_sector(session, sector.site))
    with pytest.raises(Invalid, match=f"Keyword {stranger.id} was not found here"):
        move_keywords(session, make_cluster(session, sector), [stranger.id], origin=person(sector), now=now)


def _filled(session: Session, sector: Sector, count: int) -> tuple[Cluster, list[int]]:
    cluster = make_cluster(session, sector)
    ids = [make_keyword(session, sector, status="clustered", cluster_id=cluster.id).id for _ in range(count)]
    return cluster, ids


def test_splitting_leaves_at_least_one_keyword(session: Session, sector: Sector, now: datetime) -> None:
    cluster, ids = _filled(session, sector, 3)
    new = split_cluster(session, cluster, "Boots", ids[:2], origin=person(sector), now=now)
    assert new.name == "Boots"
    with pytest.raises(Conflict, match="At least one keyword must stay"):
        split_cluster(session, cluster, "All", ids[2:], origin=person(sector), now=now)


def test_merging_moves_keywords_and_ideas(session: Session, sector: Sector, now: datetime) -> None:
    target, _ = _filled(session, sector, 1)
    other, ids = _filled(session, sector, 2)
    idea = make_idea(session, sector, cluster_id=other.id)
    merge_clusters(session, target, [other], origin=person(sector), now=now)
    session.refresh(idea)
    assert (idea.cluster_id, session.get(Cluster, other.id)) == (target.id, None)
    released = release_keywords(session, target, ids, origin=person(sector), now=now)
    assert released == ids
    with pytest.raises(Invalid, match="other clusters of the same sector"):
        merge_clusters(session, target, [target], origin=person(sector), now=now)


def test_a_cluster_is_planned_with_its_first_idea_and_done_without_open_ones(
    session: Session, sector: Sector, now: datetime
) -> None:
    cluster = make_cluster(session, sector)
    idea = create_idea(session, cluster, {"title": "A guide"}, origin=person(sector), now=now)
    session.refresh(cluster)
    assert cluster.status == "planned"
    update_idea(session, idea, {"status": "rejected"}, origin=person(sector), now=now)
    session.refresh(cluster)
    assert cluster.status == "done"
    assert events(session)["status_changed", "cluster"] == 2


def test_a_rule_decides_new_ideas_only_and_undoes_no_decision(
    session: Session, sector: Sector, now: datetime
) -> None:
    new, rejected = make_idea(session, sector), make_idea(session, sector, status="rejected")
    moved = decide_ideas(session, [new.id, rejected.id], "accepted", origin=rule(sector), now=now)
    assert moved == [new.id]
    with pytest.raises(Invalid, match="Possible: accepted, rejected"):
        set_status(session, IDEA, [new.id], "used", rule(sector), now)


def test_an_illegal_move_by_a_person_is_refused_with_the_present_status(
    session: Session, sector: Sector, now: datetime
) -> None:
    idea = make_idea(session, sector, status="used")
    with pytest.raises(Conflict, match="This idea is “used” and cannot become “accepted”"):
        update_idea(session, idea, {"status": "accepted"}, origin=person(sector), now=now)
    with pytest.raises(Invalid) as refusal:
        update_idea(session, idea, {"account_id": 5}, origin=person(sector), now=now)
    assert list(refusal.value.errors) == ["account_id"]
