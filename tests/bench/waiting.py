"""W2: how long one event waits for its run: where all else is idle, and beside an account with thousands of runs."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app.business.events import EVENTS_QUEUE, Origin
from app.business.planner.models import Sector
from app.business.planner.services.keyword_import import import_keywords
from app.business.planner.services.keyword_table import read_keyword_table
from app.infrastructure.messaging import queues
from tests.bench import references
from tests.bench.bursts import SHAPES, Place, add_rule, valkey
from tests.bench.table import Line
from tests.factories import make_account, make_sector, make_site

GOAL_MILLISECONDS = {"sqlite": 14, "postgresql": 20}
MOST_DELAY = 2_000
EVENTS, WARMING_UP, CROWD = 40, 5, 10_000
LONGEST_SECONDS = 120


def lines(engine: Engine, *, may_install: bool = True) -> Iterator[Line]:
    """Measured against goals in milliseconds, and beside the same pipeline on RQ's own worker."""
    name = engine.dialect.name
    with TemporaryDirectory(prefix="igny8-bench-") as folder, valkey(Path(folder)) as address:
        place = Place(engine, address, Path(folder))
        url = engine.url.render_as_string(hide_password=False)
        _clean_up(engine)
        of_rq = references.measured(
            "rq_pipeline.py", "measure", EVENTS, url, address, may_install=may_install
        )
        with place.workers("clock", 1):
            alone = Customer(place)
            waited = [alone.waits_for_one() for _ in range(EVENTS)][WARMING_UP:]
            p50, p95 = statistics.median(waited), statistics.quantiles(waited, n=20)[-1]
            what = "idle worker and server, event to run"
            yield Line(f"{what} (p50), {name}", p50, GOAL_MILLISECONDS[name], "ms", 1)
            yield Line(f"{what} (p95 to p50), {name}", p95, p50, "ms", 2)
            yield Line(f"{what} (p50), {name}, to RQ's SimpleWorker", p50, of_rq, "ms", 1)
            crowded = Customer(place)
            crowded.add_keywords(CROWD)
            waited = []
            while len(waited) < EVENTS and place.closed(crowded.account_id) < CROWD:
                waited.append(alone.waits_for_one())
            what = f"one run beside {CROWD:,} of another account (longest), {name}"
            yield Line(what, max(waited, default=float("inf")), MOST_DELAY, "ms", 1)


def _clean_up(engine: Engine) -> None:
    """Let PostgreSQL do what else it would do in the minutes after a burst, on the cores that the worker needs: remove
    row versions, take statistics, write pages to the disk."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for work in ("VACUUM (ANALYZE)", "CHECKPOINT"):
                connection.execute(text(work))


@dataclass
class Customer:
    """An account with a rule that labels each new keyword."""

    place: Place

    def __post_init__(self) -> None:
        self.number, now = 0, datetime.now(UTC)
        # Kept open, as the product does.
        self.server = Redis.from_url(self.place.address)
        with Session(self.place.engine) as session:
            account = make_account(session, credits=1_000_000)
            sector = make_sector(session, make_site(session, account))
            add_rule(session, account, SHAPES[0], now - timedelta(minutes=1))
            session.commit()
            self.account_id, self.sector_id = account.id, sector.id

    def add_keywords(self, count: int) -> float:
        """Commit new keywords with their events, and wake the worker. Returns when they were committed."""
        texts = [f"lamp {self.number + place}" for place in range(count)]
        self.number += count
        table = read_keyword_table("\n".join(["Keyword", *texts]).encode())
        with Session(self.place.engine) as session:
            sector, origin = session.get_one(Sector, self.sector_id), Origin(self.account_id)
            now = datetime.now(UTC)
            import_keywords(session, table, site=sector.site, sector=sector, origin=origin, now=now)
            session.commit()
        committed = time.perf_counter()
        queues.wake(self.server, [EVENTS_QUEUE])
        return committed

    def waits_for_one(self) -> float:
        """Milliseconds from the commit of an event to the end of its run."""
        before = self.place.closed(self.account_id)
        begun = self.add_keywords(1)
        while self.place.closed(self.account_id) == before:
            if time.perf_counter() - begun > LONGEST_SECONDS:
                return float("inf")
            time.sleep(0.001)
        return (time.perf_counter() - begun) * 1000
