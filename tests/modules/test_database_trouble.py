"""A database that is locked, full, read-only or down: what people and programs read, and what is logged."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select, text
from sqlalchemy.orm import Session
from structlog.testing import LogCapture

from app.business.planner.models import Site
from app.infrastructure import database
from app.infrastructure.database import db
from app.infrastructure.logs import keep_cause_only
from app.infrastructure.messaging import automation_tasks, queues
from app.infrastructure.messaging.worker import ClockWorker
from tests.people import browser_of, make_people, program_of
from tests.processes import eventually

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}
Trouble = Callable[[Engine], AbstractContextManager[None]]


@contextmanager
def locked(engine: Engine) -> Iterator[None]:
    other = sqlite3.connect(str(engine.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


@contextmanager
def with_pragma(engine: Engine, pragma: str) -> Iterator[None]:
    def apply(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA {pragma}")

    engine.dispose()
    event.listen(engine, "connect", apply)
    try:
        yield
    finally:
        event.remove(engine, "connect", apply)
        engine.dispose()


@contextmanager
def full(engine: Engine) -> Iterator[None]:
    """No free page is left, neither in the file nor by growing it."""
    engine.dispose()
    with sqlite3.connect(str(engine.url.database)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        other.execute("VACUUM")
        pages = other.execute("PRAGMA page_count").fetchone()[0]
    other.close()
    with with_pragma(engine, f"max_page_count={pages}"):
        yield


@contextmanager
def read_only(engine: Engine) -> Iterator[None]:
    if engine.dialect.name == "sqlite":
        with with_pragma(engine, "query_only=ON"):
            yield
        return
    with altered(engine, "SET default_transaction_read_only = on", "RESET default_transaction_read_only"):
        yield


@contextmanager
def away(engine: Engine) -> Iterator[None]:
    with altered(engine, "ALLOW_CONNECTIONS false", "ALLOW_CONNECTIONS true"):
        yield


@contextmanager
def altered(engine: Engine, change: str, back: str) -> Iterator[None]:
    """Changes a property of the PostgreSQL database and disconnects all clients."""
    name = engine.url.database
    server = make_url(engine.url).set(database="postgres")
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    engine.dispose()
    with admin.connect() as connection:
        try:
            connection.execute(text(f'ALTER DATABASE "{name}" {change}'))
            db.session.rollback()
            throw_out(connection, name)
            yield
        finally:
            connection.execute(text(f'ALTER DATABASE "{name}" {back}'))
            db.session.rollback()
            throw_out(connection, name)
            engine.dispose()
    admin.dispose()
    admin.dispose()


def throw_out(connection: Connection, name: str | None) -> None:
    """Disconnect all clients of the database, and wait until they are gone."""
    there = "FROM pg_stat_activity WHERE datname = :name"
    connection.execute(text(f"SELECT pg_terminate_backend(pid) {there}"), {"name": name})
    eventually(lambda: connection.scalar(text(f"SELECT COUNT(*) = 0 {there}"), {"name": name}))


ON_SQLITE: dict[str, tuple[Trouble, str, str]] = {
    "locked": (locked, "The database is busy", "10"),
    "full": (full, "Whoever runs this machine must free space", "60"),
    "read-only": (read_only, "can be read but not written", "60"),
}
ON_POSTGRESQL: dict[str, tuple[Trouble, str, str]] = {
    "not answering": (away, "The database does not answer", "10"),
    "read-only": (read_only, "can be read but not written", "60"),
}
CASES = [("sqlite", state) for state in ON_SQLITE] + [("postgresql", state) for state in ON_POSTGRESQL]


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """The structured log, as processes write it."""
    capture = LogCapture()
    structlog.configure(processors=[keep_cause_only, structlog.processors.format_exc_info, capture])
    yield capture.entries
    structlog.reset_defaults()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, app: Flask) -> None:
    """Short lock timeouts."""
    monkeypatch.setattr(database, "LOCK_WAIT_SECONDS", 0.02)
    monkeypatch.setattr(database, "HARDLY_SECONDS", 0.01)
    with app.app_context():
        db.engine.dispose()


@pytest.fixture(params=CASES, ids=lambda case: "-".join(case))
def case(request: pytest.FixtureRequest, app: Flask, impatient: None) -> tuple[Trouble, str, str, str]:
    dialect, state = request.param
    with app.app_context():
        if db.engine.dialect.name != dialect:
            pytest.skip("a fault of the other database")
    return (*(ON_SQLITE if dialect == "sqlite" else ON_POSTGRESQL)[state], state)


def site(name: str, number: int) -> dict[str, str]:
    """A site with long texts: a full database has room left in a page or two."""
    return {
        "name": f"{name} {number}",
        "url": f"https://example.com/{'long' * 400}",
        "language": "en",
        "status": "active",
    }


def sites(session: Session) -> int:
    session.rollback()
    count = session.scalar(select(func.count()).select_from(Site)) or 0
    session.rollback()
    return count


def refused(send: Callable[[int], Any]) -> Any:
    """The first response that is a refusal."""
    for number in range(200):
        answer = send(number)
        if answer.status_code >= 400:
            return answer
        assert answer.status_code < 300 or answer.status_code == 303
    raise AssertionError("nothing was refused")


def test_pages_and_programs_are_told_what_to_do(
    app: Flask, session: Session, case: tuple[Trouble, str, str, str], caplog: pytest.LogCaptureFixture
) -> None:
    trouble, sentence, seconds, state = case
    people = make_people(session)
    owner, program = browser_of(app, session, people.owner), program_of(app, session, people.owner)
    writes: list[Callable[[int], Any]] = [
        lambda number: owner.post("/sites/new", data=site("Typed", number)),
        lambda number: owner.post("/sites/new", data=site("Part", number), headers=PARTIAL),
        lambda number: program.post("/api/planner/sites/", json=site("Sent", number)),
    ]
    before = sites(session)
    for send in writes:
        caplog.clear()
        with trouble(db.engine):
            answer = refused(send)
            readable = program.get("/api/planner/sites/").status_code
        assert answer.status_code == 503, [
            line for line in answer.text.splitlines() if "error" in line.lower() or "<h1" in line
        ]
        assert answer.headers["Retry-After"] == seconds
        assert sentence in answer.text
        assert "Nothing was saved." in answer.text
        said = [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
        assert any(record.getMessage().startswith(f"database {state}: POST /") for record in said)
        assert all(record.exc_info is None and "\n" not in record.getMessage() for record in said)
        assert "Typed" not in caplog.text
        assert readable == (503 if state == "not answering" else 200)
    assert sites(session) >= before


def test_reading_goes_on_while_nothing_can_be_written(
    app: Flask, session: Session, case: tuple[Trouble, str, str, str]
) -> None:
    trouble, sentence, _, state = case
    viewer = browser_of(app, session, make_people(session).viewer)
    session.execute(text("UPDATE user_session SET seen_at = '2026-01-01 00:00:00+00:00'"))
    session.rollback()
    with trouble(db.engine):
        answer = viewer.get("/keywords")
        assert app.test_client().get("/healthz").status_code == 200
    assert answer.status_code == (503 if state == "not answering" else 200)
    assert (sentence in answer.text) == (answer.status_code == 503)


def test_readyz_names_the_part_that_is_ill(
    client: FlaskClient,
    session: Session,
    case: tuple[Trouble, str, str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trouble, _, _, state = case
    if state == "full":
        monkeypatch.setattr("app.infrastructure.readiness._write_beside", disk_full)
    with trouble(db.engine):
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json
    checks = answer.json["checks"]
    assert (checks["database"], checks["queue"]) == (state, "ok")
    assert checks["migrations"] == checks["sweep"] == "waits for the database"


@contextmanager
def table_locked(engine: Engine, table: str) -> Iterator[None]:
    """On SQLite the lock of one table is that of the whole file."""
    if engine.dialect.name == "sqlite":
        with locked(engine):
            yield
        return
    other = create_engine(engine.url)
    with other.connect() as connection:
        connection.execute(text(f"LOCK TABLE {table}"))
        yield
    other.dispose()


@pytest.mark.both_databases
@pytest.mark.parametrize("table", ["scheduled_task", "keyword"])
def test_readyz_names_a_database_with_a_locked_table(
    client: FlaskClient, session: Session, impatient: None, table: str
) -> None:
    with table_locked(db.engine, table):
        refused = client.get("/readyz")
    assert refused.status_code == 503
    assert (refused.json or {})["checks"]["database"] == "locked"
    assert (refused.json or {})["checks"]["sweep"] == "waits for the database"
    assert (client.get("/readyz").json or {})["checks"]["database"] == "ok"


def disk_full(_path: str) -> None:
    raise OSError(28, "No space left on device")


def test_a_queue_server_that_is_down_is_all_that_readyz_names(
    client: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.modules.system.views.connect", lambda _settings: Redis(host="127.0.0.1", port=1))
    checks = (client.get("/readyz").json or {})["checks"]
    assert (checks["database"], checks["queue"]) == ("ok", "not answering")
    assert {checks[name] for name in ("scheduler", "sweep", "workers")} == {"waits for the queue server"}


def look_of_a_worker(valkey: Redis) -> None:
    job = queues.drain_job(valkey, queues.EVENTS_QUEUE, "look")
    ClockWorker([queues.EVENTS_QUEUE], valkey).perform_logged(job)


def planning_job(valkey: Redis) -> None:
    job = queues.AllowedJob.create(
        queues.EXECUTE_RULES, connection=valkey, origin=queues.CLOCK_QUEUE, id="plan"
    )
    ClockWorker([queues.CLOCK_QUEUE], valkey).perform_logged(job)


PLACES: dict[str, Callable[[Redis], None]] = {
    "sweep": lambda _valkey: automation_tasks.sweep(),
    "look of a worker": look_of_a_worker,
    "planning job": planning_job,
}


@pytest.mark.parametrize("place", PLACES)
def test_processes_leave_one_line_with_the_cause(
    session: Session, valkey: Redis, case: tuple[Trouble, str, str, str], lines: list[Any], place: str
) -> None:
    trouble, _, _, state = case
    if state == "full" or (state == "read-only" and place != "sweep"):
        pytest.skip("what looks at nothing writes nothing")
    session.rollback()
    with trouble(db.engine):
        PLACES[place](valkey)
    assert [(line["log_level"], line["cause"]) for line in lines] == [("error", f"database {state}")]
    assert "exception" not in lines[0]
    assert len(str(lines[0])) < 500
