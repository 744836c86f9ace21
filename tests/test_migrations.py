"""Migrations build the models: up and down and up again on both databases."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.util import LRUCache

from app import create_app
from app.business.base import Base
from app.infrastructure.database import db, migrate
from app.infrastructure.readiness import is_up_to_date, revisions
from app.infrastructure.schema import unprotect_history
from app.settings import Settings
from tests import databases


@pytest.fixture
def empty_app(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Flask]:
    """An application on a database without tables."""
    with _empty_database(database_url, tmp_path, request) as url:
        secret = "a-key-that-only-the-tests-use-0123456789"
        app = create_app(Settings(database_url=url, secret_key=secret, data_dir=tmp_path), web=False)
        yield app
        with app.app_context():
            db.engine.dispose()


def _empty_database(
    database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> AbstractContextManager[str]:
    if database_url.startswith("sqlite"):
        return nullcontext(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    return databases.own_database(request.getfixturevalue("postgresql_server"))


def test_migrations_build_exactly_the_models(empty_app: Flask) -> None:
    with empty_app.app_context():
        upgrade()
        with db.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, Base.metadata) == []


def test_migrations_go_down_to_nothing_and_up_again(empty_app: Flask) -> None:
    with empty_app.app_context():
        assert not is_up_to_date()
        upgrade(revision=f"{revisions().newest}-1")
        before = _keys_and_indexes()
        upgrade()
        assert is_up_to_date()
        downgrade()
        assert _keys_and_indexes() == before
        downgrade(revision="base")
        assert set(inspect(db.engine).get_table_names()) <= {"alembic_version"}
        assert not is_up_to_date()
        upgrade()
        assert "scheduled_task" in inspect(db.engine).get_table_names()


def _keys_and_indexes() -> dict[str, list[list[tuple[str | None, list[str]]]]]:
    """By table, of each kind by name, with the columns."""
    found = inspect(db.engine)
    kinds = (found.get_foreign_keys, found.get_unique_constraints, found.get_indexes)
    return {
        table: [
            sorted(
                (one["name"], one.get("constrained_columns") or one["column_names"]) for one in kind(table)
            )
            for kind in kinds
        ]
        for table in found.get_table_names()
    }


def test_revisions_are_told_by_their_names(empty_app: Flask) -> None:
    with empty_app.app_context():
        scripts = ScriptDirectory.from_config(migrate.get_config())
        assert [revisions().newest] == scripts.get_heads()
        assert revisions().known == {script.revision for script in scripts.walk_revisions()}


def test_asking_again_keeps_no_more_statements(empty_app: Flask) -> None:
    """Health checks ask every few seconds for as long as a process lives."""
    with empty_app.app_context():
        with db.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        compiled = LRUCache[object, object](100)
        db.engine.update_execution_options(compiled_cache=compiled)
        kept = [(is_up_to_date(), len(compiled)) for _ in range(3)]
    assert set(kept) == {(False, kept[0][1])}
    assert compiled


def test_a_migrated_database_has_statistics_of_every_index(empty_app: Flask) -> None:
    """So that its plans are those of a large installation from the first day on."""
    with empty_app.app_context():
        if db.engine.dialect.name == "postgresql":
            pytest.skip("PostgreSQL takes its own statistics")
        upgrade()
        with db.engine.connect() as connection:
            known = set(connection.scalars(text("SELECT idx FROM sqlite_stat1")))
        assert known >= {index.name for table in Base.metadata.sorted_tables for index in table.indexes}


def test_a_migrated_ledger_refuses_changes(empty_app: Flask) -> None:
    with empty_app.app_context():
        upgrade()
        with db.engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO account (name, status, timezone, is_demo, credits_balance, credits_held, "
                    "operator_credit_limit, created_at, updated_at) VALUES ('A', 'active', 'UTC', false, 5, 0, "
                    "100, '2026-11-24 09:00:00', '2026-11-24 09:00:00')"
                )
            )
            connection.execute(
                text(
                    "INSERT INTO credit_entry (account_id, kind, amount, balance_after, key, reason, created_at) "
                    "VALUES (1, 'grant', 5, 5, 'k', 'r', '2026-11-24 09:00:00')"
                )
            )
        with pytest.raises(DatabaseError, match="append-only"), db.engine.begin() as connection:
            connection.execute(text("DELETE FROM credit_entry"))


def test_tables_without_their_triggers_are_not_up_to_date(empty_app: Flask) -> None:
    with empty_app.app_context():
        upgrade()
        with db.engine.begin() as connection:
            unprotect_history(connection)
        assert not is_up_to_date()
        upgrade()
        assert is_up_to_date()
