"""The writer's REST resources: tasks and content."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.planner.models import Sector
from tests.factories import make_content, make_idea, make_sector, make_site, make_task
from tests.people import People, make_people, program_of

pytestmark = pytest.mark.both_databases


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.operator)


@pytest.fixture
def sector(session: Session, people: People) -> Sector:
    sector = make_sector(session, make_site(session, people.account))
    session.commit()
    return sector


def test_a_task_is_created_from_an_idea_which_becomes_used(
    api: FlaskClient, session: Session, sector: Sector
) -> None:
    idea = make_idea(session, sector, title="Ten socks", description="Compare them.")
    session.commit()
    task = api.post("/api/writer/tasks/", json={"idea": idea.id, "due_on": "2026-12-24"})
    assert (task.status_code, task.json["title"], task.json["brief"]) == (201, "Ten socks", "Compare them.")
    assert (task.json["due_on"], task.json["status"], task.json["word_count"]) == (
        "2026-12-24",
        "draft",
        1000,
    )
    assert api.get(f"/api/planner/ideas/{idea.id}/").json["status"] == "used"
    assert api.post("/api/writer/tasks/", json={"idea": idea.id}).status_code == 409


def test_a_task_moves_only_as_people_may_move_it(api: FlaskClient, session: Session, sector: Sector) -> None:
    task = make_task(session, sector)
    session.commit()
    address = f"/api/writer/tasks/{task.id}/"
    assert api.patch(address, json={"status": "queued"}).json["status"] == "queued"
    assert api.patch(address, json={"status": "writing"}).status_code == 422
    assert api.patch(address, json={"due_on": "24.12.2026"}).status_code == 422
    assert api.patch(address, json={"due_on": "2026-12-24"}).json["due_on"] == "2026-12-24"
    assert api.patch(address, json={"due_on": None}).json["due_on"] is None


def test_the_html_of_content_is_cleaned_and_counted(api: FlaskClient, sector: Sector) -> None:
    html = "<h2>Two words</h2><p onclick='x()'>three more words</p><script>alert(1)</script><img src=x onerror=x>"
    made = api.post("/api/writer/content/", json={"site": sector.site_id, "title": "Socks", "html": html})
    assert (made.status_code, made.json["word_count"], made.json["status"]) == (201, 5, "draft")
    assert made.json["html"] == "<h2>Two words</h2><p>three more words</p>"


def test_content_is_approved_but_not_published_by_hand(
    api: FlaskClient, session: Session, sector: Sector
) -> None:
    content = make_content(session, sector)
    session.commit()
    address = f"/api/writer/content/{content.id}/"
    assert api.patch(address, json={"status": "approved"}).json["status"] == "approved"
    assert api.patch(address, json={"status": "published"}).status_code == 422
    refused = api.patch(address, json={"word_count": 5, "published_url": "https://x.example"})
    assert sorted(refused.json["errors"]) == ["published_url", "word_count"]


def test_content_shows_every_field_of_the_contract(
    api: FlaskClient, session: Session, sector: Sector
) -> None:
    content = make_content(session, sector)
    session.commit()
    assert set(api.get(f"/api/writer/content/{content.id}/").json) == {
        "id", "site", "sector", "labels", "note", "assignee", "made_by_run", "status", "status_since",
        "created_at", "updated_at", "task", "title", "html", "meta_title", "meta_description", "main_keyword",
        "word_count", "score", "checks_failed", "outline", "kind", "published_url",
    }  # fmt: skip


def test_tasks_are_listed_by_due_day_page_by_page(api: FlaskClient, session: Session, sector: Sector) -> None:
    days = ["2026-12-24", None, "2026-12-01", "2026-12-24"]
    for day in days:
        api.post("/api/writer/tasks/", json={"site": sector.site_id, "title": "Write", "due_on": day})
    first = api.get("/api/writer/tasks/?sort=due&limit=3").json
    rest = api.get(f"/api/writer/tasks?sort=due&limit=3&cursor={first['next']}").json
    assert [task["due_on"] for task in first["results"] + rest["results"]] == [
        "2026-12-01", "2026-12-24", "2026-12-24", None,
    ]  # fmt: skip
    assert rest["next"] is None


def test_filters_narrow_the_lists(api: FlaskClient, session: Session, sector: Sector) -> None:
    task = make_task(session, sector, title="Wool", status="queued")
    make_content(session, sector, task_id=task.id, outline=True)
    make_content(session, sector, title="Zebra", status="approved")
    session.commit()
    assert len(api.get("/api/writer/tasks/?status=queued&text=wOOl").json["results"]) == 1
    assert len(api.get("/api/writer/tasks/?status=done").json["results"]) == 0
    assert len(api.get(f"/api/writer/content/?task={task.id}&outline=true").json["results"]) == 1
    assert [row["title"] for row in api.get("/api/writer/content/?status=approved").json["results"]] == [
        "Zebra"
    ]


def test_strangers_and_viewers_change_nothing(
    app: Flask, session: Session, people: People, sector: Sector
) -> None:
    task, content = make_task(session, sector), make_content(session, sector)
    session.commit()
    stranger, viewer = program_of(app, session, people.stranger), program_of(app, session, people.viewer)
    for address in (f"/api/writer/tasks/{task.id}/", f"/api/writer/content/{content.id}/"):
        assert stranger.get(address).status_code == 404
        assert stranger.patch(address, json={"title": "Mine"}).status_code == 404
        assert (viewer.get(address).status_code, viewer.patch(address, json={}).status_code) == (200, 403)
    body = {"title": "Mine", "task": task.id}
    assert stranger.post("/api/writer/content/", json=body).status_code == 404


@pytest.mark.parametrize(("outline", "kind"), [(True, "brief"), (False, "article")])
def test_a_brief_is_called_so_and_approving_it_says_what_it_is(
    api: FlaskClient, session: Session, sector: Sector, outline: bool, kind: str
) -> None:
    content = make_content(session, sector, outline=outline)
    session.commit()
    answer = api.patch(f"/api/writer/content/{content.id}/", json={"status": "approved"})
    assert answer.json["kind"] == kind
    assert ("not published" in answer.json.get("notice", "")) == outline
