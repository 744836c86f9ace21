"""A soak: very many runs that are due at one moment, while people read and programs write for as long as it takes."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, cycle
from pathlib import Path
from threading import Event

from pydantic import SecretStr
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app import create_app
from app.business.accounts.models import Role
from app.business.accounts.services import api_keys, sign_in
from app.business.automation.run_models import ScheduledTask
from app.business.events import EVENTS_QUEUE, EventBatch, Origin, wake
from app.business.planner.models import Sector
from app.business.planner.services.keyword_import import import_keywords
from app.business.planner.services.keyword_table import read_keyword_table
from app.infrastructure.database import db, transaction
from app.settings import Settings
from tests.bench.bursts import SHAPES, Shape, add_rule
from tests.factories import make_account, make_sector, make_site, make_user
from tests.faults.outages.installation import PASSWORD, Answer, Client, Installation
from tests.processes import family_of, title_of

AT_ONCE = 100
"""Keywords of one transaction, when they are made."""
PAGES = (
    "/",
    "/?days=1",
    "/history",
    "/history?status=failed",
    "/history/days",
    "/rules",
    "/keywords",
    "/credits",
    "/system",
    "/my-work",
)
WARM_ROUNDS = 4
READER_PAUSE, WRITER_PAUSE = 2.0, 2.0
"""Seconds between an answer and the next question."""
QUIET_SECONDS = 20
"""Children of step workers that are still there from the work have ended by then."""
MOST_SECONDS = 0.1
"""A run."""
ENDED = "SELECT COUNT(*) FROM scheduled_task WHERE status NOT IN ('pending', 'running')"
COUNTED = {
    "runs that are open": "SELECT COUNT(*) FROM scheduled_task WHERE status IN ('pending', 'running')",
    "runs that did not complete": "SELECT COUNT(*) FROM scheduled_task WHERE status IN ('failed', 'skipped')",
    "batches that no rule was told of": "SELECT COUNT(*) FROM event_batch WHERE dispatched_at IS NULL",
    "deliveries that are not done": "SELECT COUNT(*) FROM batch_delivery WHERE state <> 'done'",
    "keywords without the label": "SELECT COUNT(*) FROM keyword WHERE CAST(labels AS TEXT) NOT LIKE '%seen%'",
}
"""Of all of them there must be none."""


@dataclass(frozen=True)
class Party:
    """An account whose rule has a run for each keyword, its person and its program."""

    sector_id: int
    person: Client
    program: Client
    place: dict[str, int]


@dataclass
class Soak:
    """One installation under it. keywords: those that were made or accepted · seconds: of the last work · answers: how
    often which status came back · refusals: what was no success."""

    installation: Installation
    parties: list[Party] = field(default_factory=list)
    keywords: int = 0
    seconds: float = 0
    answers: Counter[int] = field(default_factory=Counter)
    refusals: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)

    def found(self, accounts: int) -> None:
        """Accounts with people, keys and rules."""
        now = datetime.now(UTC)
        with self._at_database(), transaction() as session:
            made = [self._account(session, SHAPES[number % 2], now) for number in range(accounts)]
        for party, email in made:
            party.person.sign_in(email)
            self.parties.append(party)

    def _account(self, session: Session, shape: Shape, now: datetime) -> tuple[Party, str]:
        account = make_account(session, granted_at=datetime.now(UTC))
        sector = make_sector(session, make_site(session, account))
        owner = make_user(session, account, Role.OWNER)
        sign_in.set_password(session, owner, PASSWORD, now)
        _, key = api_keys.issue(session, owner, "Program", now)
        add_rule(session, account, shape, now - timedelta(minutes=1))
        address = self.installation.address
        place = {"site": sector.site_id, "sector": sector.id}
        return Party(sector.id, Client(address), Client(address, key), place), owner.email

    def make_keywords(self, runs: int) -> None:
        """Keywords of all accounts, whose events wait to be handed over."""
        with self._at_database():
            for party, first in zip(cycle(self.parties), range(0, runs, AT_ONCE), strict=False):
                with transaction() as session:
                    self._make_keywords(session, party, min(AT_ONCE, runs - first))

    def start(self) -> None:
        """Hand all events over in one transaction, so all runs are due at one moment."""
        with self._at_database(), transaction() as session:
            kept_back = EventBatch.closed_at.is_(None)
            session.execute(update(EventBatch).where(kept_back).values(closed_at=datetime.now(UTC)))
            wake(session, [EVENTS_QUEUE])

    def _make_keywords(self, session: Session, party: Party, number: int) -> None:
        now, sector = datetime.now(UTC), session.get_one(Sector, party.sector_id)
        texts = [f"lamp {next(self.numbers)}" for _ in range(number)]
        table = read_keyword_table("\n".join(["Keyword", *texts]).encode())
        origin = Origin(sector.account_id)
        import_keywords(session, table, site=sector.site, sector=sector, origin=origin, now=now)
        mine = (EventBatch.account_id == sector.account_id, EventBatch.created_at == now)
        session.execute(update(EventBatch).where(*mine).values(closed_at=None))
        self.keywords += number

    def warm_up(self, people: int) -> None:
        """Each page by each of so many people at once, without a pause, some times: by then every thread of the server
        has loaded what it loads late for each of them."""
        with ThreadPoolExecutor(people) as pool:
            readings = [self._reading(self.parties[one % len(self.parties)], one) for one in range(people)]
            for asked in [pool.submit(_often, read, WARM_ROUNDS * len(PAGES)) for read in readings]:
                asked.result()

    @contextmanager
    def use(self, readers: int, writers: int) -> Iterator[None]:
        """While the block runs, so many people look at pages and programs save keywords."""
        over = Event()
        with ThreadPoolExecutor(readers + writers) as pool:
            at_work: list[Future[None]] = []
            for number in range(readers + writers):
                party = self.parties[number % len(self.parties)]
                act = self._reading(party, number) if number < readers else self._writing(party)
                pause = READER_PAUSE if number < readers else WRITER_PAUSE
                at_work.append(pool.submit(_again_and_again, act, pause, over))
            try:
                yield
            finally:
                over.set()
        for one in at_work:
            one.result()

    def _reading(self, party: Party, number: int) -> Callable[[], None]:
        pages = cycle(PAGES[number % len(PAGES) :] + PAGES[: number % len(PAGES)])

        def read() -> None:
            page = next(pages)
            self._note(page, party.person.ask(page), {200})

        return read

    def _writing(self, party: Party) -> Callable[[], None]:
        def write() -> None:
            text = f"lamp {next(self.numbers)}"
            answer = party.program.ask("/api/planner/keywords/", text=text, **party.place)
            self.keywords += answer.status == 201
            self._note("saving a keyword", answer, {201})

        return write

    def _note(self, what: str, answer: Answer, right: set[int]) -> None:
        self.answers[answer.status] += 1
        if answer.status not in right:
            self.refusals.append(f"{what}: {answer.status} {answer.text[:200]}")

    def execute(self, runs: int, *, readers: int, writers: int) -> None:
        """So many runs, until they and those of all that was written meanwhile have ended."""
        self.make_keywords(runs)
        began = time.monotonic()
        with self.use(readers, writers):
            self.start()
            self._await(self.keywords, runs)
        self._await(self.keywords, runs)
        self.seconds = time.monotonic() - began

    def _await(self, runs: int, new: int) -> None:
        until = time.monotonic() + 60 + new * MOST_SECONDS
        while time.monotonic() < until:
            ((ended,),) = self.installation.rows(ENDED)
            if ended >= runs:
                return
            time.sleep(max(0.1, new / 50_000))
        raise AssertionError(f"{ended:,} of {runs:,} runs have ended. {self.open_work()}")

    def open_work(self) -> dict[str, int]:
        """What there must be none of, counted."""
        return {what: self.installation.rows(query)[0][0] for what, query in COUNTED.items()}

    def problems(self) -> list[str]:
        """Everything that is not as it must be at the end."""
        found = [f"{number:,} {what}" for what, number in self.open_work().items() if number]
        ((stored, runs),) = self.installation.rows(
            "SELECT (SELECT COUNT(*) FROM keyword), (SELECT COUNT(*) FROM scheduled_task)"
        )
        if not stored == runs == self.keywords:
            found.append(
                f"{self.keywords:,} keywords were accepted, {stored:,} are there, with {runs:,} runs"
            )
        audited = self.installation.audit()
        if audited.returncode:
            found.append(f"audit: {audited.stdout} {audited.stderr}")
        return [*found, *self.refusals[:5]]

    def figures(self) -> str:
        """What happened, in words."""
        answers = ", ".join(f"{number:,} x {status}" for status, number in sorted(self.answers.items()))
        return f"{self.keywords:,} runs, the last ones in {self.seconds:.0f} s, answers {answers}"

    def leave_one_open(self) -> None:
        """As a worker that forgets it would."""
        with self.installation.database.begin() as connection:
            newest = select(func.max(ScheduledTask.id)).scalar_subquery()
            forgotten = {"status": "pending", "waiting_for": "pause", "finished_at": None}
            connection.execute(update(ScheduledTask).where(ScheduledTask.id == newest).values(forgotten))

    def memory(self) -> dict[str, float]:
        """MB that the processes have for themselves, by kind. Files are left out, for others may share their pages."""
        time.sleep(QUIET_SECONDS)
        found = dict[str, float]()
        for pid in [self.installation.process.pid, *family_of(self.installation.process.pid)]:
            title = title_of(pid)
            found[title] = found.get(title, 0) + own_memory(pid)
        return found

    @contextmanager
    def _at_database(self) -> Iterator[None]:
        place = self.installation
        settings = Settings(
            data_dir=place.folder,
            database_url=place.environment.get("DATABASE_URL", ""),
            secret_key=SecretStr(place.environment.get("SECRET_KEY", "")),
            redis_url=place.queue.url,
        )
        with create_app(settings, web=False).app_context():
            try:
                yield
            finally:
                db.session.remove()
                db.engine.dispose()


def own_memory(pid: int) -> float:
    """MB of a process that no file holds; what it shares with its parent or its children counts by parts."""
    with suppress(FileNotFoundError, ProcessLookupError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        (kilobytes,) = (line.split()[1] for line in lines if line.startswith("Pss_Anon:"))
        return int(kilobytes) / 1024
    return 0.0


def _often(act: Callable[[], None], times: int) -> None:
    for _ in range(times):
        act()


def _again_and_again(act: Callable[[], None], pause: float, over: Event) -> None:
    while True:
        act()
        if over.wait(pause):
            return
