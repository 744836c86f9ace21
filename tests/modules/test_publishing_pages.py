"""Publishing from the article's page and by API: in the history with its actor, done by a worker, its end shown."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask
from app.business.billing.services.replenishment import replenish_monthly_credits
from app.business.writer.models import Content
from tests.business.automation.actions.publishing_world import World
from tests.infrastructure.wordpress_stand_in import WordPress, serving
from tests.people import People, browser_of, make_people, program_of

CONTENT = "/api/writer/content/"
RUNS = "/api/automation/scheduled-tasks/"


@pytest.fixture
def wordpress() -> Iterator[WordPress]:
    with serving() as wordpress:
        yield wordpress


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def world(session: Session, wordpress: WordPress, people: People) -> Iterator[World]:
    world = World(session, wordpress, people.account)
    world.machine.now = datetime.now(UTC) + timedelta(minutes=1)
    yield world
    # Its time may have passed the end of a month.
    replenish_monthly_credits(world.machine.transaction, world.machine.now)
    assert world.machine.breaches() == []


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.operator)


@pytest.fixture
def page(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.operator)


def shown(api: FlaskClient, content: Content) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"{CONTENT}{content.id}/").json
    return found


@pytest.mark.both_databases
def test_the_api_answers_at_once_and_a_worker_publishes(
    world: World, api: FlaskClient, people: People
) -> None:
    content = world.article()
    asked = api.post(f"{CONTENT}{content.id}/publish/")
    assert (asked.status_code, asked.json["id"], asked.json["status"]) == (202, content.id, "approved")
    assert world.posts == []
    [run] = api.get(f"{RUNS}?cause=api").json["results"]
    assert (run["status"], run["rule_name"], run["site"]) == ("pending", "Publish by hand", content.site_id)
    world.machine.settle()
    run = api.get(f"{RUNS}{run['id']}/").json
    assert (run["status"], run["credits_used"], run["records"]) == ("completed", 0, [content.id])
    row = world.session.get_one(ScheduledTask, run["id"])
    assert (row.user_id, row.api_key_id is None) == (people.operator.id, False)
    assert shown(api, content)["status"] == "published"
    assert shown(api, content)["published_url"] == f"{world.wordpress.url}/garden-sheds/"
    api.patch(f"{CONTENT}{content.id}/", json={"html": "<p>More.</p>"})
    assert shown(api, content)["status"] == "published"
    assert api.post(f"{CONTENT}{content.id}/publish/", json={}).status_code == 202
    world.machine.settle()
    assert world.only_post["content"].startswith("<p>More.</p>")
    assert api.post(f"{CONTENT}{content.id}/publish/", json={"status": "draft"}).status_code == 202
    world.machine.settle()
    assert (world.only_post["status"], shown(api, content)["status"]) == ("draft", "approved")


def test_an_absent_status_is_the_default_of_the_site(world: World, api: FlaskClient) -> None:
    world.connection.default_status = "draft"
    content = world.article()
    api.post(f"{CONTENT}{content.id}/publish/")
    world.machine.settle()
    assert (world.only_post["status"], shown(api, content)["status"]) == ("draft", "approved")
    api.post(f"{CONTENT}{content.id}/publish/", json={"status": "publish"})
    world.machine.settle()
    assert (world.only_post["status"], shown(api, content)["status"]) == ("publish", "published")


def test_what_cannot_be_published_is_refused_at_once(world: World, api: FlaskClient) -> None:
    address = f"{CONTENT}{{}}/publish/".format
    for values in ({"status": "draft"}, {"status": "review"}, {"outline": True}, {"html": ""}):
        assert api.post(address(world.article(**values).id)).status_code == 409, values
    content = world.article()
    assert api.post(address(content.id), json={"status": "future"}).status_code == 422
    world.session.delete(world.connection)
    world.session.commit()
    refused = api.post(address(content.id))
    assert (refused.status_code, "No WordPress is connected" in refused.json["detail"]) == (409, True)
    assert api.get(RUNS).json["results"] == []


def test_the_rule_behind_it_is_in_no_list_and_cannot_be_restored(
    app: Flask, world: World, api: FlaskClient, people: People
) -> None:
    content = world.article()
    api.post(f"{CONTENT}{content.id}/publish/")
    world.machine.settle()
    editor = program_of(app, world.session, people.editor)
    for query in ("", "?state=archived", "?archived=true"):
        assert "Publish by hand" not in editor.get(f"/api/automation/rules/{query}").text
    rule = api.get(RUNS).json["results"][0]["automation_rule"]
    page = browser_of(app, world.session, people.editor)
    assert "Publish by hand" not in page.get("/rules?state=archived").text
    assert page.post(f"/rules/{rule}/restore").status_code == 409
    assert page.get(f"/rules/{rule}").status_code == 200


def test_the_page_publishes_updates_and_unpublishes(world: World, page: FlaskClient) -> None:
    content = world.article()
    at = f"/content/{content.id}"
    before = page.get(at).text
    assert [word in before for word in ("Publish</", "Send as a draft", "Not sent yet")] == [True] * 3
    assert page.post(f"{at}/publish", data={"status": "publish"}).status_code == 303
    assert "A worker does so now." in page.get(at).text
    world.machine.settle()
    published = page.get(at).text
    assert f'href="{world.wordpress.url}/garden-sheds/"' in published
    assert ("Unpublish" in published, "Changed since" in published) == (True, False)
    world.session.refresh(content)
    page.post(f"{at}/edit", data={"title": content.title, "html": "<p>New.</p>", "version": content.version})
    edited = page.get(at).text
    assert ("Changed since" in edited, "Update" in edited) == (True, True)
    assert "Changed since" in page.get("/content").text
    page.post(f"{at}/publish")
    world.machine.settle()
    assert world.only_post["content"].startswith("<p>New.</p>")
    page.post(f"{at}/publish", data={"status": "draft"})
    world.machine.settle()
    assert "Unpublished in WordPress" in page.get(at).text


@pytest.mark.parametrize("how", ["trash", "edit"])
def test_the_page_says_what_people_did_there_and_what_can_be_done(
    world: World, page: FlaskClient, how: str
) -> None:
    content, at = world.article(), "/content/{}".format
    world.publish(content)
    [(id, post)] = world.wordpress.posts.items()
    world.wordpress.trash(id) if how == "trash" else post.update(content=post["content"] + "!")
    page.post(f"{at(content.id)}/publish")
    world.machine.settle()
    said = page.get(at(content.id)).text
    assert ("in the trash of WordPress" if how == "trash" else "has edited its post") in said
    if how == "edit":
        page.post(f"{at(content.id)}/publish", data={"overwrite": "1"})
    else:
        assert page.post(f"{at(content.id)}/start-over").status_code == 303
        page.post(f"{at(content.id)}/publish", data={"status": "publish"})
    world.machine.settle()
    after = page.get(at(content.id)).text
    assert ("Published in WordPress" in after, "WordPress does not have this text" in after) == (True, False)


def test_the_page_says_when_the_turn_of_an_article_comes(world: World, page: FlaskClient) -> None:
    world.connection.max_per_day = 1
    world.publish(world.article(title="First"))
    content = world.article(title="Second")
    page.post(f"/content/{content.id}/publish", data={"status": "publish"})
    world.machine.settle()
    said = page.get(f"/content/{content.id}").text
    assert "1 more waits: at most 1 article is published on" in said
    world.machine.pass_time(days=1)
    world.machine.settle()
    assert "Published in WordPress" in page.get(f"/content/{content.id}").text


def test_people_mark_an_article_as_published_and_take_it_back(
    world: World, page: FlaskClient, api: FlaskClient
) -> None:
    content = world.article()
    at, wrong = f"/content/{content.id}", "shop.example/sheds"
    refused = page.post(f"{at}/mark-published", data={"published_url": wrong})
    assert (refused.status_code, wrong in refused.text, "Write the whole address" in refused.text) == (
        422, True, True,
    )  # fmt: skip
    assert page.post(f"{at}/mark-published", data={"published_url": f"https://{wrong}"}).status_code == 303
    assert "marked by hand" in page.get(at).text
    assert api.post(f"{CONTENT}{content.id}/publish/").status_code == 409
    assert page.post(f"{at}/take-back-mark").status_code == 303
    refused = api.post(f"{CONTENT}{content.id}/mark-published/", json={"published_url": wrong})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["published_url"])
    marked = api.post(f"{CONTENT}{content.id}/mark-published/", json={"published_url": f"https://{wrong}"})
    assert (marked.status_code, marked.json["status"], marked.json["published_url"]) == (
        200, "published", f"https://{wrong}",
    )  # fmt: skip
    assert world.posts == []


def test_programs_approve_and_send_back(world: World, api: FlaskClient) -> None:
    content = world.article(status="draft")
    approved = api.post(f"{CONTENT}{content.id}/approve/")
    assert (approved.status_code, approved.json["status"]) == (200, "approved")
    back = api.post(f"{CONTENT}{content.id}/send-back/", json={"note": "Shorter, please."})
    assert (back.status_code, back.json["status"], "Shorter, please." in back.json["note"]) == (
        200,
        "draft",
        True,
    )
    assert api.post(f"{CONTENT}{content.id}/send-back/").status_code in (200, 409)


def test_a_time_and_an_image_are_given_on_the_page(world: World, page: FlaskClient, api: FlaskClient) -> None:
    content, images = world.article(), {"/a.png": ("image/png", b"x")}
    world.wordpress.images, world.wordpress.now = images, world.machine.clock
    address = f"/content/{content.id}/publish"
    form = {"publish_at": "2020-01-01T09:00", "featured_image": f"{world.wordpress.url}/a.png"}
    wrong = page.post(address, data=form)
    assert (wrong.status_code, "Choose a time in the future" in wrong.text) == (422, True)
    assert 'value="2020-01-01T09:00"' in wrong.text
    wrong = page.post(address, data={"featured_image": "a.png"})
    assert (wrong.status_code, "Write the whole address" in wrong.text) == (422, True)
    at = (world.machine.now + timedelta(days=2)).replace(second=0, microsecond=0)
    assert page.post(address, data=form | {"publish_at": f"{at:%Y-%m-%dT%H:%M}"}).status_code == 303
    world.machine.settle()
    assert "Scheduled in WordPress for" in page.get(f"/content/{content.id}").text
    refused = api.post(f"{CONTENT}{content.id}/publish/", json={"publish_at": "2020-01-01T09:00:00Z"})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["publish_at"])
    later = (at + timedelta(days=1)).isoformat()
    assert api.post(f"{CONTENT}{content.id}/publish/", json={"publish_at": later}).status_code == 202
    world.machine.settle()
    assert world.only_post["date_gmt"] == f"{at + timedelta(days=1):%Y-%m-%dT%H:%M:%S}"
    assert shown(api, content)["status"] == "approved"
