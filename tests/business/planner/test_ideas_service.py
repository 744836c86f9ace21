"""Ideas from clusters: read as facts, made without a database, saved once with their events."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.business.errors import Conflict, NotFound
from app.business.language_model import Completion, Prompt, ProviderFault
from app.business.planner.models import Cluster, Sector
from app.business.planner.services.ideas_service import IdeasService
from app.infrastructure.ai.offline import OfflineModel
from tests.business.planner.stories import events, rule, sector_of_new_account
from tests.factories import make_cluster, make_idea, make_keyword

service = IdeasService(OfflineModel())


@pytest.fixture
def sector(session: Session) -> Sector:
    return sector_of_new_account(session)


@pytest.fixture
def cluster(session: Session, sector: Sector) -> Cluster:
    cluster = make_cluster(session, sector, name="garden shed", main_keyword="garden shed")
    for text, volume in (
        ("garden shed", 900),
        ("how to build a garden shed", 300),
        ("garden shed vs garage", 50),
    ):
        values = {"text": text, "volume": volume, "status": "clustered", "cluster_id": cluster.id}
        make_keyword(session, sector, **values)
    return cluster


def test_the_most_searched_keywords_come_first_in_the_facts(session: Session, cluster: Cluster) -> None:
    request = service.read(session, cluster.account_id, cluster.id, count=4)
    assert [keyword["volume"] for keyword in request.keywords] == [900, 300, 50]
    assert (request.cluster, request.count, request.language) == ("garden shed", 4, "en")


def test_ideas_are_saved_with_keys_of_their_unit_and_events(
    session: Session, sector: Sector, cluster: Cluster, now: datetime
) -> None:
    answer = service.generate(service.read(session, cluster.account_id, cluster.id), "k")
    ideas = service.save(session, answer, origin=rule(sector), now=now)
    assert [idea.made_key for idea in ideas] == ["r7-s0-1-0", "r7-s0-1-1", "r7-s0-1-2"]
    assert len({idea.content_type for idea in ideas}) == 3
    session.refresh(cluster)
    assert cluster.status == "planned"
    assert events(session) == {("idea_created", "idea"): 3, ("status_changed", "cluster"): 1}


def test_the_same_unit_cannot_save_twice(
    session: Session, sector: Sector, cluster: Cluster, now: datetime
) -> None:
    answer = service.generate(service.read(session, cluster.account_id, cluster.id), "k")
    service.save(session, answer, origin=rule(sector), now=now)
    with pytest.raises(IntegrityError):
        service.save(session, answer, origin=rule(sector), now=now)


def test_a_cluster_with_ideas_is_left_out_unless_asked_again(
    session: Session, sector: Sector, cluster: Cluster
) -> None:
    make_idea(session, sector, cluster_id=cluster.id, title="Garden shed: the complete guide")
    with pytest.raises(Conflict, match="already has ideas"):
        service.read(session, cluster.account_id, cluster.id)
    request = service.read(session, cluster.account_id, cluster.id, again=True)
    titles = [idea.title for idea in service.generate(request, "k").ideas]
    assert "Garden shed: the complete guide" not in titles
    with pytest.raises(NotFound):
        service.read(session, cluster.account_id + 1, cluster.id)


class Scripted:
    """A provider with scripted answers."""

    def __init__(self, *titles: str) -> None:
        self.titles = titles

    def write(self, prompt: Prompt, key: str) -> Completion:
        ideas: list[dict[str, Any]] = [
            {"title": title, "description": "", "content_type": "poem", "main_keyword": ""}
            for title in self.titles
        ]
        return Completion({"ideas": ideas}, "scripted")


def test_repeated_and_surplus_ideas_are_dropped(session: Session, cluster: Cluster) -> None:
    request = service.read(session, cluster.account_id, cluster.id, count=2)
    answer = IdeasService(Scripted("Sheds", "SHEDS", "Roofs", "Doors")).generate(request, "k")
    assert [idea.title for idea in answer.ideas] == ["Sheds", "Roofs"]
    with pytest.raises(ProviderFault, match="no new idea"):
        IdeasService(Scripted("Sheds")).generate(replace(request, titles_already_there=["sheds"]), "k")


def test_unknown_types_and_missing_keywords_get_sensible_values(
    session: Session, sector: Sector, cluster: Cluster, now: datetime
) -> None:
    request = service.read(session, cluster.account_id, cluster.id)
    answer = IdeasService(Scripted("Sheds\x00 and roofs")).generate(request, "k")
    [idea] = service.save(session, answer, origin=rule(sector), now=now)
    assert (idea.title, idea.content_type, idea.main_keyword) == ("Sheds and roofs", "article", "garden shed")
