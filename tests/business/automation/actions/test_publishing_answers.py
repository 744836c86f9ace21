"""What a WordPress answers in ways that are not obvious: each found with a real one (tests/wordpress)."""

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from app.infrastructure.wordpress import faults
from app.infrastructure.wordpress.publisher import TEXT_LIMIT
from tests.business.automation.actions.publishing_world import World
from tests.infrastructure.wordpress_stand_in import serving


@pytest.fixture
def world(session: Session) -> Iterator[World]:
    with serving() as wordpress:
        world = World(session, wordpress)
        yield world
        assert world.machine.breaches() == []


def failure(world: World, **article: str) -> str:
    run = world.settled(world.start(world.rule(), world.article(**article)))
    assert run.status == "failed"
    return run.error_message


@pytest.mark.parametrize(
    ("how", "sentence"),
    [({"password": "changed"}, faults.NOT_SIGNED_IN), ({"role": "subscriber"}, faults.ROLE_TOO_LOW)],
)
def test_an_invalid_status_of_posts_is_a_matter_of_rights(
    world: World, how: dict[str, str], sentence: str
) -> None:
    for name, value in how.items():
        setattr(world.wordpress, name, value)
    assert sentence in failure(world)
    assert world.posts == []


def test_an_author_who_has_published_nothing_yet_is_found(world: World) -> None:
    world.connection.author = "Ada Lovelace"
    world.publish(world.article())
    assert world.only_post["author"] == 2


def test_a_category_with_an_ampersand_is_found_by_who_may_not_create_it(world: World) -> None:
    world.wordpress.role = "author"
    world.wordpress.terms["categories"][7] = "Tools & <Toys> \"n' more"
    world.connection.categories = ["tools & <toys> \"N' more"]
    world.publish(world.article())
    assert world.only_post["categories"] == [7]


@pytest.mark.parametrize("parent", [0, 7])
def test_an_article_does_not_hide_behind_a_page(world: World, parent: int) -> None:
    world.wordpress.pages = {"garden-sheds": parent}
    content = world.article()
    world.publish(content)
    free = "garden-sheds" if parent else f"garden-sheds-{world.publication(content).marker[:8]}"
    assert world.only_post["slug"] == free


def test_an_answer_above_the_bound_is_a_sentence(world: World) -> None:
    world.wordpress.refusals = [(200, "x" * 1_100_000)]
    assert "The site's answer was too large to be read." in failure(world)


def test_the_longest_article_is_published_and_found_again(world: World) -> None:
    content = world.article(html=f"<p>{'x' * (TEXT_LIMIT - 20)}</p>")
    world.publisher.dies = 1
    run = world.settled(world.start(world.rule(), content))
    assert (run.status, run.attempt, world.only_post["status"]) == ("completed", 2, "publish")


@pytest.mark.parametrize("letters", ["ж" * 200_000, "/" * 600_000])
def test_an_article_whose_answer_could_not_be_read_is_not_sent(world: World, letters: str) -> None:
    assert "too long for WordPress" in failure(world, html=f"<p>{letters}</p>")
    assert world.wordpress.calls == []
