"""An installation whose database, disk and queue server a trial may take away, with a person and a program at work."""

import http.cookiejar
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from app import ROOT, create_app
from app.business.accounts.models import Role
from app.business.accounts.services import api_keys, sign_in
from app.business.automation.services.automation_service import Actor, AutomationService
from app.infrastructure.database import db, transaction
from app.settings import Settings
from tests.factories import make_account, make_sector, make_site, make_user
from tests.faults.fleet.chaos_trial import SECRET
from tests.faults.fleet.processes import QueueServer
from tests.processes import FLASK, clean_environment, eventually, free_port, running

DISK_MEGABYTES = 48
PASSWORD = "a quiet long password"
LONGEST_LINE = 1000
TABLES_OF_RUNS = ("scheduled_task", "run_detail", "run_attempt", "action_run", "batch_delivery")
RULE = {
    "name": "Answer",
    "trigger": "keyword_added",
    "max_executions_per_day": 100_000,
    "actions": [{"type": "notify", "params": {"message": "Hi"}}],
}


@dataclass
class Answer:
    """What came back. `status` 0: nothing did."""

    status: int
    text: str
    headers: Any = None


@dataclass
class Client:
    """Somebody who asks: a browser with its cookies, or a program with its key."""

    address: str
    key: str = ""
    token: str = ""

    def __post_init__(self) -> None:
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(cookies)

    def ask(self, path: str, **fields: Any) -> Answer:
        headers = (
            {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"} if self.key else {}
        )
        data = None
        if fields:
            sent = (
                json.dumps(fields)
                if self.key
                else urllib.parse.urlencode(fields | {"csrf_token": self.token})
            )
            data = sent.encode()
        request = urllib.request.Request(f"{self.address}{path}", data, headers)
        try:
            with self.opener.open(request, timeout=60) as answer:
                return Answer(answer.status, answer.read().decode(), answer.headers)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode(), error.headers)
        except OSError as error:
            return Answer(0, str(error))

    def sign_in(self, email: str) -> None:
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.ask("/sign-in").text)
        assert found
        self.token = found.group(1)
        assert self.ask("/sign-in", email=email, password=PASSWORD).status == 200
        found = re.search(r'X-CSRFToken": "([^"]+)"', self.ask("/sites").text)
        assert found
        self.token = found.group(1)


