"""Ideas from clusters: read as facts, made without a database, saved once with their events."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.errors import Conflict, NotFound
from app.business.language_model import Completion, Prompt
from app.business.planner.models import Cluster, Sector, Site
from app.business.planner.services.ideas_service import IdeasService
from app.business.writer.services.site_pages import WRITTEN_PAGES
from app.infrastructure.ai.offline import OfflineModel
from tests.business.planner.stories import events, rule, sector_of_new_account
from tests.factories import (
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)

service = IdeasService(OfflineModel(), WRITTEN_PAGES)


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
    ideas = service.save(session, answer, origin=rule(sector), now=now).ideas
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
    """A provider with scripted answers: title, or title and main keyword."""

    def __init__(self, *pages: str | tuple[str, str], kind: str = "poem") -> None:
        self.pages = [(page, "") if isinstance(page, str) else page for page in pages]
        self.kind = kind

    def write(self, prompt: Prompt, key: str) -> Completion:
        ideas: list[dict[str, Any]] = [
            {"title": title, "description": "", "content_type": self.kind, "main_keyword": keyword}
            for title, keyword in self.pages
        ]
        return Completion({"ideas": ideas}, "scripted")


def proposing(*pages: str | tuple[str, str], kind: str = "poem") -> IdeasService:
    return IdeasService(Scripted(*pages, kind=kind), WRITTEN_PAGES)


def test_a_cluster_without_searches_of_their_own_kind_gets_one_page(session: Session, sector: Sector) -> None:
    cluster = make_cluster(session, sector, main_keyword="oak tables")
    for text in ("oak tables", "oak table", "tables of oak", "solid oak tables"):
        values = {"text": text, "status": "clustered", "cluster_id": cluster.id}
        make_keyword(session, sector, **values)
    answer = service.generate(service.read(session, cluster.account_id, cluster.id, count=10), "k")
    assert [idea.title for idea in answer.ideas] == ["Oak tables: the complete guide"]
    assert answer.doubles == []


def test_what_a_model_proposes_goes_through_the_same_checks(session: Session, cluster: Cluster) -> None:
    request = service.read(session, cluster.account_id, cluster.id, count=4)
    answer = proposing(
        ("All about garden sheds", "garden shed"),
        ("7 things to know about sheds", "shed"),
        ("GARDEN SHEDS: all about", "sheds for gardens"),
        ("How to paint a garden shed", "how to paint a garden shed"),
        ("Painting your shed", "garden shed how to paint"),
        ("Garden shed or garage?", "garden shed vs garage"),
    ).generate(request, "k")
    assert [idea.title for idea in answer.ideas] == [
        "All about garden sheds",
        "How to paint a garden shed",
        "Garden shed or garage?",
    ]
    assert [(double.title, double.other) for double in answer.doubles] == [
        ("7 things to know about sheds", "All about garden sheds"),
        ("GARDEN SHEDS: all about", "All about garden sheds"),
        ("Painting your shed", "How to paint a garden shed"),
    ]
    assert len(proposing("Sheds", ("Is it?", "is it"), ("Can I?", "can i")).generate(request, "k").ideas) == 3


@pytest.mark.parametrize(
    ("place", "title", "keyword"),
    [
        ("idea", "The Garden  SHED guide", ""),
        ("idea", "Everything on it", "sheds for the garden"),
        ("task", "Our sheds", "garden shed"),
        ("content", "What is a garden shed?", "what is a garden shed"),
    ],
)
def test_pages_of_the_whole_site_are_not_planned_again(
    session: Session, sector: Sector, cluster: Cluster, place: str, title: str, keyword: str
) -> None:
    makers: dict[str, Callable[..., Any]] = {"idea": make_idea, "task": make_task, "content": make_content}
    elsewhere = make_sector(session, session.get_one(Site, sector.site_id))
    makers[place](session, elsewhere, title=title, main_keyword=keyword)
    request = service.read(session, cluster.account_id, cluster.id)
    answer = proposing(("The garden shed guide", "garden shed")).generate(request, "k")
    assert answer.ideas == []
    assert [str(double) for double in answer.doubles] == [
        f"“The garden shed guide” would compete with “{title}”"
    ]


def test_pages_of_the_same_meaning_compete(session: Session, sector: Sector, cluster: Cluster) -> None:
    make_idea(session, sector, title="Which pills help", main_keyword="menopause pills")
    request = service.read(session, cluster.account_id, cluster.id)
    answer = proposing(("All medicines", "menopause medication"), ("What to eat", "menopause diet")).generate(
        request, "k"
    )
    assert [double.other for double in answer.doubles] == ["Which pills help"]
    assert [idea.title for idea in answer.ideas] == ["What to eat"]


def test_other_sites_rejected_ideas_and_other_numbers_do_not_compete(
    session: Session, sector: Sector, cluster: Cluster
) -> None:
    other_site = make_sector(session, make_site(session, session.get_one(Account, sector.account_id)))
    make_idea(session, other_site, title="Garden shed", main_keyword="garden shed")
    make_idea(session, sector, title="Garden shed", main_keyword="garden shed", status="rejected")
    make_idea(session, sector, title="Garden shed 2025", main_keyword="garden shed 2025")
    request = service.read(session, cluster.account_id, cluster.id)
    answer = proposing(("Garden shed 2026", "garden shed 2026")).generate(request, "k")
    assert [idea.title for idea in answer.ideas] == ["Garden shed 2026"]


def test_ideas_that_came_meanwhile_are_not_made_twice(
    session: Session, sector: Sector, cluster: Cluster, now: datetime
) -> None:
    answer = service.generate(service.read(session, cluster.account_id, cluster.id), "k")
    make_content(session, sector, title="Sheds", main_keyword="garden sheds")
    make_task(session, sector, title="Build one", main_keyword="how to build a garden shed")
    saved = service.save(session, answer, origin=rule(sector), now=now)
    assert [idea.content_type for idea in saved.ideas] == ["comparison"]
    assert [double.other for double in saved.doubles] == ["Sheds", "Build one"]


def test_unknown_types_and_missing_keywords_get_sensible_values(
    session: Session, sector: Sector, cluster: Cluster, now: datetime
) -> None:
    request = service.read(session, cluster.account_id, cluster.id)
    answer = proposing("Sheds\x00 and roofs").generate(request, "k")
    [idea] = service.save(session, answer, origin=rule(sector), now=now).ideas
    assert (idea.title, idea.content_type, idea.main_keyword) == ("Sheds and roofs", "article", "garden shed")
