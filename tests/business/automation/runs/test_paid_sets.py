"""Paid runs executed by sets of statements end as they do one by one."""

from contextlib import suppress
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Status
from app.business.automation.services import rule_engine
from app.business.automation.services.draining import drain as drain_module
from app.business.automation.services.draining import paid_execution, paid_sets
from app.business.automation.services.draining.drain import drain
from app.business.automation.services.draining.pace import Overdue, Pace
from app.business.automation.services.draining.paid_answers import MadeSet, make_ideas
from app.business.automation.services.draining.paid_runs import PaidRuns
from app.business.automation.services.draining.paid_sets import PaidSets
from app.business.automation.services.draining.set_execution import Unexpected
from app.business.automation.services.runs.opening import LONG_QUEUE
from app.business.automation.services.runs.reservations import RESERVED_FOR
from app.business.billing.models import EntryKind
from app.business.billing.services.credit_service import CreditService
from app.business.planner.models import Site
from app.business.planner.services.ideas_service import IdeasService
from app.infrastructure.database import db
from tests import databases
from tests.business.automation.held_world import Killed
from tests.business.automation.machine import Machine
from tests.business.automation.runs.paid_world import PaidWorld, drain_all, due_again, six_due, spent
from tests.business.automation.runs.set_trials import killed_at, never_rolled_back, whole_life
from tests.business.automation.runs.test_engine_cost import statements
from tests.sampling import times

