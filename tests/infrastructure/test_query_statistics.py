"""SQLite chooses its indexes by what it knows of the large tables; connections opened later choose by it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, insert, text

from app.business.automation.run_models import ScheduledTask
from app.business.base import Base
from app.business.planner.models import Keyword
from app.business.updates import table_of
from app.infrastructure import database, query_statistics
from tests.factories import NOW, make_account, make_sector, make_site


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/known.sqlite3"
    made = create_engine(url, **database.engine_options(url))
    database.prepare(made)
    with made.begin() as connection:
        Base.metadata.create_all(connection)
        query_statistics.assume(connection)
    yield made
    made.dispose()


def test_small_tables_are_planned_for_as_large_ones_and_large_ones_as_they_are(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assumed = statistics_of(engine)
    add_keywords(engine, 60)
    query_statistics.keep(engine)
    assert statistics_of(engine) == assumed
    monkeypatch.setattr(query_statistics, "FEW", 50)
    query_statistics.keep(engine)
    changed = {index for index, figures in statistics_of(engine).items() if figures != assumed[index]}
    assert {rows for index, (rows, *_) in statistics_of(engine).items() if index in changed} == {60}
    assert {index for index in assumed if "_keyword_" in index} >= changed


def test_every_index_has_statistics_on_the_first_day(engine: Engine) -> None:
    with engine.connect() as connection:
        named = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name IN ({})"
        tables = ", ".join(f"'{table}'" for table in Base.metadata.tables)
        assert statistics_of(engine).keys() == set(connection.scalars(text(named.format(tables))))


def test_each_index_on_a_part_of_its_table_says_how_many_rows_it_has() -> None:
    """Else SQLite expects the whole table in it, and does not take it where it is best. Few rows are archived."""
    parts = {
        index.name
        for table in Base.metadata.sorted_tables
        for index in table.indexes
        if (where := index.dialect_options["sqlite"]["where"]) is not None
        and str(where) not in ("archived_at IS NULL", f"{table.name}.archived_at IS NULL")
    }
    assert parts == query_statistics.PARTS.keys()


def test_a_connection_opened_later_chooses_by_them(engine: Engine) -> None:
    """Without statistics SQLite takes the younger one of two indexes, for it has all columns, and reads all runs."""
    query = "SELECT cause FROM scheduled_task WHERE account_id = 1 AND status IN ('failed', 'skipped', 'completed') "
    query += "AND scheduled_at >= '2026-11-01' AND scheduled_at < '2026-11-02'"
    indexes = {index.name: index for index in table_of(ScheduledTask).indexes}
    with engine.begin() as connection:
        for index in indexes.values():
            index.drop(connection)
        for name in ("ix_scheduled_task_status", "ix_scheduled_task_cause"):
            indexes[name].create(connection)
        query_statistics.assume(connection)
    assert "scheduled_at>?" in plan_of_later(engine, query)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM sqlite_stat1"))
    assert "scheduled_at>?" not in plan_of_later(engine, query)


def add_keywords(engine: Engine, count: int) -> None:
    with database.Session(engine) as session:
        sector = make_sector(session, make_site(session, make_account(session)))
        place = {"account_id": sector.account_id, "site_id": sector.site_id, "sector_id": sector.id}
        stamps = {"created_at": NOW, "updated_at": NOW, "status_since": NOW, "status": "new"}
        session.execute(insert(Keyword), [place | stamps | {"text": f"lamp {n}"} for n in range(count)])
        session.commit()


def statistics_of(engine: Engine) -> dict[str, tuple[int, ...]]:
    """Each index: its rows, and how many are alike in its first, its first two, ... columns."""
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT idx, stat FROM sqlite_stat1")).all()
    return {index: tuple(map(int, figures.split())) for index, figures in rows}


def plan_of_later(engine: Engine, query: str) -> str:
    engine.dispose()
    with engine.connect() as connection:
        return " ".join(row[3] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {query}")))


def test_connections_are_opened_anew_as_often_as_statistics_are_taken() -> None:
    options = database.engine_options("sqlite:///any.sqlite3")
    assert timedelta(seconds=options["pool_recycle"]) <= timedelta(hours=1)
