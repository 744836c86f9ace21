"""Killed between database and queue server, in an import, a dispatch, an enqueue or a migration: nothing is lost."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from redis import Redis
from rq_scheduler import Scheduler
from sqlalchemy import create_engine, func, select, text, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.operation_models import Operation, OperationState
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.auditing.invariants import audit
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.triggering.planning import WINDOW
from app.business.base import Base
from app.business.events import Event
from app.business.planner.models import Keyword
from app.infrastructure.messaging.periodic import BY_ID
from app.infrastructure.messaging.queues import waiting_jobs
from app.infrastructure.messaging.scheduler import arm
from tests import databases
from tests.business.automation.rule_parts import LABEL
from tests.factories import make_account, make_sector, make_site
from tests.faults.crashes.trials import Trials
from tests.sampling import times

NOTIFY = {"type": "notify", "params": {"message": "Hi"}}
EVERY_FIVE = {"cron": "*/5 * * * *", "timezone": "UTC"}
KEYWORDS = 300


def make_rule(session: Session, account: Account, now: datetime, **values: object) -> None:
    AutomationService().create_rule(session, account, {"name": "Rule"} | values, Actor(None), now)
    session.commit()


@dataclass(frozen=True)
class Place:
    """Ids only: reading a row would lock the database that the children work on."""

    account_id: int
    sector_id: int


def make_place(session: Session, today: datetime, batching: str = "batch") -> Place:
    """A sector whose new keywords a rule labels."""
    account = make_account(session, granted_at=datetime.now(UTC))
    make_rule(
        session, account, today - timedelta(hours=1), trigger="keyword_added", actions=[LABEL],
        max_executions_per_day=1000, batching=batching,
    )  # fmt: skip
    sector = make_sector(session, make_site(session, account))
    place = Place(account.id, sector.id)
    session.commit()
    return place


def labelled(session: Session, place: Place) -> list[int]:
    """Of the place's keywords: how many, how many labelled, how many events, runs that completed."""
    account_id = place.account_id
    events = select(func.count(Event.id)).where(Event.account_id == account_id)
    runs = select(func.count(ScheduledTask.id)).where(
        ScheduledTask.account_id == account_id, ScheduledTask.status == Status.COMPLETED
    )
    with reading(session):
        labels = session.scalars(select(Keyword.labels).where(Keyword.account_id == account_id)).all()
        return [len(labels), labels.count(["seen"]), session.scalar(events) or 0, session.scalar(runs) or 0]


def breaches(session: Session, now: datetime) -> list[str]:
    """Invariants that do not hold; runs that nobody has worked on here are due all the same."""
    with reading(session):
        return [breach.name for breach in audit(session, now) if breach.name != "pending_in_time"]


@contextmanager
def reading(session: Session) -> Iterator[None]:
    """What the children have left; nothing stays locked for the next ones."""
    session.rollback()
    yield
    session.rollback()


def test_a_change_committed_before_the_crash_reaches_its_rule_once(
    world: Session, trials: Trials, today: datetime, valkey: Redis
) -> None:
    for number in range(times(full=10, sample=1)):
        place = make_place(world, today)
        valkey.flushdb()
        assert trials.dies("type_keyword", place.sector_id, f"lamp {number}", dies="before-hint")
        assert sum(waiting_jobs(valkey).values()) == 0
        trials.run("heal")
        assert labelled(world, place) == [1, 1, 1, 1]
        assert breaches(world, today + timedelta(minutes=10)) == []


def test_this_trial_fails_if_nobody_looks_for_events(world: Session, trials: Trials, today: datetime) -> None:
    place = make_place(world, today)
    assert trials.dies("type_keyword", place.sector_id, "lamp", dies="before-hint")
    trials.run("heal", without=["dispatch"])
    assert labelled(world, place) != [1, 1, 1, 1]


IMPORT_COMMITS = 8
"""Of an import of so many keywords: the reading, the asking, the loading, two parts, the look for a wish, the end."""
IMPORT_DIES = [
    f"{side}:{number}"
    for number in range(2, IMPORT_COMMITS + 1)
    for side in ("before-commit", "after-commit")
]


def expire_operations(session: Session, today: datetime) -> None:
    """The minute until a lease ends is taken from the row, not waited for."""
    with reading(session):
        silent = update(Operation).where(Operation.state == OperationState.RUNNING)
        session.execute(silent.values(lease_until=today - timedelta(minutes=1)))
        session.commit()


