"""Real faults of both databases: each is classified, logged in one line, and known as passing or not."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from app.business.automation.services.triggering import dispatch, planning
from app.business.billing.services import replenishment
from app.business.database_faults import (
    AWAY,
    CROWDED,
    FULL,
    LOCKED,
    RACE,
    READ_ONLY,
    WITHOUT_TABLES,
    DatabaseFault,
    fault_of,
    in_one_line,
    is_passing,
    stops_all,
)
from app.business.events import EventType, Origin, close_batch, open_batch
from app.infrastructure.database import engine_options
from app.infrastructure.readiness import SPILLED
from tests import databases
from tests.business.automation.run_rows import make_rule
from tests.factories import NOW, make_account
from tests.processes import eventually

SECRET = "what-somebody-typed"
INSERT = "INSERT INTO thing (id, name) VALUES (:id, :name)"


@contextmanager
def open_engine(url: str, **options: Any) -> Iterator[Engine]:
    engine = create_engine(url, **engine_options(url) | options)
    try:
        yield engine
    finally:
        engine.dispose()


def error_of(work: Callable[[], Any]) -> SQLAlchemyError:
    with pytest.raises(SQLAlchemyError) as met:
        work()
    return met.value


def write(
    engine: Engine, statement: str = INSERT, *, id: int = 2, name: str = SECRET, before: str = "SELECT 1"
) -> None:
    with engine.begin() as connection:
        connection.execute(text(before))
        connection.execute(text(statement), {"id": id, "name": name})


def must_be(error: SQLAlchemyError, fault: DatabaseFault | None) -> None:
    assert fault_of(error) is fault, in_one_line(error)
    assert is_passing(error) == (fault not in (None, WITHOUT_TABLES))
    assert stops_all(error) == (fault not in (None, RACE, WITHOUT_TABLES))
    line = in_one_line(error)
    assert len(line) <= 300
    assert "\n" not in line
    assert not any(part in line for part in (SECRET, "INSERT INTO", "SELECT "))
    assert SECRET not in str(error)


# SQLite


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(f"sqlite:///{tmp_path / 'small.sqlite3'}", connect_args={"timeout": 0}) as engine:
        write(engine, "CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT UNIQUE)")
        write(engine, id=1, name="one")
        yield engine


def test_sqlite_locked(file: Engine) -> None:
    with file.connect() as holder:
        holder.execute(text(INSERT), {"id": 3, "name": "three"})
        must_be(error_of(lambda: write(file)), LOCKED)


def test_sqlite_full(file: Engine) -> None:
    @event.listens_for(file, "connect")
    def bound(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA max_page_count = 4")

    file.dispose()
    must_be(error_of(lambda: write(file, name=SECRET * 10_000)), FULL)


def test_sqlite_read_only_missing_and_unfit(file: Engine, tmp_path: Path) -> None:
    with open_engine(f"sqlite:///file:{file.url.database}?mode=ro&uri=true") as read_only:
        must_be(error_of(lambda: write(read_only)), READ_ONLY)
    with open_engine(f"sqlite:///{tmp_path / 'no' / 'folder'}") as nowhere:
        must_be(error_of(lambda: write(nowhere)), AWAY)
    must_be(error_of(lambda: write(file, "SELECT missing FROM thing")), WITHOUT_TABLES)
    must_be(error_of(lambda: write(file, id=1)), None)
    (tmp_path / "text").write_text("This is no database. " * 500)
    with open_engine(f"sqlite:///{tmp_path / 'text'}") as unfit:
        must_be(error_of(lambda: write(unfit)), None)


# PostgreSQL


@pytest.fixture(scope="module")
def server(postgresql_server: str) -> Iterator[str]:
    with databases.own_database(postgresql_server) as url:
        with open_engine(url) as engine:
            write(engine, "CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT)")
            write(engine, id=1, name="one")
            write(engine, id=9, name="nine")
        yield url


def test_postgresql_refuses_waits_and_statements(server: str) -> None:
    with open_engine(make_url(server).set(port=1).render_as_string(hide_password=False)) as nobody:
        must_be(error_of(lambda: write(nobody)), AWAY)
    with open_engine(server) as engine:
        must_be(error_of(lambda: write(engine, "SELECT missing FROM thing")), WITHOUT_TABLES)
        must_be(error_of(lambda: write(engine, id=1)), None)
        must_be(error_of(lambda: write(engine, "SELECT 1 / 0")), None)
        must_be(error_of(lambda: write(engine, before="SET TRANSACTION READ ONLY")), READ_ONLY)
        with engine.connect() as holder:
            holder.execute(text("LOCK TABLE thing"))
            must_be(error_of(lambda: write(engine, before="SET LOCAL lock_timeout = 10")), LOCKED)


def test_postgresql_out_of_connections(server: str) -> None:
    with open_engine(server, pool_size=1, max_overflow=0, pool_timeout=0) as small, small.connect():
        error = error_of(lambda: write(small))
        assert isinstance(error, PoolTimeout)
        must_be(error, CROWDED)
    with open_engine(server) as engine:
        write(engine, "CREATE ROLE crowd LOGIN PASSWORD 'crowd' CONNECTION LIMIT 0")
        try:
            url = (
                make_url(server).set(username="crowd", password="crowd").render_as_string(hide_password=False)
            )
            with open_engine(url) as crowd:
                must_be(error_of(lambda: write(crowd)), CROWDED)
        finally:
            write(engine, "DROP ROLE crowd")


def test_postgresql_lost_in_the_middle(server: str) -> None:
    with open_engine(server) as engine, engine.connect() as working:
        pid = working.scalar(text("SELECT pg_backend_pid()"))

        def end() -> None:
            asleep = "SELECT COUNT(*) FROM pg_stat_activity WHERE pid = :id AND wait_event = 'PgSleep'"
            with engine.connect() as other:
                eventually(lambda: other.scalar(text(asleep), {"id": pid}))
                other.execute(text("SELECT pg_terminate_backend(:id)"), {"id": pid})

        ender = threading.Thread(target=end)
        ender.start()
        error = error_of(lambda: working.execute(text("SELECT pg_sleep(60)")))
        ender.join()
        must_be(error, AWAY)


def test_postgresql_deadlock(server: str) -> None:
    errors: list[SQLAlchemyError] = []
    both = threading.Barrier(2)

    def take(engine: Engine, first: int, second: int) -> None:
        try:
            with engine.begin() as connection:
                connection.execute(text("UPDATE thing SET name = 'x' WHERE id = :id"), {"id": first})
                both.wait()
                connection.execute(text("UPDATE thing SET name = 'y' WHERE id = :id"), {"id": second})
        except SQLAlchemyError as error:
            errors.append(error)

    with open_engine(server) as engine:
        threads = [threading.Thread(target=take, args=(engine, *order)) for order in ((1, 9), (9, 1))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(errors) == 1
    must_be(errors[0], RACE)


@contextmanager
def small_disk(owner: int) -> Iterator[Path]:
    """A disk of 24 MB that belongs to the server; skips where nobody may mount one."""
    with TemporaryDirectory(prefix="igny8-disk-", ignore_cleanup_errors=True) as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("A disk of its own takes the right to mount.")
        try:
            os.chown(folder, owner, owner)
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def test_postgresql_full(postgresql_server: str) -> None:
    server = make_url(postgresql_server).set(drivername="postgresql+psycopg")
    address = server.render_as_string(hide_password=False)
    with open_engine(address, isolation_level="AUTOCOMMIT") as admin, admin.connect() as connection:
        owner = Path(str(connection.scalar(text("SHOW data_directory")))).stat().st_uid
        with small_disk(owner) as disk:
            connection.execute(text(f"CREATE TABLESPACE small LOCATION '{disk}'"))
            try:
                connection.execute(text("CREATE DATABASE tight TABLESPACE small"))
                fill_up(server.set(database="tight").render_as_string(hide_password=False))
            finally:
                connection.execute(text("DROP DATABASE IF EXISTS tight WITH (FORCE)"))
                connection.execute(text("DROP TABLESPACE small"))


def fill_up(url: str) -> None:
    with open_engine(url) as engine:
        write(engine, "CREATE TABLE thing (id INTEGER, name TEXT)")
        write(engine, "ALTER TABLE thing ALTER COLUMN name SET STORAGE EXTERNAL")
        must_be(error_of(lambda: [write(engine, name=SECRET * 60_000) for _ in range(100)]), FULL)
        # What the check of readiness asks, without a row of anybody's.
        spilled = error_of(lambda: write(engine, str(SPILLED), before="SET LOCAL work_mem = '64kB'"))
        must_be(spilled, FULL)


# Those who work through many


def locked_error() -> OperationalError:
    class Busy(Exception):
        sqlite_errorname = "SQLITE_BUSY"

    return OperationalError("INSERT", {}, Busy("database is locked"))


class Locking:
    """Transactions of which only the first works; counts how often one was tried."""

    def __init__(self, session: Session) -> None:
        self.session, self.tried = session, 0

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        self.tried += 1
        if self.tried > 1:
            raise locked_error()
        yield self.session
        self.session.commit()


def to_plan(session: Session) -> None:
    account = make_account(session)
    at = {"at": (NOW + timedelta(minutes=5)).isoformat()}
    for _ in range(3):
        rule = make_rule(session, account, trigger="schedule", schedule=at)
        rule.unplanned_from = NOW + timedelta(minutes=5)


def to_grant(session: Session) -> None:
    for _ in range(3):
        make_account(session, credits=0)


def to_dispatch(session: Session) -> None:
    account = make_account(session)
    for _ in range(3):
        batch = open_batch(session, EventType.KEYWORD_ADDED, Origin(account.id), NOW)
        close_batch(session, batch, NOW)


Worker = Callable[[Callable[[], AbstractContextManager[Session]]], Any]
THROUGH_MANY: list[tuple[Callable[[Session], None], Worker]] = [
    (to_plan, lambda transaction: planning.plan(transaction, NOW)),
    (to_grant, lambda transaction: replenishment.replenish_monthly_credits(transaction, NOW)),
    (to_dispatch, lambda transaction: dispatch.dispatch_batches(transaction, NOW)),
]


@pytest.mark.parametrize(("prepare", "work"), THROUGH_MANY, ids=["planning", "credits", "events"])
def test_a_fault_that_stops_all_is_met_once(
    session: Session, prepare: Callable[[Session], None], work: Worker
) -> None:
    prepare(session)
    session.commit()
    locking = Locking(session)
    with pytest.raises(DBAPIError):
        work(locking.transaction)
    assert locking.tried == 2
