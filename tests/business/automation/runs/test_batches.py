"""Runs executed together in one transaction end as they do one by one, whatever meets them."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.run_models import RunAttempt, ScheduledTask, Status
from app.business.automation.services import draining, rule_engine
from app.business.automation.services.draining import drain
from app.business.automation.services.runs import closing, commands
from app.business.automation.services.runs.lease import claim_run
from app.business.automation.services.runs.reservations import RESERVED_FOR, reserve
from app.business.automation.services.triggering.dispatch import dispatch_batches
from app.business.planner.models import Keyword
from app.infrastructure.database import db
from tests import databases
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import LABEL, import_texts
from tests.business.automation.runs.batch_world import BatchWorld, everything
from tests.factories import NOW, make_account, make_sector, make_site
from tests.faults.crashes.trials import times

SEEDS = times(full=range(60), sample=range(1))


@pytest.mark.both_databases
@pytest.mark.parametrize("seed", SEEDS)
def test_a_world_ends_the_same_with_its_runs_executed_together(session: Session, seed: int) -> None:
    alone = life(session, seed, together=False)
    databases.empty(db.engine)
    common = life(session, seed, together=None)
    for table, rows in alone.items():
        assert common[table] == rows, table


def life(session: Session, seed: int, *, together: bool | None) -> dict[str, list[str]]:
    world = BatchWorld(session, rng=Random(seed), together=together)
    world.live()
    assert world.breaches() == []
    assert not world.runs(Status.RUNNING)
    rows = everything(session)
    session.rollback()
    session.expunge_all()
    return rows


@pytest.fixture
def machine(session: Session) -> Machine:
    """Five runs of one rule are due, each over one new keyword."""
    machine = Machine(session)
    account = make_account(session)
    machine.make_rule(account, actions=[LABEL], batching="each")
    import_texts(session, make_sector(session, make_site(session, account)), [f"lamp {n}" for n in range(5)])
    session.commit()
    dispatch_batches(machine.transaction, machine.now)
    return machine


def labelled(machine: Machine) -> int:
    """Number of labelled keywords, each in its second version: labelled once."""
    seen = [
        row for row in machine.session.scalars(select(Keyword)) if "seen" in row.labels and row.version == 2
    ]
    return len(seen)


def attempts(machine: Machine) -> int:
    return machine.session.scalar(select(func.count(RunAttempt.id))) or 0


@pytest.mark.both_databases
def test_runs_of_a_transaction_that_failed_are_executed_one_by_one(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, calls = closing.settle, []

    def fail_once(session: Session, context: Any, outcome: Any) -> None:
        calls.append(context.run.id)
        settle(session, context, outcome)
        if len(calls) == 3:
            raise OSError("Nothing that a run's own steps meet.")

    monkeypatch.setattr(rule_engine.closing, "settle", fail_once)
    monkeypatch.setattr(draining, "LOCKED_SECONDS", 600)
    drained = drain(machine.engine, "events", most_runs=100, most_seconds=60)
    assert (drained.executed, drained.singly) == (5, 3)
    assert {run.status for run in machine.runs()} == {Status.COMPLETED}
    assert (labelled(machine), attempts(machine)) == (5, 5)
    assert machine.breaches() == []


def test_reserved_runs_are_left_to_whoever_has_reserved_them(machine: Machine) -> None:
    session = machine.session
    mine = reserve(session, "events", 3, NOW)
    others = reserve(session, "events", 3, NOW)
    assert (len(mine.rules), len(others.rules)) == (3, 2)
    assert not mine.rules.keys() & others.rules.keys()
    first = next(iter(mine.rules))
    assert claim_run(session, first, "another", NOW) is None
    assert claim_run(session, first, "another", NOW, others.token) is None
    assert claim_run(session, first, "mine", NOW, mine.token)


def test_a_worker_that_dies_with_reserved_runs_delays_them_for_a_moment(machine: Machine) -> None:
    session = machine.session
    assert len(reserve(session, "events", 2, NOW).rules) == 2
    session.commit()
    assert drain(machine.engine, "events", most_runs=100, most_seconds=60).executed == 3
    machine.now += RESERVED_FOR + timedelta(seconds=1)
    left = reserve(session, "events", 5, machine.now)
    assert left.left_behind == set(left.rules)
    session.rollback()
    assert drain(machine.engine, "events", most_runs=100, most_seconds=60).executed == 2
    assert (labelled(machine), machine.breaches()) == (5, [])


def test_a_run_left_behind_by_a_dead_worker_is_executed_alone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve(machine.session, "events", 1, NOW)
    machine.session.commit()
    machine.now += RESERVED_FOR + timedelta(seconds=1)
    together: list[int] = []
    within = rule_engine.RuleEngine.execute_within

    def note(engine: Any, session: Session, run_id: int, reserved: str) -> Any:
        together.append(run_id)
        return within(engine, session, run_id, reserved)

    monkeypatch.setattr(rule_engine.RuleEngine, "execute_within", note)
    drain(machine.engine, "events", most_runs=100, most_seconds=60)
    first, *others = (run.id for run in machine.runs())
    assert (together, labelled(machine)) == (others, 5)
    assert first not in together


def test_a_reserved_run_can_be_cancelled(machine: Machine) -> None:
    reserve(machine.session, "events", 1, NOW)
    run = machine.runs()[0]
    commands.cancel(machine.session, run, NOW)
    machine.session.commit()
    assert (run.status, run.lease_token) == (Status.SKIPPED, None)
    machine.settle()
    assert labelled(machine) == 4


def test_what_a_drain_does_not_come_to_is_free_at_once(machine: Machine) -> None:
    assert drain(machine.engine, "events", most_runs=2, most_seconds=60).executed == 2
    held = select(func.count(ScheduledTask.id)).where(ScheduledTask.lease_token.is_not(None))
    assert machine.session.scalar(held) == 0
