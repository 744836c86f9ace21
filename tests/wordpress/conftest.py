"""Two real WordPress sites for all tests of this folder; without WORDPRESS=real they are skipped.

Not part of `make test`: a machine for that needs no PHP and no MariaDB (half a minute of installation, 200 MB), and
what depends on WordPress is tested there against a stand-in. These tests show that the stand-in answers as WordPress
does: run `make test-wordpress` after each change of app/infrastructure/wordpress or of the stand-in.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from tests.business.automation.actions.publishing_world import World
from tests.wordpress.real_site import RealWordPress, missing, running


@pytest.fixture(scope="session")
def sites() -> Iterator[list[RealWordPress]]:
    if os.environ.get("WORDPRESS") != "real":
        pytest.skip("needs a real WordPress: make test-wordpress")
    assert not missing(), f"Not on this machine: {missing()}"
    # A socket's path may not be long.
    with (
        tempfile.TemporaryDirectory(prefix="wordpress-", dir="/tmp") as folder,
        running(Path(folder), 2) as sites,
    ):
        yield sites


@pytest.fixture
def wordpress(sites: list[RealWordPress]) -> Iterator[RealWordPress]:
    for site in sites:
        site.role = "editor"
        site.clear()
    return sites[0]


@pytest.fixture
def other_wordpress(wordpress: RealWordPress, sites: list[RealWordPress]) -> RealWordPress:
    return sites[1]


@pytest.fixture
def world(wordpress: RealWordPress, session: Session) -> Iterator[World]:
    world = World(session, wordpress)
    yield world
    assert world.machine.breaches() == []
