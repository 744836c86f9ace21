"""The processes of test_start_races: retries, rescues and follow-ups of one start, while prices change."""

import multiprocessing
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import create_engine, select, update
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services import rule_engine
from app.business.automation.services.action_executor import ActionExecutor
from app.business.automation.services.actions.registry import make_works
from app.business.automation.services.rule_engine import RuleEngine
from app.business.automation.services.runs import commands
from app.business.automation.services.runs.context import RunContext
from app.business.errors import Conflict
from app.business.language_model import Completion, Prompt, ProviderFault
from app.business.writer.models import Task
from app.infrastructure import database
from app.infrastructure.database import engine_options, prepare

STEPS = ("execute", "execute", "execute", "execute", "retry", "retry", "rescue", "edit")
WORDS = (100, 300, 700, 1000)
REFUSED_ONE_IN = 4
PATIENCE_SECONDS = 120
start: Any = None


@dataclass(frozen=True)
class Meddling:
    """One process: so many random steps on the runs of these accounts."""

    account_ids: Sequence[int]
    seed: int
    steps: int
    now: datetime


class Writer:
    """Writes as many words as were requested, or refuses."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def write(self, prompt: Prompt, _key: str) -> Completion:
        if self.chance.randrange(REFUSED_ONE_IN) == 0:
            raise ProviderFault("refused", "The AI service said no.")
        body = " ".join(["word"] * prompt.facts["word_count"])
        return Completion(data={"title": "An article", "body": body}, model="race")


def race(url: str, works: Sequence[Meddling], *, guarded: bool = True) -> list[int]:
    """All are released together; returns the number of runs that each process executed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with context.Pool(len(works), _begin, (context.Barrier(len(works)), guarded)) as pool:
        return pool.starmap(_work, [(url, work) for work in works], chunksize=1)


def _begin(barrier: Any, guarded: bool) -> None:
    global start
    start = barrier
    if not guarded:
        _forget_the_total_when_retrying()


def _forget_the_total_when_retrying() -> None:
    """The build that must fail: a retry, or a rescued run, sets credits aside without the counter of its start."""
    again = rule_engine.set_aside_again

    def without_total(session: Session, context: RunContext, most: int) -> Any:
        context.max_credits = None
        return again(session, context, most)

    rule_engine.set_aside_again = without_total


def _work(url: str, work: Meddling) -> int:
    _be_patient(url)
    engine = create_engine(url, **engine_options(url))
    prepare(engine)
    try:
        with Session(engine, expire_on_commit=False) as session:
            start.wait(300)
            return _Worker(session, work).meddle()
    except Exception:
        # The others must not wait for this one.
        start.abort()
        raise
    finally:
        engine.dispose()


def _be_patient(url: str) -> None:
    """On SQLite eight writers of a busy machine may wait for longer than a person would."""
    if url.startswith("sqlite"):
        database.LOCK_WAIT_SECONDS = PATIENCE_SECONDS


class _Worker:
    """One process: its own session, clock and random numbers."""

    def __init__(self, session: Session, work: Meddling) -> None:
        self.session, self.work, self.chance = session, work, random.Random(work.seed)
        writer = make_works(Writer(self.chance))
        executor = ActionExecutor(self.transaction, writer, lambda: work.now, lambda: False)
        self.engine = RuleEngine(
            self.transaction, executor, lambda: work.now, lambda _lease: nullcontext(), "race"
        )

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        try:
            yield self.session
            self.session.commit()
        except BaseException:
            self.session.rollback()
            raise

    def meddle(self) -> int:
        executed = 0
        steps: dict[str, Callable[[], object]] = {
            "retry": self._retry,
            "rescue": self._rescue,
            "edit": self._edit,
        }
        for _ in range(self.work.steps):
            step = self.chance.choice(STEPS)
            if step == "execute":
                executed += sum(self.engine.execute(run_id) for run_id in self._some(Status.PENDING))
            else:
                steps[step]()
        return executed

    def _some(self, status: Status) -> list[int]:
        with self.transaction() as session:
            query = select(ScheduledTask.id).where(
                ScheduledTask.account_id.in_(self.work.account_ids), ScheduledTask.status == status
            )
            found = list(session.scalars(query))
        return self.chance.sample(found, min(3, len(found)))

    def _retry(self) -> None:
        for run_id in self._some(Status.FAILED):
            try:
                with self.transaction() as session:
                    commands.retry(session, session.get_one(ScheduledTask, run_id), self.work.now)
            except Conflict:
                continue

    def _rescue(self) -> None:
        """As if the workers of running runs had stopped sending heartbeats: pending again, with what they set aside."""
        # One in each transaction, as a sweep does: together they would lock runs in an order of their own.
        for run_id in self._some(Status.RUNNING):
            with self.transaction() as session:
                session.execute(
                    update(ScheduledTask)
                    .where(ScheduledTask.id == run_id, ScheduledTask.status == Status.RUNNING)
                    .values(
                        status=Status.PENDING,
                        lease_token=None,
                        lease_until=None,
                        not_before=self.work.now - timedelta(seconds=1),
                    )
                    .execution_options(synchronize_session=False)
                )

    def _edit(self) -> None:
        with self.transaction() as session:
            session.execute(
                update(Task)
                .where(Task.account_id.in_(self.work.account_ids), Task.id % 3 == self.chance.randrange(3))
                .values(word_count=self.chance.choice(WORDS))
                .execution_options(synchronize_session=False)
            )
