"""Databases for simulated months: a file for each seed, and an emptied PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from app.infrastructure.database import engine_options
from tests import databases
from tests.simulation.simulator import make_schema, make_template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database to copy for each seed."""
    return make_template(tmp_path_factory.mktemp("simulation"))


@pytest.fixture(scope="module")
def shared_postgresql(postgresql_server: str) -> Iterator[Engine]:
    with databases.own_database(postgresql_server) as url:
        engine = create_engine(url, **engine_options(url))
        make_schema(engine)
        yield engine
        engine.dispose()


@pytest.fixture
def postgresql(shared_postgresql: Engine) -> Engine:
    """An empty PostgreSQL database."""
    databases.empty(shared_postgresql)
    with shared_postgresql.begin() as connection:
        connection.execute(text("TRUNCATE moved"))
    return shared_postgresql
