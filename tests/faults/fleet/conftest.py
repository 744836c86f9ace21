"""Shared by the trials: a separate database for each trial, and the figures they print."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import databases
from tests.faults.fleet.chaos_trial import Site
from tests.sampling import FULL

BOTH = ["sqlite", "postgresql"]


def _own_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{folder / 'trial.sqlite3'}"
        return
    with databases.own_database(request.getfixturevalue("postgresql_server")) as url:
        yield url


@pytest.fixture(params=BOTH)
def site(
    request: pytest.FixtureRequest, fork_server: "subprocess.Popen[str]", tmp_path: Path
) -> Iterator[Site]:
    """Where a trial takes place, on each database."""
    for url in _own_database(request, tmp_path):
        yield Site(fork_server, url, tmp_path)


@pytest.fixture(params=BOTH if FULL else BOTH[:1])
def control_site(
    request: pytest.FixtureRequest, fork_server: "subprocess.Popen[str]", tmp_path: Path
) -> Iterator[Site]:
    """For broken builds and lateness: everyday tests have time for one database."""
    for url in _own_database(request, tmp_path):
        yield Site(fork_server, url, tmp_path)


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Prints a line at the end of the session."""
    params = request.node.callspec.params
    database = params.get("site") or params.get("control_site")
    return lambda text: request.node.user_properties.append(("figure", f"{database}: {text}"))
