"""A start that cannot succeed prints one sentence with what to do, and its exit code tells whose fault it is."""

import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from app.infrastructure import data_folder
from app.infrastructure.web_server import CannotListen, listen
from app.settings import Settings, SettingsError, load_settings
from tests.preloaded import Run
from tests.processes import clean_environment, free_port

SECRET = {"SECRET_KEY": "a-key-that-only-the-tests-use-0123456789"}
PASSWORD = "pass-that-nobody-may-read"
PROGRESS = ("Starting queue server", "Preparing the database", "Stopping queue server")
NO_SERVER = "must start with redis://, rediss:// or unix://"
NO_PORT = "must be a whole address, with a number as its port"
RUNS = "Check that the database runs and that DATABASE_URL names it."


def ends_with_one_line(command: Run, folder: Path, name: str, code: int, **environment: str) -> str:
    """What the command says, beside how far it had come."""
    settings = clean_environment(DATA_DIR=str(folder), PORT=str(free_port()), **environment)
    ended = command(name, environment=settings)
    said = [line for line in ended.stderr.splitlines() if not line.startswith(PROGRESS)]
    assert (ended.returncode, len(said)) == (code, 1), ended.stderr
    assert PASSWORD not in ended.stderr
    return said[0]


def newer(folder: Path) -> None:
    with sqlite3.connect(folder / "igny8.sqlite3") as database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        database.execute("INSERT INTO alembic_version VALUES ('9999')")


def no_database(folder: Path) -> None:
    (folder / "igny8.sqlite3").write_text("This is a shopping list, and long enough. " * 200)


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (
            newer,
            "Error: The tables of the database (version 9999) are of a newer version of this console. "
            "Start that version, or restore a backup made before it.",
        ),
        (
            no_database,
            "Error: The database cannot be used: file is not a database. "
            "Restore a backup of it, or move it away to begin with an empty one.",
        ),
    ],
)
def test_a_database_that_cannot_be_used(
    command: Run, tmp_path: Path, prepare: Callable[[Path], None], sentence: str
) -> None:
    prepare(tmp_path)
    assert ends_with_one_line(command, tmp_path, "up", 1) == sentence


def test_a_wrong_password_of_the_database(command: Run, postgresql_server: str, tmp_path: Path) -> None:
    address = f"postgresql://nobody-here:{PASSWORD}@{postgresql_server.rpartition('@')[2]}"
    said = ends_with_one_line(command, tmp_path, "up", 1, DATABASE_URL=address, **SECRET)
    assert said.startswith("Error: The database cannot be used: ")
    assert said.endswith(RUNS)


def test_a_command_whose_database_does_not_answer(command: Run, tmp_path: Path) -> None:
    away = f"postgresql://nobody:{PASSWORD}@127.0.0.1:1/none"
    said = ends_with_one_line(command, tmp_path, "audit", 1, DATABASE_URL=away, **SECRET)
    assert said.startswith("Error: The database cannot be used: ")
    assert said.endswith(RUNS)


def test_a_command_before_the_first_start_says_how_the_database_is_set_up(
    command: Run, tmp_path: Path
) -> None:
    said = ends_with_one_line(command, tmp_path, "audit", 1)
    assert said == (
        "Error: The database cannot be used: no such table: account. "
        "Run “flask --app wsgi db upgrade” first; if a console runs, stop it before that."
    )


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("REDIS_URL", f"http://:{PASSWORD}@localhost", f"REDIS_URL: {NO_SERVER}"),
        ("REDIS_URL", f"redis://:{PASSWORD}@localhost:many", f"REDIS_URL: {NO_PORT}"),
        ("REDIS_URL", "localhost", f"REDIS_URL: {NO_SERVER}"),
        (
            "DATABASE_URL",
            f"mysql://me:{PASSWORD}@localhost/x",
            "DATABASE_URL: must start with postgresql:// (SQLite needs no address)",
        ),
        ("DATABASE_URL", f"postgresql://me:{PASSWORD}@localhost:port/x", f"DATABASE_URL: {NO_PORT}"),
        ("DATABASE_URL", f"postgresql://me:{PASSWORD}@[::1/x", f"DATABASE_URL: {NO_PORT}"),
    ],
)
def test_a_database_address_that_cannot_be_parsed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    for key, text in (SECRET | {name: value}).items():
        monkeypatch.setenv(key, text)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value) == sentence


def test_an_address_that_cannot_be_bound(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            CannotListen, match=f"port {port}: Address already in use. Stop what uses it, or "
        ):
            listen(Settings(port=port, data_dir=tmp_path))
    for host in ("192.0.2.1", "no such host"):
        settings = Settings(port=port, host=host, data_dir=tmp_path, public_url="http://here.example")
        with pytest.raises(CannotListen, match="HOST must be a name or an address of this machine"):
            listen(settings)


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    with pytest.raises(data_folder.FolderUnusable) as refused, data_folder.written(tmp_path):
        raise OSError(28, "No space left on device")
    assert str(refused.value) == (
        f"The data folder {tmp_path} cannot be used: No space left on device. "
        "Free space on its disk, or set DATA_DIR to another folder."
    )
