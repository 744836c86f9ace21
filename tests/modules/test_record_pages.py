"""The page of a record: its way from keyword to article, and what happened to it, within what a person sees."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.business.events import EventType, Origin, open_batch, record_events
from app.business.planner.models import Record
from tests.factories import (
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)
from tests.modules.automation_pages import make_rule, make_run
from tests.people import People, browser_of, make_people

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
NOW = datetime(2026, 11, 29, 9, 0, tzinfo=UTC)
PAGES = {"keyword": "keywords", "cluster": "clusters", "idea": "ideas", "task": "tasks", "content": "content"}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def way(session: Session, people: People) -> dict[str, Record]:
    """One of each, each made of the one before; a second idea of the cluster has come to nothing yet."""
    sector = make_sector(session, make_site(session, people.account))
    cluster = make_cluster(session, sector, name="Boots for rain")
    idea = make_idea(session, sector, cluster_id=cluster.id, title="Which boots keep dry?")
    task = make_task(session, sector, idea_id=idea.id, title="Write about dry boots", status="done")
    made = {
        "keyword": make_keyword(
            session, sector, text="rain boots", cluster_id=cluster.id, status="clustered"
        ),
        "cluster": cluster,
        "idea": idea,
        "task": task,
        "content": make_content(session, sector, task_id=task.id, title="Boots that keep dry"),
    }
    session.commit()
    return made


def steps(page: str) -> list[str]:
    """The steps of the path as text."""
    found = re.search(r'<ol class="record-path".*?</ol>', page, re.S)
    assert found
    return [
        " ".join(re.sub(r"<[^>]+>", " ", one).split()) for one in re.findall(r"<li.*?</li>", found[0], re.S)
    ]


def names(texts: Sequence[str]) -> list[str]:
    """Without the kind before and the state after it."""
    return [text.partition(" ")[2] for text in texts]


def test_each_page_shows_the_whole_way_and_where_it_stands(
    app: Flask, session: Session, people: People, way: dict[str, Record]
) -> None:
    viewer = browser_of(app, session, people.viewer)
    for type, record in way.items():
        shown = steps(viewer.get(f"/{PAGES[type]}/{record.id}").text)
        assert [text.split()[0] for text in shown] == ["Keyword", "Cluster", "Idea", "Task", "Article"]
        expected = {
            "keyword": "rain boots Clustered", "cluster": "Boots for rain New", "idea": "Which boots keep dry? New",
            "task": "Write about dry boots Done", "content": "Boots that keep dry To check",
        } | {type: "This one"}  # fmt: skip
        assert names(shown) == list(expected.values()), type


def test_several_are_counted_and_archived_ones_are_not(
    app: Flask, session: Session, people: People, way: dict[str, Record]
) -> None:
    cluster, sector_id = way["cluster"], way["cluster"].sector
    for title in ("One", "Two"):
        make_idea(session, sector_id, cluster_id=cluster.id, title=title)
    make_idea(session, sector_id, cluster_id=cluster.id, title="Gone", archived_at=NOW)
    session.commit()
    browser = browser_of(app, session, people.viewer)
    page = browser.get(f"/clusters/{cluster.id}").text
    assert steps(page)[2] == "Ideas 3"
    assert f'href="/ideas?cluster={cluster.id}"' in page
    assert browser.get(f"/ideas?cluster={cluster.id}").text.count('class="row-link"') == 3


def test_a_record_without_others_says_what_is_not_there(app: Flask, session: Session, people: People) -> None:
    sector = make_sector(session, make_site(session, people.account))
    task, keyword = make_task(session, sector), make_keyword(session, sector)
    session.commit()
    browser = browser_of(app, session, people.viewer)
    assert names(steps(browser.get(f"/tasks/{task.id}").text)) == [
        "None",
        "None",
        "None",
        "This one",
        "None yet",
    ]
    shown = names(steps(browser.get(f"/keywords/{keyword.id}").text))
    assert shown == ["This one", *["None yet"] * 4]


def test_an_article_that_stands_alone_shows_no_way(app: Flask, session: Session, people: People) -> None:
    content = make_content(session, make_sector(session, make_site(session, people.account)))
    session.commit()
    assert (
        'class="record-path"'
        not in browser_of(app, session, people.viewer).get(f"/content/{content.id}").text
    )


def test_what_lies_on_other_sites_is_neither_named_nor_counted(
    app: Flask, session: Session, people: People, way: dict[str, Record]
) -> None:
    elsewhere = make_sector(session, make_site(session, people.account))
    make_content(session, elsewhere, task_id=way["task"].id, title="Secret")
    people.viewer.site_ids = [way["task"].site_id]
    session.commit()
    page = browser_of(app, session, people.viewer).get(f"/tasks/{way['task'].id}").text
    assert "Secret" not in page
    assert names(steps(page))[-1] == "Boots that keep dry To check"


def test_what_happened_names_who_did_it_the_newest_first(
    app: Flask, session: Session, people: People, way: dict[str, Record]
) -> None:
    idea, rule = way["idea"], make_rule(session, people.account, name="Ideas at night")
    run = make_run(session, rule, "completed")
    account_id = people.account.id
    for type, origin, data in (
        (EventType.IDEA_CREATED, Origin(account_id, run_id=run.id), None),
        (
            EventType.STATUS_CHANGED,
            Origin(account_id, user_id=people.editor.id),
            {"from": "new", "to": "accepted"},
        ),
        (EventType.STATUS_CHANGED, Origin(account_id), {"from": "accepted", "to": "resting"}),
    ):
        place = {"record_id": idea.id, "site_id": idea.site_id, "sector_id": idea.sector_id}
        record_events(session, open_batch(session, type, origin, NOW), "idea", [place | {"data": data}])
    session.commit()
    page = browser_of(app, session, people.viewer).get(f"/ideas/{idea.id}").text
    found = re.search(r'<ol class="happened">.*?</ol>', page, re.S)
    assert found
    shown = [
        " ".join(re.sub(r"<[^>]+>", " ", one).split()) for one in re.findall(r"<li>.*?</li>", found[0], re.S)
    ]
    assert [text.partition(" 29 Nov 2026")[0] for text in shown] == [
        "Accepted → became resting", f"New → became Accepted by {people.editor.name}", "Made by Ideas at night",
    ]  # fmt: skip
    assert f'href="/runs/{run.id}"' in found[0]
