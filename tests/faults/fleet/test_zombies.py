"""Workers that are stopped past their lease and then continued: others have done their work, and they write nothing."""

import signal
import time
from collections.abc import Callable

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from app.business.accounts.models import Account
from app.business.automation.run_models import RunAttempt, ScheduledTask
from app.business.automation.unit_models import ActionRun
from app.business.billing.models import CreditEntry, CreditHold
from app.business.events import Event, EventBatch
from app.business.planner.models import Idea
from app.business.writer.models import Content, Task
from app.infrastructure.database import db, hardly_waiting, only_reading, transaction
from tests.faults.fleet.chaos_trial import SEED, ChaosTrial, Site
from tests.processes import eventually, is_alive
from tests.sampling import times

ZOMBIES = times(100, 2)
MOST_AT_ONCE = 4
RUNS = (ScheduledTask, RunAttempt, ActionRun)
EFFECTS = (Account, CreditEntry, CreditHold, Event, EventBatch, Idea, Task, Content)
FLEET = {"clock": 1, "worker": 6, "scheduler": 1}


def everything() -> dict[str, list[str]]:
    """All rows that a worker could write."""
    tables = [model.__table__ for model in RUNS + EFFECTS]
    with only_reading(), transaction() as session:
        return {
            table.name: [str(row) for row in session.execute(select(table).order_by(table.c.id))]
            for table in tables
        }


def stop_some(trial: ChaosTrial, most: int) -> dict[int, int]:
    """Stop work-horses in the middle of their runs; gives process id -> run."""
    stopped: dict[int, int] = {}
    for member in trial.fleet.alive("worker"):
        for horse in member.horses:
            time.sleep(trial.rng.uniform(0, 0.1))
            run_id = trial.load.at_work().get(horse)
            if run_id is None or len(stopped) == most or not is_alive(horse):
                continue
            member.send(signal.SIGSTOP, to=trial.rng.choice(["horse", "both"]))
            if holds_a_lock():
                member.send(signal.SIGCONT)
                trial.acts["stopped inside a transaction, and let go on"] += 1
                continue
            stopped[horse] = run_id
    return stopped


def holds_a_lock() -> bool:
    """Whether somebody keeps a transaction open: a stopped process would, for as long as it is stopped."""
    until = time.monotonic() + 2
    probe = _sqlite_is_locked if db.engine.dialect.name == "sqlite" else _postgresql_waits
    while probe():
        if time.monotonic() > until:
            return True
        time.sleep(0.05)
    return False


def _sqlite_is_locked() -> bool:
    """A stopped process may keep the turn to write as well, before it has begun."""
    try:
        with hardly_waiting(), db.engine.begin():
            return False
    except OperationalError:
        return True


def _postgresql_waits() -> bool:
    query = (
        "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
    )
    with db.engine.connect() as connection:
        return connection.scalar(text(f"{query} AND pid <> pg_backend_pid() LIMIT 1")) is not None


def one_round(trial: ChaosTrial, most: int) -> tuple[int, list[str]]:
    """Stop some, let the others do their work, wake them. Gives their number, and what they wrote."""
    for _ in range(most):
        trial.load.add_paid_rule(1)
    trial.await_work(within=10)
    stopped = stop_some(trial, most)
    trial.note(f"stopped {stopped}")
    assert trial.settle(), trial.fleet.log()
    before = everything()
    for member in trial.fleet.alive("worker"):
        member.send(signal.SIGCONT)
    eventually(lambda: not any(map(is_alive, stopped)), within=30, what="the zombies end")
    after = everything()
    written = [f"{name}: {row}" for name in before for row in set(after[name]) ^ set(before[name])]
    return len(stopped), written


def test_a_worker_that_was_replaced_writes_nothing(site: Site, figure: Callable[[str], None]) -> None:
    with site.chaos_trial(fleet=FLEET, provider_seconds=0.4, standing=False) as trial:
        zombies = 0
        while zombies < ZOMBIES:
            number, written = one_round(trial, min(MOST_AT_ONCE, ZOMBIES - zombies))
            assert written == [], f"SEED={SEED} {trial.trail}"
            zombies += number
        trial.must_hold()
        let_go = trial.acts["stopped inside a transaction, and let go on"]
        figure(
            f"{zombies} zombies wrote nothing ({let_go} more were inside a transaction): "
            f"lost 0, doubled 0 of {trial.load.counts()}"
        )


@pytest.mark.full_trials
def test_without_the_lease_they_write(control_site: Site) -> None:
    with control_site.chaos_trial(
        fleet=FLEET, provider_seconds=0.4, standing=False, plant="write_without_the_lease"
    ) as trial:
        found: list[str] = []
        for _ in range(4):
            found += one_round(trial, MOST_AT_ONCE)[1]
            if found:
                break
        assert found
