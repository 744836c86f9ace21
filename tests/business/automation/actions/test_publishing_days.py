"""Never more than so many articles a day for a site: the others wait for its next day, in their order."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.planner.models import Site
from app.business.writer.models import Content
from app.business.writer.publication_models import PublishingDay
from tests.business.automation.actions.publishing_world import World
from tests.factories import make_sector, make_site
from tests.infrastructure.wordpress_stand_in import WordPress, serving


@pytest.fixture
def wordpress() -> Iterator[WordPress]:
    with serving() as wordpress:
        yield wordpress


@pytest.fixture
def world(session: Session, wordpress: WordPress) -> Iterator[World]:
    """At most two a day; in Auckland it is the evening of the 24th."""
    world = World(session, wordpress)
    world.connection.max_per_day = 2
    session.get_one(Site, world.sector.site_id).timezone = "Pacific/Auckland"
    session.commit()
    yield world
    assert world.machine.breaches() == []


def published(world: World) -> list[str]:
    world.session.expire_all()
    query = select(Content.title).where(Content.status == "published").order_by(Content.id)
    return list(world.session.scalars(query))


def used(world: World) -> list[int]:
    return list(world.session.scalars(select(PublishingDay.used).order_by(PublishingDay.local_day)))


@pytest.mark.both_databases
def test_what_is_beyond_the_day_waits_for_the_next_in_order(world: World) -> None:
    articles = [world.article(title=f"Number {number}") for number in range(1, 6)]
    run = world.start(world.rule(), *articles)
    world.machine.settle()
    world.session.refresh(run)
    assert (run.status, run.not_before) == ("pending", datetime(2026, 11, 24, 11, tzinfo=UTC))
    assert run.error_message.startswith("3 more wait: at most 2 articles are published on Site")
    assert (published(world), len(world.posts)) == (["Number 1", "Number 2"], 2)
    world.machine.pass_time(hours=1)
    world.machine.settle()
    assert len(world.posts) == 2, "it is still the same day there"
    world.machine.pass_time(hours=2)
    world.machine.settle()
    assert published(world) == [f"Number {number}" for number in range(1, 5)]
    world.machine.pass_time(days=1)
    world.machine.settle()
    world.session.refresh(run)
    assert (run.status, run.result["summary"]) == ("completed", "5 content items sent to WordPress.")
    assert (len(published(world)), used(world)) == (5, [2, 2, 1])


def test_another_site_of_the_same_run_does_not_wait(world: World) -> None:
    world.connection.max_per_day = 1
    other = World.__new__(World)
    vars(other).update(vars(world))
    other.sector = make_sector(world.session, make_site(world.session, world.account))
    other.connect(world.wordpress)
    articles = [world.article(title=f"Here {number}") for number in range(3)]
    articles += [other.article(title=f"There {number}") for number in range(3)]
    world.start(world.rule(), *articles)
    world.machine.settle()
    assert published(world) == ["Here 0", "There 0", "There 1", "There 2"]


def test_drafts_updates_and_refusals_take_no_place(world: World) -> None:
    world.connection.max_per_day = 1
    first, second = world.article(title="First"), world.article(title="Second")
    world.publish(second, status="draft")
    world.wordpress.refusals = [(401, {"code": "incorrect_password"})]
    assert world.publish(second, status="publish").status == "failed"
    assert used(world) == [0]
    world.publish(first)
    world.publish(first)
    assert (published(world), used(world)) == (["First"], [1])
    run = world.settled(world.start(world.rule(), second))
    assert (run.status, "1 more waits" in run.error_message) == ("pending", True)


def test_an_article_whose_answer_was_lost_counts_once(world: World) -> None:
    world.connection.max_per_day = 1
    first, second = world.article(title="First"), world.article(title="Second")
    world.wordpress.forgets = 1
    run = world.start(world.rule(), first, second)
    world.machine.settle()
    assert len(world.posts) == 1
    world.machine.pass_time(seconds=30)
    world.machine.settle()
    world.session.refresh(run)
    assert (run.status, published(world), used(world)) == ("pending", ["First"], [1])