@pytest.mark.parametrize("dies", times(full=IMPORT_DIES, sample=["before-commit:5", "after-commit:4"]))
def test_an_import_killed_midway_is_finished_by_the_sweep_as_one(
    world: Session, trials: Trials, today: datetime, dies: str
) -> None:
    for _ in range(times(full=3, sample=1)):
        place = make_place(world, today)
        assert trials.dies("import_many", place.sector_id, KEYWORDS, dies=dies)
        if dies == "before-commit:2":
            assert labelled(world, place) == [0, 0, 0, 0]
            trials.run("import_many", place.sector_id, KEYWORDS)
        expire_operations(world, today)
        trials.run("heal")
        assert labelled(world, place) == [KEYWORDS, KEYWORDS, KEYWORDS, 1]
        assert breaches(world, today + timedelta(minutes=10)) == []


def test_this_trial_fails_if_an_import_is_reported_in_pieces(
    world: Session, trials: Trials, today: datetime
) -> None:
    place = make_place(world, today)
    assert trials.dies(
        "import_many", place.sector_id, KEYWORDS, dies="after-commit:4", without=["whole import"]
    )
    trials.run("heal")
    expire_operations(world, today)
    trials.run("heal")
    assert labelled(world, place) != [KEYWORDS, KEYWORDS, KEYWORDS, 1]


MANY, AT_ONCE = 24, 5
"""Keywords with a run each, and the most runs that one transaction opens."""
DISPATCH_DIES = [f"{side}:{number}" for number in range(1, 10) for side in ("before-commit", "after-commit")]
"""The look for batches, the match, the first transaction, the look for open deliveries, five parts."""
BETWEEN_PARTS = ["after-commit:5", "before-commit:7"]


def opened(session: Session, place: Place) -> int:
    runs = select(func.count(ScheduledTask.id)).where(ScheduledTask.account_id == place.account_id)
    with reading(session):
        return session.scalar(runs) or 0


def kill_while_dispatching(session: Session, trials: Trials, today: datetime, dies: str) -> Place:
    """A place whose import starts many runs, which a worker that is killed was opening."""
    place = make_place(session, today, batching="each")
    trials.run("import_many", place.sector_id, MANY)
    assert trials.dies("work_off_in_parts", AT_ONCE, dies=dies)
    if dies in BETWEEN_PARTS:
        assert 0 < opened(session, place) < MANY
    return place


@pytest.mark.parametrize("dies", times(full=DISPATCH_DIES, sample=BETWEEN_PARTS))
def test_a_worker_killed_between_the_parts_of_a_batch_starts_each_run_once(
    world: Session, trials: Trials, today: datetime, valkey: Redis, dies: str
) -> None:
    for _ in range(times(full=10, sample=1)):
        valkey.flushdb()
        place = kill_while_dispatching(world, trials, today, dies)
        trials.run("heal")
        assert labelled(world, place) == [MANY, MANY, MANY, MANY]
        assert opened(world, place) == MANY
        assert breaches(world, today + timedelta(minutes=10)) == []


def test_this_trial_fails_if_a_begun_batch_is_not_continued(
    world: Session, trials: Trials, today: datetime
) -> None:
    place = kill_while_dispatching(world, trials, today, BETWEEN_PARTS[0])
    trials.run("heal", without=["rest of a batch"])
    assert labelled(world, place) != [MANY, MANY, MANY, MANY]


@pytest.fixture
def later(world: Session, today: datetime) -> datetime:
    """A rule runs every five minutes, and it is a quarter of an hour later: time to plan again."""
    make_rule(
        world, make_account(world, granted_at=datetime.now(UTC)), today,
        trigger="schedule", record_type=None, schedule=EVERY_FIVE,
        actions=[NOTIFY], overlap="allow", catch_up="all", max_executions_per_day=1000,
    )  # fmt: skip
    return today + timedelta(minutes=15)


def unarmed(session: Session, valkey: Redis, now: datetime) -> list[datetime]:
    """Future planned times without a scheduled wake-up."""
    query = select(ScheduledTask.scheduled_at).where(ScheduledTask.scheduled_at > now)
    with reading(session):
        planned = session.scalars(query).all()
    assert len(planned) == len(set(planned)) >= 3
    return [
        at for at in planned
        if valkey.zscore(Scheduler.scheduled_jobs_key, f"drain-due-{int(at.timestamp())}") is None
    ]  # fmt: skip


