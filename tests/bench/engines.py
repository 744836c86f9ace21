"""Fresh databases of each kind."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine, create_engine

from app.business.base import Base
from app.infrastructure import query_statistics
from app.infrastructure.database import engine_options, prepare
from app.infrastructure.schema import protect_history
from tests import databases


def engines() -> Iterator[Engine]:
    """A database on SQLite, then one on PostgreSQL."""
    with TemporaryDirectory(prefix="igny8-bench-") as folder, prepared(_file_in(folder)) as engine:
        yield engine
    with (
        TemporaryDirectory(prefix="igny8-postgresql-", ignore_cleanup_errors=True) as folder,
        databases.postgresql_server(Path(folder)) as server,
        databases.own_database(server) as url,
        prepared(url) as engine,
    ):
        yield engine


@contextmanager
def beside(engine: Engine) -> Iterator[Engine]:
    """Another one of the same kind, on the same server."""
    if engine.dialect.name == "sqlite":
        with TemporaryDirectory(prefix="igny8-bench-") as folder, prepared(_file_in(folder)) as other:
            yield other
        return
    server = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with databases.own_database(server) as url, prepared(url) as other:
        yield other


@contextmanager
def prepared(url: str) -> Iterator[Engine]:
    """The engine of a database with the tables of the models."""
    engine = create_engine(url, **engine_options(url))
    prepare(engine)
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        protect_history(connection)
        query_statistics.assume(connection)
    try:
        yield engine
    finally:
        engine.dispose()


def _file_in(folder: str) -> str:
    return f"sqlite:///{folder}/bench.sqlite3"
