"""W5: an import of ten thousand keywords with five rules that their events start, beside a bare bulk insert."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis
from sqlalchemy import Engine, Table, func, insert, select, update
from sqlalchemy.orm import Session, sessionmaker

from app.business.accounts.models import Account
from app.business.automation.delivery_models import BatchDelivery, Delivery
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status
from app.business.base import RowValues
from app.business.events import EVENTS_QUEUE, Event
from app.business.planner.models import Keyword
from app.business.updates import table_of
from app.infrastructure.database import only_reading
from app.infrastructure.messaging import queues
from tests.bench.bursts import SHAPES, Place, add_rule, valkey
from tests.bench.imports import SOON_ENOUGH, Locks, _import, _saver
from tests.bench.table import Line

ROWS, RULES = 10_000, 5
TO_BARE = 3
DISPATCH_SECONDS, RUN_SECONDS = 1.5, 15.0
LONGEST_SECONDS = 300
OPEN = (Status.PENDING, Status.RUNNING)


def lines(engine: Engine) -> Iterator[Line]:
    """With rules that take all records together, then with one of them that takes each by itself."""
    name = engine.dialect.name
    with TemporaryDirectory(prefix="igny8-bench-") as folder, valkey(Path(folder)) as address:
        place = Place(engine, address, Path(folder))
        trial = Trial(place)
        yield Line(
            f"import of {ROWS:,} to a bare bulk insert, {name}", trial.imported(), trial.bare(), "s", TO_BARE
        )
        with place.workers("clock", 1):
            idle, busy = _saver(trial.sessions), _saver(trial.sessions)
            for _ in range(100):
                idle.save()
            for what in (
                f"{ROWS:,} events x {RULES} rules",
                f"{ROWS:,} runs of one rule, and {RULES - 1} rules",
            ):
                if trial.has_run:
                    trial = Trial(place, each=True)
                    trial.imported()
                with ThreadPoolExecutor(1) as pool:
                    working = pool.submit(trial.executed)
                    while not working.done():
                        busy.save()
                dispatched, ended = working.result()
                yield Line(f"{what}, dispatched, {name}", dispatched, DISPATCH_SECONDS, "s", 1)
                yield Line(f"{what}, all runs ended, {name}", ended, RUN_SECONDS, "s", 1)
            reference = max(idle.p95(), SOON_ENOUGH / 3)
            yield Line(f"others' saves (p95) during these runs, {name}", busy.p95(), reference, "ms", 3)


@dataclass
class Trial:
    """An account with five rules, and the file that starts them. each: the first one has a run for each record."""

    place: Place
    each: bool = False
    has_run: bool = False

    def __post_init__(self) -> None:
        self.sessions = sessionmaker(self.place.engine, expire_on_commit=False)
        self.work = _import(Locks(self.sessions, self.place.engine), ROWS)
        with self.sessions.begin() as session:
            account = session.scalars(select(Account).order_by(Account.id.desc()).limit(1)).one()
            self.account_id = account.id
            # The import has a rule of its own, with the limit of one that a person makes.
            mine = AutomationRule.account_id == account.id
            session.execute(update(AutomationRule).where(mine).values(max_executions_per_day=100_000))
            for number in range(RULES - 1):
                rule = SHAPES[0].rule | {"batching": "each" if self.each and number == 0 else "batch"}
                add_rule(
                    session, account, replace(SHAPES[0], rule=rule), datetime.now(UTC) - timedelta(minutes=1)
                )

    def imported(self) -> float:
        """Seconds until all rows and their events are committed, the file read already."""
        begun = time.perf_counter()
        self.work()
        return time.perf_counter() - begun

    def bare(self) -> float:
        """Seconds that the same rows and events take as two statements in one transaction."""
        keywords, events = (self._copies(table_of(model)) for model in (Keyword, Event))
        begun = time.perf_counter()
        with self.place.engine.begin() as connection:
            connection.execute(insert(table_of(Keyword)), keywords)
            connection.execute(insert(table_of(Event)), events)
        seconds = time.perf_counter() - begun
        with self.place.engine.begin() as connection:
            for model, rows in ((Event, events), (Keyword, keywords)):
                table = table_of(model)
                connection.execute(table.delete().where(table.c.id >= rows[0]["id"]))
        return seconds

    def _copies(self, table: Table) -> list[RowValues]:
        """Rows like those of the import, of keywords that the site does not have."""
        with only_reading(), self.sessions() as session:
            newest = select(table).where(table.c.account_id == self.account_id).order_by(table.c.id.desc())
            rows = [dict(row) for row in session.execute(newest.limit(ROWS)).mappings()]
        for row in rows:
            row["id"] += 2 * ROWS
            for name in ("text", "text_key", "text_folded"):
                if name in row:
                    row[name] = f"copy of {row[name]}"
        return sorted(rows, key=lambda row: row["id"])

    def executed(self) -> tuple[float, float]:
        """Seconds from waking the worker until all runs are opened, and until they have ended."""
        self.has_run, begun = True, time.perf_counter()
        queues.wake(Redis.from_url(self.place.address), [EVENTS_QUEUE])
        dispatched = self._until(self._is_dispatched, begun)
        return dispatched, self._until(self._has_ended, begun)

    def _until(self, is_so: Callable[[Session], bool], begun: float) -> float:
        while time.perf_counter() - begun < LONGEST_SECONDS:
            with only_reading(), self.sessions() as session:
                if is_so(session):
                    return time.perf_counter() - begun
            time.sleep(0.02)
        return float("inf")

    def _is_dispatched(self, session: Session) -> bool:
        done = select(func.count(BatchDelivery.id)).where(
            BatchDelivery.account_id == self.account_id, BatchDelivery.state == Delivery.DONE
        )
        return session.scalar(done) == RULES

    def _has_ended(self, session: Session) -> bool:
        run = ScheduledTask
        # By the statuses that an index leads to: to look at every ended run takes a twentieth of what is measured.
        open_one = select(run.id).where(run.account_id == self.account_id, run.status.in_(OPEN))
        return session.scalar(open_one.limit(1)) is None