SEEDS = times(full=range(100), sample=range(1))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_paid_world_ends_the_same_with_its_runs_executed_together(
    session: Session, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both lives take as many runs at a time, so that accounts have their turns in the same order.
    monkeypatch.setattr(drain_module, "MOST_SELECTED", drain_module.MOST_RESERVED)
    alone = whole_life(PaidWorld(session, rng=Random(seed), together=False))
    databases.empty(db.engine)
    break_some_sets(monkeypatch)
    common = whole_life(PaidWorld(session, rng=Random(seed), together=None, set_size=2))
    for table, rows in alone.items():
        assert common[table] == rows, table


def break_some_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """One set in four finds that something has changed before it writes."""
    write, calls = PaidSets._write, count()

    def write_some(sets: PaidSets, *given: Any) -> Any:
        if next(calls) % 4 == 1:
            raise Unexpected
        return write(sets, *given)

    monkeypatch.setattr(PaidSets, "_write", write_some)


@pytest.fixture
def machine(session: Session) -> Machine:
    return six_due(session)


def without_limits(machine: Machine) -> None:
    """Credits for as many runs as there may be statements to be killed at, and no budgets."""
    with machine.transaction() as session:
        account = session.scalars(select(Account)).one()
        account.daily_ceiling = session.scalars(select(Site)).one().monthly_budget = None
        session.scalars(select(AutomationRule)).one().monthly_budget = None
        CreditService().add(
            session, account_id=account.id, kind=EntryKind.ADJUST, amount=10_000, key="more", reason="More",
            now=machine.now,
        )  # fmt: skip


@pytest.mark.both_databases
def test_a_paid_run_in_a_set_takes_at_most_ten_statements(machine: Machine) -> None:
    due_again(machine, 14)
    with statements() as seen:
        drained = drain_all(machine)
    assert (drained.executed, drained.as_set, drained.singly) == (20, 20, 0)
    assert len(seen) <= 10 * 20, "\n".join(seen)
    assert spent(machine) == (20, 20, 20)
    assert machine.breaches() == []


def test_a_paid_run_by_itself_takes_at_most_90_statements_and_five_transactions(machine: Machine) -> None:
    begins: list[object] = []
    note = begins.append
    run = machine.runs()[0]
    event.listen(db.engine, "begin", note)
    with statements() as seen:
        assert machine.engine.execute(run.id)
    event.remove(db.engine, "begin", note)
    assert len(seen) <= 90, "\n".join(seen)
    assert len(begins) <= 5


@pytest.mark.both_databases
def test_a_set_that_fails_at_its_end_is_executed_one_by_one(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paid_execution, "charge_at_once", _fail)
    drained = drain_all(machine)
    assert (drained.executed, drained.as_set, drained.singly) == (6, 0, 6)
    assert spent(machine) == (6, 6, 6)
    assert machine.breaches() == []


def _fail(*_: object) -> None:
    raise OSError("All is done but for the charges.")


def test_what_fails_after_a_set_has_been_written_is_not_said_of_its_runs(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MadeSet, "note_saved", _fail)
    drained = drain_all(machine)
    assert (drained.executed, drained.as_set, drained.singly) == (6, 6, 0)
    assert isinstance(drained.cause, OSError)
    assert spent(machine) == (6, 6, 6)


def test_a_fallback_that_executes_its_runs_again_is_found(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paid_execution, "charge_at_once", _fail)
    monkeypatch.setattr(machine, "transaction", never_rolled_back(machine))
    with suppress(SQLAlchemyError):
        drain_all(machine)
    machine.session.rollback()
    done = {run.status for run in machine.runs()} == {Status.COMPLETED}
    assert not (done and spent(machine) == (6, 6, 6) and not machine.breaches())


def test_a_set_that_takes_too_long_is_made_smaller(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the pace: with six runs a set takes long, with one it does not."""
    pace = Pace(timer=lambda: 0.0)
    asked: list[int] = []

    def require_time(_began: float) -> None:
        asked.append(pace.runs)
        if pace.runs > 2:
            raise Overdue

    def note_ideas(service: IdeasService, paid: PaidRuns) -> Any:
        made.append(len(paid.matching))
        return make_ideas(service, paid)

    made: list[int] = []
    monkeypatch.setattr(paid_sets, "make_ideas", note_ideas)
    monkeypatch.setattr(pace, "require_time", require_time)
    drained = drain(machine.engine, LONG_QUEUE, most_runs=100, most_seconds=60, pace=pace)
    assert (drained.executed, drained.singly, asked[0]) == (6, 0, 50)
    # What is made for a set that was too large is written by smaller ones, and not made again.
    assert made == [6]
    assert spent(machine) == (6, 6, 6)


def test_runs_are_reserved_and_read_once_however_many_transactions_write_them(machine: Machine) -> None:
    due_again(machine, 14)
    with statements() as seen:
        drained = drain_all(machine, runs=2)
    assert (drained.executed, drained.as_set) == (20, 20)
    assert sum("SET lease_token" in one for one in seen) == 1
    assert sum(" idea.title, " in one and "FROM idea" in one for one in seen) == 1
    assert sum(one.startswith("INSERT INTO run_attempt") for one in seen) > 2
    assert spent(machine) == (20, 20, 20)
    assert machine.breaches() == []


@pytest.mark.both_databases
def test_a_worker_killed_at_any_statement_of_a_paid_set_loses_nothing_and_charges_once(
    machine: Machine,
) -> None:
    without_limits(machine)
    with statements() as seen:
        # In two transactions that write.
        assert drain_all(machine, runs=4).as_set == 6
    whole = len(seen)
    points = times(full=range(1, whole + 1), sample=range(4, whole + 1, whole // 4))
    for number, point in enumerate(points, 2):
        due_again(machine, 6)
        # By a new process, which remembers nothing.
        vars(machine).pop("engine", None)
        with pytest.raises(Killed), killed_at(point):
            drain_all(machine, runs=4)
        machine.session.rollback()
        machine.now += RESERVED_FOR + timedelta(seconds=1)
        machine.settle()
        assert spent(machine) == (6 * number, 6 * number, 6 * number), f"killed at statement {point}"
        assert {run.status for run in machine.runs()} == {Status.COMPLETED}
    assert machine.breaches() == []


def test_where_not_even_a_set_of_one_is_in_time_only_that_run_is_executed_alone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a process that has just begun, which compiles its statements meanwhile."""
    pace, late = Pace(timer=lambda: 0.0), count()

    def require_time(_began: float) -> None:
        if next(late) < 2:
            raise Overdue

    monkeypatch.setattr(pace, "require_time", require_time)
    drained = drain(machine.engine, LONG_QUEUE, most_runs=100, most_seconds=60, pace=pace)
    assert (drained.executed, drained.as_set, drained.singly) == (6, 5, 1)
    assert spent(machine) == (6, 6, 6)


def test_a_worker_that_ends_amid_runs_that_failed_together_reserves_none(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = rule_engine.RuleEngine.execute

    def execute_and_end(engine: Any, run_id: int, reserved: str = "") -> bool:
        is_done = execute(engine, run_id, reserved)
        machine.draining = len(machine.runs(Status.COMPLETED)) == 2
        return is_done

    monkeypatch.setattr(rule_engine.RuleEngine, "execute", execute_and_end)
    monkeypatch.setattr(paid_execution, "charge_at_once", _fail)
    drained = drain_all(machine)
    assert (drained.executed, drained.has_more) == (2, True)
    assert {run.lease_token for run in machine.runs(Status.PENDING)} == {None}
