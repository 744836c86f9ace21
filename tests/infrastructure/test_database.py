"""A process that hangs in the middle of a transaction does not block others for ever."""

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from app.infrastructure import database
from tests.databases import own_database


def test_postgresql_releases_the_locks_of_a_hanging_process(
    postgresql_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "STANDSTILL_SECONDS", 1)
    with own_database(postgresql_server) as url:
        engine = create_engine(url, **database.engine_options(url))
        database.prepare(engine)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE held (id INTEGER)"))
            connection.execute(text("INSERT INTO held VALUES (1)"))
        with engine.connect() as standing, engine.begin() as others:
            standing.execute(text("SELECT id FROM held FOR UPDATE"))
            others.execute(text("SET LOCAL lock_timeout = '30s'"))
            assert others.scalar(text("SELECT id FROM held FOR UPDATE")) == 1
            with pytest.raises(DBAPIError):
                standing.execute(text("UPDATE held SET id = 2"))
        engine.dispose()
