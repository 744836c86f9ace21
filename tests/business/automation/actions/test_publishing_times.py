"""An article that becomes public later, and its featured image: in WordPress, read back, counted on its day."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from app.business.automation.run_models import Status
from app.business.automation.services.history.publishing_state import publishing_state
from app.business.errors import Invalid
from app.business.writer.models import Content
from tests.business.automation.actions.publishing_world import World
from tests.infrastructure.wordpress_stand_in import WordPress, serving

IMAGE = ("image/png", b"\x89PNG")


@pytest.fixture
def wordpress() -> Iterator[WordPress]:
    with serving() as wordpress:
        yield wordpress


@pytest.fixture
def world(session: Session, wordpress: WordPress) -> Iterator[World]:
    world = World(session, wordpress)
    wordpress.now = world.machine.clock
    yield world
    assert world.machine.breaches() == []


def later(world: World, **delta: float) -> datetime:
    return world.machine.now + timedelta(**delta)


def status_of(world: World, content: Content) -> tuple[str, str]:
    world.session.refresh(content)
    return content.status, world.publication(content).post_status


def test_a_scheduled_article_is_published_when_the_site_says_so(world: World) -> None:
    content, at = world.article(), later(world, days=3)
    run = world.publish(content, publish_at=at)
    assert (run.status, world.only_post["status"]) == (Status.COMPLETED, "future")
    assert world.only_post["date_gmt"] == f"{at:%Y-%m-%dT%H:%M:%S}"
    assert "Scheduled in WordPress for" in world.receipt(run).message
    assert status_of(world, content) == ("approved", "future")
    assert publishing_state(world.session, content).scheduled_for == at
    world.machine.pass_time(days=2, hours=23)
    world.machine.settle()
    assert status_of(world, content) == ("approved", "future")
    world.machine.pass_time(hours=1, minutes=2)
    world.machine.settle()
    assert status_of(world, content) == ("published", "publish")
    assert (content.published_url, len(world.posts)) == (f"{world.wordpress.url}/garden-sheds/", 1)
    assert publishing_state(world.session, content).scheduled_for is None


def test_rules_leave_a_scheduled_article_alone_and_an_update_keeps_its_time(world: World) -> None:
    content, at = world.article(), later(world, days=3)
    world.publish(content, publish_at=at)
    left = world.settled(world.start(world.rule(status="publish"), content))
    assert "scheduled in WordPress already" in world.receipt(left).message
    world.publish(content)
    assert (world.only_post["status"], world.publication(content).scheduled_for) == ("future", at)
    world.publish(content, status="publish")
    assert status_of(world, content) == ("published", "publish")
    world.machine.pass_time(days=4)
    world.machine.settle()
    assert status_of(world, content) == ("published", "publish")


def test_a_time_that_somebody_moves_in_wordpress_is_followed(world: World) -> None:
    content = world.article()
    world.publish(content, publish_at=later(world, days=1))
    moved = later(world, days=5)
    world.only_post["date_gmt"] = f"{moved:%Y-%m-%dT%H:%M:%S}"
    world.machine.pass_time(days=1, minutes=2)
    world.machine.settle()
    assert status_of(world, content) == ("approved", "future")
    assert world.publication(content).scheduled_for == moved
    world.machine.pass_time(days=4)
    world.machine.settle()
    assert status_of(world, content) == ("published", "publish")


def test_a_site_that_does_not_publish_at_the_time_is_named(world: World) -> None:
    world.wordpress.has_cron = False
    content = world.article()
    world.publish(content, publish_at=later(world, days=1))
    world.machine.pass_time(days=1, minutes=2)
    for _ in range(8):
        world.machine.settle()
        world.machine.pass_time(hours=1)
    failed = [run for run in world.machine.runs() if run.status == Status.FAILED]
    assert [run.auto_retries for run in failed] == [3]
    assert "its own schedule (WP-Cron) is switched off" in failed[0].error_message
    assert status_of(world, content) == ("approved", "future")


def test_a_scheduled_post_that_somebody_trashes_is_said(world: World) -> None:
    content = world.article()
    world.publish(content, publish_at=later(world, days=1))
    world.wordpress.trash(next(iter(world.wordpress.posts)))
    world.machine.pass_time(days=1, minutes=2)
    world.machine.settle()
    assert status_of(world, content) == ("approved", "trash")


def test_a_scheduled_article_counts_on_its_own_day(world: World) -> None:
    world.connection.max_per_day = 1
    tomorrow = later(world, days=1)
    first, second = world.article(), world.article(title="Second")
    assert world.publish(first, publish_at=tomorrow).status == Status.COMPLETED
    assert world.publish(world.article(title="Today")).status == Status.COMPLETED
    full = world.publish(second, publish_at=tomorrow)
    assert full.status == Status.FAILED
    assert "has its 1 article a day on" in full.error_message
    assert world.publish(second, publish_at=later(world, days=2)).status == Status.COMPLETED


def test_a_rule_schedules_and_names_the_image_by_the_article(world: World) -> None:
    content = world.article()
    world.wordpress.images = {f"/img/{content.id}.png": IMAGE}
    rule = world.rule(
        status="publish", publish_in_days=2, featured_image=f"{world.wordpress.url}/img/{{id}}.png"
    )
    run = world.settled(world.start(rule, content))
    assert (run.status, world.only_post["status"]) == (Status.COMPLETED, "future")
    assert world.publication(content).scheduled_for == later(world, days=2)
    assert world.only_post["featured_media"] in world.wordpress.media


@pytest.mark.parametrize("forgets", [0, 1, 2])
def test_an_image_is_sent_once_whatever_gets_lost(world: World, forgets: int) -> None:
    content = world.article()
    world.wordpress.images, world.wordpress.forgets = {"/a.png": IMAGE}, forgets
    address = f"{world.wordpress.url}/a.png"
    run = world.publish(content, featured_image=address)
    assert run.status == Status.COMPLETED
    world.publish(content, featured_image=address)
    [(media_id, (name, media_type))] = world.wordpress.media.items()
    assert (world.only_post["featured_media"], media_type) == (media_id, "image/png")
    assert name.startswith("igny8-")
    world.publish(content)
    assert world.only_post["featured_media"] == media_id


@pytest.mark.parametrize(
    ("path", "image", "said"),
    [
        ("/none.png", None, "At the address of the featured image is no image"),
        ("/text.png", ("text/html", b"<p>"), "At the address of the featured image is no image"),
        ("/large.png", ("image/png", b"x" * 1_100_000), "larger than 1 MB"),
    ],
)
def test_an_image_that_cannot_be_had_is_said_and_nothing_is_posted(
    world: World, path: str, image: tuple[str, bytes] | None, said: str
) -> None:
    world.wordpress.images = {path: image} if image else {}
    run = world.publish(world.article(), featured_image=f"{world.wordpress.url}{path}")
    assert run.status == Status.FAILED
    assert said in run.error_message
    assert world.wordpress.posts == {}


def test_an_image_inside_the_network_is_not_fetched(world: World) -> None:
    inside = f"{world.wordpress.url.replace('127.0.0.1', '127.0.0.2')}/a.png"
    run = world.publish(world.article(), featured_image=inside)
    assert "The featured image: " in run.error_message
    assert world.wordpress.posts == {}


def test_what_cannot_be_asked_for_is_refused_by_field(world: World) -> None:
    content = world.article()
    for how, field in (
        ({"publish_at": later(world, seconds=-1)}, "publish_at"),
        ({"publish_at": later(world, days=400)}, "publish_at"),
        ({"publish_at": later(world, days=1), "status": "draft"}, "publish_at"),
        ({"featured_image": "image.png"}, "featured_image"),
    ):
        with pytest.raises(Invalid) as refused:
            world.publish(content, **how)
        assert list(refused.value.errors) == [field]