@dataclass
class Installation:
    """What runs, and everything that its users were told is done."""

    process: subprocess.Popen[bytes]
    queue: QueueServer
    database: Engine
    folder: Path
    log: Path
    environment: dict[str, str]
    command: list[str]
    address: str
    program: Client
    person: Client
    sector: dict[str, int] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def add_keyword(self) -> Answer:
        text = f"keyword {len(self.accepted) + len(self.refused)}"
        answer = self.program.ask("/api/planner/keywords/", text=text, **self.sector)
        (self.accepted if answer.status == 201 else self.refused).append(text)
        return answer

    def checks(self) -> dict[str, str]:
        with suppress(ValueError):
            return dict(json.loads(self.program.ask("/readyz").text)["checks"])
        return {}

    def is_ready(self) -> bool:
        return set(self.checks().values()) == {"ok"}

    def lines_since(self, position: int) -> list[str]:
        return self.log.read_bytes()[position:].decode(errors="replace").splitlines()

    @property
    def name(self) -> str:
        return self.database.dialect.name

    @property
    def is_sqlite(self) -> bool:
        return self.name == "sqlite"

    def rows(self, query: str) -> list[Any]:
        with self.database.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Somebody else has the database to himself: all of a SQLite file, on PostgreSQL the tables of runs."""
        with self.database.connect() as connection:
            eventually(lambda: self._has_locked(connection), what="a lock")
            yield
            connection.rollback()

    def _has_locked(self, connection: Connection) -> bool:
        """All or nothing: a lock that waits for the next table would be in a deadlock with what runs just now."""
        tables = f"LOCK TABLE {', '.join(TABLES_OF_RUNS)} IN ACCESS EXCLUSIVE MODE NOWAIT"
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if self.is_sqlite else tables)
        except OperationalError:
            connection.rollback()
            return False
        return True

    def unanswered(self) -> str:
        """What was lost, duplicated or half-written; empty when each accepted keyword is in one completed run."""
        stored = {text: id for id, text in self.rows("SELECT id, text FROM keyword")}
        if sorted(stored) != sorted(self.accepted):
            return f"stored {len(stored)} keywords, promised {len(self.accepted)}"
        runs = self.rows(
            "SELECT t.status, CAST(d.records AS TEXT) FROM scheduled_task t JOIN run_detail d ON d.run_id = t.id "
        )
        taken = Counter(
            id for status, ids in runs if status == "completed" for id in json.loads(ids or "[]") or ()
        )
        wrong = {text: taken[id] for text, id in stored.items() if taken[id] != 1}
        open_ones = [status for status, _ in runs if status in ("pending", "running")]
        return f"runs of keywords: {wrong}, open: {open_ones}" if wrong or open_ones else ""

    def sweep(self) -> None:
        """Once more, by the build under test."""
        command = [*self.command, "sweep"]
        subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, check=True)

    def audit(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*FLASK, "audit"], cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )


@contextmanager
def small_disk(folder: Path, size: int = DISK_MEGABYTES) -> Iterator[bool]:
    """Whether the folder is a disk of its own now, which can be filled for real; that takes the right to mount."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(folder)]
    is_own = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield is_own
    finally:
        if is_own:
            subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def installed(folder: Path, data: Path, plant: str = "", database_url: str = "") -> Iterator[Installation]:
    """Everything that `up` starts, with a queue server of the trial's own, an account, and an event rule."""
    queue, port = QueueServer(), free_port()
    queue.start()
    environment = clean_environment(PORT=str(port), DATA_DIR=str(data), REDIS_URL=queue.url, WORKERS="1")
    if database_url:
        environment |= {"DATABASE_URL": database_url, "SECRET_KEY": SECRET}
    command = [sys.executable, "-m", "tests.faults.outages.planted", plant, *FLASK[3:]] if plant else FLASK
    log = folder / "log"
    address = database_url or f"sqlite:///{data / 'igny8.sqlite3'}"
    database = create_engine(
        address, poolclass=NullPool, connect_args={} if database_url else {"timeout": 20}
    )
    try:
        with running([*command, "up"], environment, log) as process:
            eventually(lambda: "Ready: " in log.read_text() or process.poll() is not None, within=120)
            assert process.poll() is None, log.read_text()
            yield _in_use(Installation(
                process, queue, database, data, log, environment, command, f"http://127.0.0.1:{port}",
                Client(f"http://127.0.0.1:{port}"), Client(f"http://127.0.0.1:{port}"),
            ))  # fmt: skip
    finally:
        queue.remove()


def _in_use(place: Installation) -> Installation:
    settings = Settings(
        data_dir=place.folder,
        database_url=place.environment.get("DATABASE_URL", ""),
        secret_key=SecretStr(place.environment.get("SECRET_KEY", "")),
        redis_url=place.queue.url,
    )
    app, now = create_app(settings, web=False), datetime.now(UTC)
    with app.app_context():
        with transaction() as session:
            account = make_account(session, granted_at=datetime.now(UTC))
            sector = make_sector(session, make_site(session, account))
            owner = make_user(session, account, Role.OWNER)
            sign_in.set_password(session, owner, PASSWORD, now)
            _, place.program.key = api_keys.issue(session, owner, "Program", now)
            AutomationService().create_rule(session, account, RULE, Actor(None), now)
            place.sector, email = {"site": sector.site_id, "sector": sector.id}, owner.email
        db.session.remove()
        db.engine.dispose()
    place.person.sign_in(email)
    return place


def fill(folder: Path) -> Path:
    """Write until nothing more fits."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file, suppress(OSError):
        for size in (2**20, 2**12, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    return ballast


def wait(seconds: float) -> None:
    """The length of an outage is what a trial is about."""
    time.sleep(seconds)
