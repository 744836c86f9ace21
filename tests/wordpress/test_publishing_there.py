"""publish_content against a real WordPress: what tests/business/automation/actions shows with the stand-in."""

import base64
import dataclasses
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask, Status
from app.business.events import Origin
from app.business.writer.models import Content
from app.business.writer.services import publications
from app.business.writer.services.content_edit import update_content
from app.infrastructure.wordpress import faults, publisher
from app.infrastructure.wordpress.publisher import TEXT_LIMIT
from app.settings import Settings
from tests.business.automation.actions.publishing_world import World
from tests.business.automation.machine import Machine
from tests.infrastructure.wordpress_stand_in import serving
from tests.wordpress.real_site import RealWordPress

TRIALS = 50
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
ODD = (
    "<p>Ünïcode 😀 &amp; &lt;b&gt; \\ \\n \\0 “quotes” 'n' $1 %s [gallery] https://youtu.be/x</p>\r\n\r\n"
    "<pre>  two  spaces\t</pre>\n\n<ul><li>a</li></ul> <img src='https://x.example/a.png' alt=''/>  \n"
)


def edit(world: World, content: Content, **changes: Any) -> None:
    origin = Origin(account_id=content.account_id, user_id=None)
    update_content(world.session, content, changes, origin=origin, now=world.machine.now)
    world.session.commit()


def state(world: World, content: Content) -> tuple[str, str]:
    world.session.refresh(content)
    return content.status, content.published_url


def test_a_draft_is_published_updated_and_unpublished(world: World, wordpress: RealWordPress) -> None:
    address = f"{wordpress.url}/garden-sheds/"
    content = world.article()
    run = world.settled(world.start(world.rule(status="draft"), content))
    assert (world.only_post["status"], world.receipt(run).message) == (
        "draft", "Unpublished in WordPress: a draft",
    )  # fmt: skip
    assert state(world, content) == ("approved", "")
    run = world.settled(world.start(world.rule(status="publish"), content))
    assert world.receipt(run).message == f"Published at {address}"
    assert state(world, content) == ("published", address)
    assert wordpress.read_as_visitor(address) == (200, True)
    edit(world, content, title="Sheds", html="<p>More about sheds.</p>")
    run = world.publish(content)
    assert (world.receipt(run).status, state(world, content)) == ("done", ("published", address))
    assert world.only_post["content"].startswith("<p>More about sheds.</p>\n<!-- igny8:")
    world.publish(content, status="draft")
    assert (world.only_post["status"], state(world, content)) == ("draft", ("approved", ""))
    assert wordpress.read_as_visitor(address)[0] == 404


def test_all_that_belongs_to_an_article_arrives(world: World, wordpress: RealWordPress) -> None:
    wordpress.create("categories", name="Tools & Toys")
    world.connection.categories, world.connection.author = ["tools & toys"], "Author"
    content = world.article(
        labels=['tag: Oak\'s "best"', "tag: ash", "Category: Sheds & <More>", "Category:Größe"]
    )
    for _ in range(2):
        world.publish(content)
        post = world.only_post
        assert wordpress.names("categories", post["categories"]) == [
            "Größe",
            "Sheds &amp;",
            "Tools &amp; Toys",
        ]
        assert sorted(wordpress.names("tags", post["tags"])) == ['Oak\'s "best"', "ash"]
        assert wordpress.names("users", [post["author"]]) == ["Author"]
        assert (post["slug"], post["excerpt"]) == ("garden-sheds", "What to know.")
        assert post["meta"] == {
            "_yoast_wpseo_title": "Sheds", "_yoast_wpseo_metadesc": "What to know.",
            "_yoast_wpseo_focuskw": "shed", "of_another_plugin": "",
        }  # fmt: skip


@pytest.mark.parametrize("role", ["editor", "author"])
def test_an_odd_text_is_not_taken_for_one_that_somebody_edited(
    world: World, wordpress: RealWordPress, role: str
) -> None:
    """WordPress keeps some texts otherwise than they were sent; authors may write less than editors."""
    wordpress.role = role
    world.sign_in(wordpress)
    content = world.article(title="A & B <x> \\ 😀 “c”  ", html=ODD)
    for _ in range(3):
        run = world.publish(content)
        assert world.receipt(run).message.startswith("Published at"), world.receipt(run).message