def test_times_planned_before_the_crash_get_their_wake_up(
    world: Session, trials: Trials, valkey: Redis, later: datetime
) -> None:
    for _ in range(times(full=10, sample=1)):
        assert trials.dies("plan", at=later, dies="before-hint")
        assert unarmed(world, valkey, later)
        trials.run("sweep", at=later)
        assert unarmed(world, valkey, later) == []
        assert breaches(world, later) == []
        later += WINDOW


def test_this_trial_fails_if_wake_ups_are_not_scheduled(
    world: Session, trials: Trials, valkey: Redis, later: datetime
) -> None:
    assert trials.dies("plan", at=later, dies="before-hint")
    trials.run("sweep", at=later, without=["alarms"])
    assert unarmed(world, valkey, later)


def entries(valkey: Redis) -> set[str]:
    return {raw.decode() for raw in valkey.zrange(Scheduler.scheduled_jobs_key, 0, -1)}


HAND_OVERS = [f"{side}-hand-over:{number}" for side in ("before", "after") for number in (1, 2)]


@pytest.mark.parametrize("dies", HAND_OVERS)
def test_a_scheduler_killed_while_enqueuing_loses_neither_alarm_nor_recurring_job(
    trials: Trials, valkey: Redis, today: datetime, dies: str
) -> None:
    for _ in range(times(full=10, sample=1)):
        valkey.flushdb()
        arm(valkey, [(today - timedelta(seconds=1), "due")])
        assert trials.dies("hand_over", dies=dies)
        valkey.delete(Scheduler.scheduler_lock_key)
        trials.run("hand_over")
        assert entries(valkey) == set(BY_ID)
        waiting = waiting_jobs(valkey)
        assert (waiting["due"], waiting["clock"]) == (1, 1)


def test_this_trial_fails_if_enqueuing_takes_three_commands(trials: Trials, valkey: Redis) -> None:
    lacking = ["hand-over"]
    assert trials.dies("hand_over", dies="between-commands", without=lacking)
    valkey.delete(Scheduler.scheduler_lock_key)
    assert entries(valkey) != set(BY_ID)


@pytest.fixture
def migrated(
    trials: Trials, database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[[str, list[str]], list[str]]:
    """What is wrong after a migration that was killed there and then started again."""

    def migrate(dies: str, without: list[str]) -> list[str]:
        with _empty_database(database_url, tmp_path / dies, request) as url:
            environment = {"DATABASE_URL": url}
            assert trials.dies("migrate", dies=dies, without=without, environment=environment)
            with suppressed(trials):
                trials.run("migrate", environment=environment)
            return _differences(url)

    return migrate


@contextmanager
def suppressed(trials: Trials) -> Iterator[None]:
    """A second start that fails is found by what it leaves."""
    try:
        yield
    except AssertionError:
        assert "Error" in trials.log.read_text()


def _empty_database(
    database_url: str, folder: Path, request: pytest.FixtureRequest
) -> AbstractContextManager[str]:
    if database_url.startswith("sqlite"):
        folder.mkdir()
        return nullcontext(f"sqlite:///{folder / 'empty.sqlite3'}")
    return databases.own_database(request.getfixturevalue("postgresql_server"))


def _differences(url: str) -> list[str]:
    """Between the tables there are and the models, and the ledger's triggers that are missing."""
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = [str(difference) for difference in compare_metadata(context, Base.metadata)]
        in_postgresql = engine.dialect.name == "postgresql"
        catalogue = "tgname FROM pg_trigger" if in_postgresql else "name FROM sqlite_master"
        names = set(connection.scalars(text(f"SELECT {catalogue}")))
    engine.dispose()
    return found + sorted({"credit_entry_no_update", "credit_entry_no_delete"} - names)


@pytest.mark.parametrize("number", times(full=[*range(4, 104, 10)], sample=[60]))
def test_a_migration_killed_midway_is_done_by_the_next_start(
    migrated: Callable[[str, list[str]], list[str]], number: int
) -> None:
    assert migrated(f"statement:{number}", []) == []


def test_this_trial_fails_if_a_migration_runs_in_pieces(
    migrated: Callable[[str, list[str]], list[str]],
) -> None:
    assert migrated("statement:60", ["whole migration"]) != []
