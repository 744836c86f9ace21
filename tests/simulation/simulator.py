"""Simulates one seed and reports what broke: the seed, the invariant, and the trail that led there."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from app.business.base import Base
from app.infrastructure import run_log
from app.infrastructure.database import engine_options, prepare
from app.infrastructure.schema import protect_history
from tests.simulation.invariants import Watcher, broken_at_the_end, watch, wrong_lines
from tests.simulation.world import Broken, World

DAYS, QUIET_DAYS = 30, 2


def failure_of(engine: Engine, seed: int, days: int = DAYS) -> str | None:
    """Simulate one seed on an empty database; None when everything held."""
    world = World(engine, seed)
    run_log.listen(world.sessions)
    with capture_logs() as lines:
        try:
            broken = _live(world, engine, days)
        except (Exception, Broken) as error:
            broken = [f"{type(error).__name__}: {error}"]
    with Session(engine) as session:
        broken += wrong_lines(session, lines)
    if not broken:
        return None
    return "\n".join([f"SEED={seed}, after {world.elapsed}:", *broken, "The last acts:", *world.trail])


def _live(world: World, engine: Engine, days: int) -> list[str]:
    watcher = Watcher()
    for course in (world.days(days), world.quiet_days(QUIET_DAYS)):
        for _ in course:
            with Session(engine) as session:
                if broken := watcher.broken_now(session):
                    return broken
    with Session(engine) as session:
        return broken_at_the_end(session, world.now, set(world.provider.answers), world.retries)


def make_schema(engine: Engine) -> None:
    """The product's tables and triggers, and the simulation's own watch on the runs."""
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        protect_history(connection)
    watch(engine)


def make_template(folder: Path) -> Path:
    """An empty database with everything in it that a seed needs."""
    path = folder / "template.sqlite3"
    with on_file(path) as engine:
        make_schema(engine)
    return path


def on_sqlite(template: Path, seed: int) -> str | None:
    """Simulate one seed on a copy of the empty database."""
    with a_copy(template) as engine:
        return failure_of(engine, seed)


@contextmanager
def a_copy(template: Path) -> Iterator[Engine]:
    with TemporaryDirectory(dir=template.parent) as folder:
        path = Path(shutil.copy(template, folder))
        with on_file(path) as engine:
            yield engine


@contextmanager
def on_file(path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{path}"
    engine = create_engine(url, **engine_options(url))
    prepare(engine)
    try:
        yield engine
    finally:
        engine.dispose()
