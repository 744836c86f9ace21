"""Child processes that work, and die, on the tests' own database and queue server."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy.orm import Session

from tests.faults.crashes.trials import Trials, trials_on


@pytest.fixture(scope="session")
def trials(
    shared_app: Flask, database_url: str, valkey_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Trials]:
    """Children for this database; needs the tables of `shared_app`."""
    with trials_on(database_url, valkey_server, tmp_path_factory.mktemp("trials")) as trials:
        yield trials


@pytest.fixture
def world(session: Session, valkey: Redis) -> Session:
    """An empty database and an empty queue server."""
    return session


@pytest.fixture
def today() -> datetime:
    """The children's clocks are real ones."""
    return datetime.now(UTC)