def test_what_somebody_has_scheduled_is_read_back(world: World, wordpress: RealWordPress) -> None:
    content = world.article()
    world.publish(content, status="draft")
    wordpress.change(world.only_post["id"], date="2099-01-01T08:00:00")
    run = world.publish(content, status="publish")
    assert world.only_post["status"] == "future"
    assert world.receipt(run).message.startswith("Scheduled in WordPress for ")
    assert state(world, content) == ("approved", "")


def test_an_article_is_scheduled_with_its_image_and_published_at_once_when_asked(
    world: World, wordpress: RealWordPress
) -> None:
    world.machine.now = datetime.now(UTC)
    content, at = world.article(), world.machine.now + timedelta(days=2)
    with serving(images={"/a.png": ("image/png", PIXEL)}) as images:
        world.settings = Settings(secret_key="k" * 40, outbound_allow=(wordpress.host, images.host))
        world.publisher.own = publisher.WordPressPublisher(world.settings)
        for _ in range(2):
            run = world.publish(content, publish_at=at, featured_image=f"{images.url}/a.png")
            assert (run.status, world.only_post["status"]) == (Status.COMPLETED, "future"), run.error_message
    assert images.calls == ["GET /a.png"], "it is sent once"
    assert world.publication(content).scheduled_for == at.replace(microsecond=0)
    assert world.only_post["featured_media"] > 0
    world.publish(content, status="publish")
    assert (world.only_post["status"], state(world, content)[0]) == ("publish", "published")
    assert world.only_post["featured_media"] > 0


@pytest.mark.parametrize(
    ("role", "password", "sentence"),
    [
        ("editor", "wrong", faults.NOT_SIGNED_IN), ("nobody", "wrong", faults.NOT_SIGNED_IN),
        ("subscriber", None, faults.ROLE_TOO_LOW), ("contributor", None, faults.ROLE_TOO_LOW),
    ],
)  # fmt: skip
def test_who_may_not_publish_is_told_why(
    world: World, wordpress: RealWordPress, role: str, password: str | None, sentence: str
) -> None:
    wordpress.role = role
    world.sign_in(wordpress, password)
    run = world.settled(world.start(world.rule(), world.article()))
    assert (run.status, sentence in run.error_message) == ("failed", True), run.error_message
    assert world.posts == []


@pytest.mark.parametrize("role", ["editor", "author"])
@pytest.mark.parametrize("status", ["publish", "draft", "future", "private"])
def test_a_strangers_post_is_never_overwritten(
    world: World, wordpress: RealWordPress, status: str, role: str
) -> None:
    wordpress.role = role
    world.sign_in(wordpress)
    date = f"{2099 if status == 'future' else 2020}-01-01T08:00:00"
    theirs = wordpress.add("Garden Sheds", "Theirs.", status, slug="garden-sheds", date=date)
    before = wordpress.posts[theirs]
    content = world.article()
    world.settled(world.start(world.rule(), content))
    after = wordpress.posts[theirs]
    assert {name for name in after if after[name] != before[name]} == set()
    assert world.only_post["slug"] != "garden-sheds" or status == "draft"
    assert state(world, content) == ("published", world.only_post["link"])
    assert wordpress.read_as_visitor(world.only_post["link"]) == (200, True)


def test_a_page_at_the_address_is_no_article(world: World, wordpress: RealWordPress) -> None:
    wordpress.create("pages", title="Garden Sheds", content="A page.", status="publish")
    content = world.article()
    world.publish(content)
    assert wordpress.read_as_visitor(state(world, content)[1]) == (200, True)


@pytest.mark.parametrize("how", ["trashed", "deleted", "edited", "unpublished"])
def test_what_people_did_to_the_post_is_said_and_stays(
    world: World, wordpress: RealWordPress, how: str
) -> None:
    content = world.article()
    world.publish(content)
    id = world.only_post["id"]
    act = {
        "trashed": lambda: wordpress.trash(id),
        "deleted": lambda: wordpress.delete(id),
        "edited": lambda: wordpress.change(
            id, content=world.only_post["content"].replace("All", "Everything")
        ),
        "unpublished": lambda: wordpress.change(id, status="draft"),
    }
    act[how]()
    before = wordpress.posts
    edit(world, content, html="<p>More.</p>")
    run = world.publish(content)
    if how == "unpublished":
        assert (world.receipt(run).status, world.only_post["status"]) == ("done", "draft")
        assert state(world, content) == ("approved", "")
        return
    words = {"trashed": "in the trash", "deleted": "has deleted", "edited": "has edited"}
    assert words[how] in world.receipt(run).message
    assert wordpress.posts == before
    assert state(world, content)[0] == ("published" if how == "edited" else "approved")
    if how == "edited":
        world.publish(content, overwrite=True)
        assert world.only_post["content"].startswith("<p>More.</p>")
        return
    publications.start_over(world.session, content, world.machine.now)
    world.publish(content)
    assert [post["content"][:12] for post in world.posts if post["status"] == "publish"] == ["<p>More.</p>"]


