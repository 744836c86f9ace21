"""SQLite chooses its indexes by what it knows of the large tables; connections opened later choose by it."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert, text

from app.business.base import Base
from app.business.planner.models import Keyword
from app.infrastructure import database, query_statistics
from tests.factories import NOW, make_account, make_sector, make_site


def test_large_tables_are_known_and_small_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_statistics, "FEW", 50)
    url = f"sqlite:///{tmp_path}/known.sqlite3"
    engine = create_engine(url, **database.engine_options(url))
    database.prepare(engine)
    with database.Session(engine) as session:
        Base.metadata.create_all(session.connection())
        sector = make_sector(session, make_site(session, make_account(session)))
        place = {"account_id": sector.account_id, "site_id": sector.site_id, "sector_id": sector.id}
        stamps = {"created_at": NOW, "updated_at": NOW, "status_since": NOW, "status": "new"}
        session.execute(insert(Keyword), [place | stamps | {"text": f"lamp {n}"} for n in range(60)])
        session.commit()
    query_statistics.keep(engine)
    with engine.connect() as connection:
        assert set(connection.scalars(text("SELECT DISTINCT tbl FROM sqlite_stat1"))) == {"keyword"}
    engine.dispose()


def test_connections_are_opened_anew_as_often_as_statistics_are_taken() -> None:
    options = database.engine_options("sqlite:///any.sqlite3")
    assert timedelta(seconds=options["pool_recycle"]) <= timedelta(hours=1)
