"""A process that hangs does not block others for ever; connections that were cut are replaced."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, create_engine, text
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


def cut(engine: Engine) -> None:
    """End the one connection that waits in the pool."""
    with engine.connect() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
    other = create_engine(engine.url)
    with other.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    other.dispose()


@pytest.fixture
def engine(postgresql_server: str) -> Iterator[Engine]:
    with own_database(postgresql_server) as url:
        engine = create_engine(url, **database.engine_options(url))
        database.prepare(engine)
        yield engine
        engine.dispose()


@contextmanager
def trusting(seconds: float) -> Iterator[None]:
    token = database.trusted_seconds.set(seconds)
    yield
    database.trusted_seconds.reset(token)


def answers(engine: Engine) -> bool:
    with engine.connect() as connection:
        return connection.scalar(text("SELECT 1")) == 1


def test_nobody_notices_that_the_connection_was_cut_before_it_is_used(engine: Engine) -> None:
    cut(engine)
    assert answers(engine)
    with trusting(1):
        cut(engine)
        with trusting(0):
            assert answers(engine)


def test_a_process_that_trusts_its_connection_meets_the_cut_once(engine: Engine) -> None:
    with trusting(60):
        cut(engine)
        with pytest.raises(DBAPIError) as met:
            answers(engine)
        assert met.value.connection_invalidated
        assert answers(engine)


def test_only_a_trusted_connection_is_not_asked(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert answers(engine)
    real, asked = engine.dialect.do_ping, list[object]()
    monkeypatch.setattr(engine.dialect, "do_ping", lambda one: [asked.append(one), real(one)][1])
    with trusting(60):
        assert answers(engine)
        assert asked == []
    assert answers(engine)
    assert len(asked) == 1


CHEAP = "SET LOCAL {} = 0"
"""However little there is to read, to the planner it is worth a process of its own."""
COSTS = ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size")


def test_no_query_starts_processes_or_is_compiled(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE many AS SELECT n FROM generate_series(1, 10000) AS n"))
    plain = create_engine(engine.url)
    ours, theirs = (plan_of_sum(asked) for asked in (engine, plain))
    plain.dispose()
    assert ("Gather" in ours, "Gather" in theirs) == (False, True), (ours, theirs)
    with engine.connect() as connection:
        # The server of the tests cannot compile any.
        assert connection.scalar(text("SHOW jit")) == "off"


def plan_of_sum(engine: Engine) -> str:
    with engine.begin() as connection:
        for cost in COSTS:
            connection.execute(text(CHEAP.format(cost)))
        return "\n".join(connection.scalars(text("EXPLAIN SELECT sum(n) FROM many")))
