"""The test of a connection against a real WordPress."""

import dataclasses

import pytest

from app.business.outlets.services import wordpress_connections
from app.infrastructure.outbound.policy import OutboundPolicy
from app.infrastructure.secret_box import SecretBox
from app.infrastructure.wordpress import faults
from app.infrastructure.wordpress.probe import SiteProbe, probe
from tests.business.automation.actions.publishing_world import World
from tests.wordpress.real_site import RealWordPress


def result_of(world: World, **values: str) -> SiteProbe:
    box = SecretBox.of(world.settings)
    connection = dataclasses.replace(wordpress_connections.as_data(world.connection), **values)
    return probe(connection, box, OutboundPolicy.of(world.settings))


@pytest.mark.parametrize("role", ["editor", "author", "administrator"])
def test_a_connection_that_works_names_the_site(world: World, wordpress: RealWordPress, role: str) -> None:
    wordpress.role = role
    world.sign_in(wordpress)
    found = result_of(world)
    assert (found.ok, found.name) == (True, "The Garden"), found.message
    assert found.message == f"WordPress answers, and {role.capitalize()} may publish there.".replace(
        "Administrator", "administrator"
    )
    assert (found.version or "").startswith("6.")


@pytest.mark.parametrize(
    ("role", "password", "sentence"),
    [
        ("editor", "wrong", faults.NOT_SIGNED_IN), ("nobody", "wrong", faults.NOT_SIGNED_IN),
        ("subscriber", None, faults.ROLE_TOO_LOW), ("contributor", None, "may write drafts, but not publish"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(
    world: World, wordpress: RealWordPress, role: str, password: str | None, sentence: str
) -> None:
    wordpress.role = role
    world.sign_in(wordpress, password)
    found = result_of(world)
    assert (found.ok, sentence in found.message) == (False, True), found.message


def test_only_editors_write_in_the_name_of_others(world: World, wordpress: RealWordPress) -> None:
    wordpress.role = "author"
    world.sign_in(wordpress)
    assert "another author's name" in result_of(world, author="Editor").message


def test_an_address_below_the_site_is_none_of_a_wordpress(world: World, wordpress: RealWordPress) -> None:
    assert not result_of(world, url=f"{wordpress.url}/nothing-here").ok
