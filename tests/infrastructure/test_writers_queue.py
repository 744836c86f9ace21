"""Writers of a SQLite file take turns, whoever stops, dies or stays out of the queue."""

import fcntl
import os
import signal
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError

from app.business.database_faults import LOCKED, fault_of
from app.infrastructure import database, writers_queue
from app.infrastructure.database import engine_options, only_reading, prepare
from tests.processes import eventually

WRITE = text("INSERT INTO note (text) VALUES (:text)")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(tmp_path)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT)"))
    yield engine
    engine.dispose()


def open_engine(folder: Path) -> Engine:
    url = f"sqlite:///{folder}/notes.sqlite3"
    engine = create_engine(url, **engine_options(url))
    prepare(engine)
    return engine


def write(engine: Engine, word: str) -> None:
    with engine.begin() as connection:
        connection.execute(WRITE, {"text": word})


def written(engine: Engine) -> list[str]:
    with only_reading(), engine.begin() as connection:
        return list(connection.scalars(text("SELECT text FROM note ORDER BY id")))


def is_refused(engine: Engine) -> bool:
    with pytest.raises(OperationalError) as refusal:
        write(engine, "refused")
    return fault_of(refusal.value) is LOCKED


def is_taken(engine: Engine, ending: str) -> bool:
    with Path(f"{engine.url.database}{ending}").open("rb+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@contextmanager
def waiting_writer(engine: Engine) -> Iterator[Future[None]]:
    """Somebody who wants to write while another one does."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(write, engine, "other")


def test_who_writes_without_a_pause_lets_others_in_between(file: Engine) -> None:
    first = file.connect()
    transaction = first.begin()
    first.execute(WRITE, {"text": "mine 1"})
    with waiting_writer(file) as other:
        eventually(lambda: is_taken(file, writers_queue.NEXT))
        transaction.commit()
        with first.begin():
            first.execute(WRITE, {"text": "mine 2"})
        other.result()
    assert written(file) == ["mine 1", "other", "mine 2"]
    first.close()


@contextmanager
def holder(engine: Engine) -> Iterator[int]:
    """Another process in the middle of its transaction."""
    process = os.fork()
    if process == 0:
        _hold(str(engine.url.database))
    try:
        eventually(lambda: is_taken(engine, writers_queue.WRITER))
        yield process
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def _hold(path: str) -> NoReturn:
    """In the child, which never returns into the test."""
    try:
        connection = sqlite3.connect(path, isolation_level=None, factory=writers_queue.WritersConnection)
        writers_queue.join(connection)
        assert connection.turn
        connection.turn.take(60)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO note (text) VALUES ('held')")
        signal.pause()
    finally:
        os._exit(1)


def test_a_writer_that_is_stopped_or_killed_keeps_others_out_for_a_limited_time(
    file: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_WAIT_SECONDS", 0.05)
    with holder(file) as process:
        os.kill(process, signal.SIGSTOP)
        assert is_refused(file)
        assert not is_taken(file, writers_queue.NEXT)
        assert written(file) == []
    monkeypatch.setattr(database, "LOCK_WAIT_SECONDS", 60)
    write(file, "next")
    assert written(file) == ["next"]


def test_who_takes_no_turn_is_waited_for_within_the_same_time(
    file: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(database, "A_MOMENT_SECONDS", 0)
    shell = sqlite3.connect(str(file.url.database), isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    assert is_refused(file)
    assert is_refused(file)
    shell.execute("ROLLBACK")
    write(file, "after the shell")
    assert written(file) == ["after the shell"]
    shell.close()


def test_a_turn_ends_with_its_transaction_however_that_ends(file: Engine) -> None:
    with pytest.raises(OperationalError), file.begin() as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (1)"))
    connection = file.connect()
    connection.begin()
    connection.close()
    write(file, "free again")
    assert written(file) == ["free again"]


def test_a_database_in_memory_needs_no_queue() -> None:
    engine = create_engine("sqlite://", connect_args=engine_options("sqlite://")["connect_args"])
    prepare(engine)
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    engine.dispose()
