"""What others notice of an import: their saves while fifty thousand keywords come in."""

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import get_ident

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session, sessionmaker

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.services.operations import lifecycle
from app.business.automation.services.operations.keyword_import import KIND, ask_import, execute_import
from app.business.automation.services.triggering.dispatch import dispatch_batches
from app.business.planner.models import Keyword, Sector
from app.business.planner.services.import_file import read_import_file
from app.business.planner.services.import_parts import Destination, choices_for
from app.business.planner.services.keyword_service import update_keyword
from app.infrastructure.database import only_reading
from tests.bench.table import Line
from tests.business.planner.stories import person
from tests.factories import make_account, make_keyword, make_sector, make_site
from tests.modules.automation_pages import ON_KEYWORDS, make_rule

ROWS = 50_000
SOON_ENOUGH = 100.0
"""Milliseconds that nobody minds waiting for a save, however fast an idle one is."""
PAUSE = 0.02
AIM, LONGEST = 50.0, 200.0
"""Milliseconds that a transaction of an import aims at, and never exceeds."""
SECONDS = 60.0


@dataclass
class Saver:
    """A person who saves one thing after the other."""

    sessions: sessionmaker[Session]
    keyword_id: int
    milliseconds: list[float] = field(default_factory=list)
    refused: int = 0

    def save(self) -> None:
        begun = time.perf_counter()
        try:
            with self.sessions.begin() as session:
                keyword = session.get_one(Keyword, self.keyword_id)
                changes = {"volume": len(self.milliseconds)}
                update_keyword(session, keyword, changes, origin=_nobody(keyword), now=datetime.now(UTC))
        except Exception:
            self.refused += 1
        self.milliseconds.append((time.perf_counter() - begun) * 1000)
        time.sleep(PAUSE)

    def p95(self) -> float:
        return statistics.quantiles(self.milliseconds, n=20)[-1] if not self.refused else float("inf")


class Locks:
    """How long each of an import's transactions holds what it has locked: from its first write to its commit.

    On SQLite that is from its beginning, when it has got the lock.
    """

    def __init__(self, sessions: sessionmaker[Session], engine: Engine) -> None:
        self.sessions, self.is_file = sessions, engine.dialect.name == "sqlite"
        self.milliseconds: list[float] = []
        self.since, self.thread = 0.0, 0
        event.listen(engine, "begin", self._begun)
        event.listen(engine, "before_cursor_execute", self._execute)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        self.since, self.thread = 0.0, get_ident()
        with self.sessions.begin() as session:
            yield session
        if self.since:
            self.milliseconds.append((time.perf_counter() - self.since) * 1000)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """It keeps no writer waiting, so it is not measured."""
        self.thread = 0
        with only_reading(), self.sessions.begin() as session:
            yield session

    def p95(self) -> float:
        return statistics.quantiles(self.milliseconds, n=20)[-1]

    def _begun(self, _connection: Connection) -> None:
        if self.is_file:
            self._hold()

    def _execute(self, _connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(("SELECT", "BEGIN", "PRAGMA", "SET")):
            self._hold()

    def _hold(self) -> None:
        if self.thread == get_ident() and not self.since:
            self.since = time.perf_counter()


def lines(engine: Engine) -> Iterator[Line]:
    """Saves beside an import against idle ones, and how long its transactions keep others waiting."""
    sessions = sessionmaker(engine, expire_on_commit=False)
    name = engine.dialect.name
    idle, busy = _saver(sessions), _saver(sessions)
    for _ in range(100):
        idle.save()
    locks = Locks(sessions, engine)
    begun = time.perf_counter()
    _while(_import(locks, ROWS), busy.save)
    took = time.perf_counter() - begun
    reference = max(idle.p95(), SOON_ENOUGH / 3)
    yield Line(f"others' saves (p95) during an import of {ROWS:,}, {name}", busy.p95(), reference, "ms", 3)
    yield Line(f"lock of an import's transactions (p95), {name}", locks.p95(), AIM, "ms", 1.5)
    yield Line(
        f"lock of an import's transactions (longest), {name}", max(locks.milliseconds), LONGEST, "ms", 1
    )
    yield Line(f"import of {ROWS:,}, {name}", took, SECONDS, "s", 1)
    dispatching = Locks(sessions, engine)
    dispatch_batches(dispatching.transaction, datetime.now(UTC), reading=dispatching.reading)
    yield Line(
        f"lock while its events start a rule (longest), {name}",
        max(dispatching.milliseconds),
        LONGEST,
        "ms",
        1,
    )


def _import(locks: Locks, rows: int) -> Callable[[], None]:
    """The import as a web process or a worker executes it, its file read already."""
    sector, account_id = _place(locks.sessions)
    with locks.sessions() as session:
        make_rule(session, session.get_one(Account, account_id), schedule={}, conditions={}, **ON_KEYWORDS)
    with locks.sessions.begin() as session:
        choices = choices_for(session, Scope(account_id), Destination(sector.site, sector))
    file = read_import_file(_csv(rows), choices)
    with locks.transaction() as session:
        ask_import(
            session, file, Destination(sector.site, sector), account_id=account_id, user_id=None,
            existing="update", here=False, now=datetime.now(UTC),
        )  # fmt: skip
    return lambda: _done(
        lifecycle.execute_next(locks.transaction, {KIND: execute_import}, lambda: datetime.now(UTC))
    )


def _csv(rows: int) -> bytes:
    return b"keyword,volume\n" + b"".join(b"garden lamp %d,%d\n" % (row, row) for row in range(rows))


def _place(sessions: sessionmaker[Session]) -> tuple[Sector, int]:
    with sessions.begin() as session:
        sector = make_sector(session, make_site(session, make_account(session)))
        assert sector.site.id
        return sector, sector.account_id


def _saver(sessions: sessionmaker[Session]) -> Saver:
    sector, _ = _place(sessions)
    with sessions.begin() as session:
        return Saver(sessions, make_keyword(session, session.merge(sector)).id)


def _nobody(keyword: Keyword) -> object:
    return person(keyword)  # type: ignore[arg-type]


def _while(work: Callable[[], None], meanwhile: Callable[[], None]) -> None:
    """Until `work` is done `meanwhile` is called again and again."""
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        while not working.done():
            meanwhile()
    working.result()


def _done(is_done: bool) -> None:
    if not is_done:
        raise RuntimeError("no import was waiting")