def test_workers_killed_between_post_and_receipt_make_one_post_each(
    world: World, wordpress: RealWordPress
) -> None:
    """Every second time a stranger has the article's address, and the worker is killed twice."""
    rule = world.rule()
    for trial in range(TRIALS):
        title = f"Number {trial} of sheds"
        if trial % 2:
            wordpress.add(title, "A stranger's")
        content = world.article(title=title)
        world.publisher.dies = 1 + trial % 2
        run = world.settled(world.start(rule, content))
        assert (run.status, run.attempt) == ("completed", 2 + trial % 2)
        ours = [
            post for post in wordpress.posts.values() if post["title"] == title and "igny8" in post["content"]
        ]
        assert [post["status"] for post in ours] == ["publish"]
        assert state(world, content) == ("published", ours[0]["link"])
        for post in wordpress.posts:
            wordpress.delete(post)


def test_the_same_trial_finds_the_double_where_the_marker_is_not_looked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "_mark_of", lambda _row: ("", ""))
    world.publisher.dies = 1
    world.settled(world.start(world.rule(), world.article()))
    assert len(world.posts) == 2


def test_two_runs_that_publish_the_same_article_at_the_same_moment_make_one_post(
    world: World, session: Session
) -> None:
    content = world.article()
    first, second = (world.start(world.rule(), content) for _ in range(2))
    engine: Engine = session.get_bind()  # type: ignore[assignment]

    def run_the_other() -> None:
        with Session(engine, expire_on_commit=False) as other:
            Machine(other, publisher=world.publisher, now=world.machine.now).engine.execute(second.id)

    world.publisher.meanwhile = run_the_other
    world.machine.engine.execute(first.id)
    session.expire_all()
    assert session.get_one(ScheduledTask, second.id).status == Status.PENDING
    world.settled(second)
    assert world.receipt(second).message == "It is published already."
    assert (len(world.posts), state(world, content)[0]) == (1, "published")


def test_articles_with_the_same_title_at_the_same_moment_are_posts_of_their_own(
    world: World, wordpress: RealWordPress
) -> None:
    requests = [world.request() for _ in range(4)]
    at_once = threading.Barrier(len(requests))

    def publish(request: Any) -> None:
        at_once.wait()
        world.publisher.own.publish(request)

    threads = [threading.Thread(target=publish, args=[request]) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [post["status"] for post in world.posts] == ["publish"] * 4
    for request in requests:
        again = dataclasses.replace(request, unanswered=request.digest)
        assert world.publisher.own.publish(again).refusal is None
    assert len({post["link"] for post in world.posts}) == len(world.posts) == 4


def test_a_connection_that_leads_to_another_site_touches_nothing_there(
    world: World, wordpress: RealWordPress, other_wordpress: RealWordPress
) -> None:
    content, draft = world.article(), world.article(title="Only a draft")
    world.publish(content)
    world.publish(draft, status="draft")
    for number in range(3):
        other_wordpress.add(f"Number {number}", "Theirs.")
    here, there = wordpress.posts, other_wordpress.posts
    edit(world, content, html="<p>More.</p>")
    world.connection.url = other_wordpress.url
    world.sign_in(other_wordpress)
    run = world.publish(content)
    assert f"Its post is at {wordpress.url}" in world.receipt(run).message
    assert (other_wordpress.posts, state(world, content)[0]) == (there, "published")
    world.publish(draft)
    assert len(other_wordpress.posts) == 4
    assert wordpress.posts == here


def test_the_longest_article_is_published_and_found_again(world: World) -> None:
    content = world.article(html=f"<p>{'Sheds are nice. ' * ((TEXT_LIMIT - 100) // 16)}</p>")
    world.publisher.dies = 1
    run = world.settled(world.start(world.rule(), content))
    assert (run.status, run.attempt, world.only_post["status"]) == ("completed", 2, "publish")
