"""Due runs that a worker keeps for itself for a moment."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services import rule_engine
from app.business.automation.services.action_executor import ActionExecutor
from app.business.automation.services.draining import drain as drain_module
from app.business.automation.services.draining import plain_runs
from app.business.automation.services.draining.drain import drain
from app.business.automation.services.draining.pace import Pace
from app.business.automation.services.draining.plain_runs import first_plain_runs
from app.business.automation.services.runs import commands
from app.business.automation.services.runs.lease import claim_run
from app.business.automation.services.runs.reservations import RESERVED_FOR, Reservation, reserve
from tests.business.automation.machine import Machine
from tests.business.automation.runs.batch_world import drain_all, five_due, labelled
from tests.factories import NOW


@pytest.fixture
def machine(session: Session) -> Machine:
    return five_due(session)


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
    assert drain_all(machine).executed == 3
    machine.now += RESERVED_FOR + timedelta(seconds=1)
    left = reserve(session, "events", 5, machine.now)
    assert left.left_behind == set(left.rules)
    session.rollback()
    assert drain_all(machine).executed == 2
    assert (labelled(machine), machine.breaches()) == (5, [])


def test_a_run_left_behind_by_a_dead_worker_is_executed_alone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve(machine.session, "events", 1, NOW)
    machine.session.commit()
    machine.now += RESERVED_FOR + timedelta(seconds=1)
    alone: list[int] = []
    execute = rule_engine.RuleEngine.execute

    def note(engine: Any, run_id: int, reserved: str = "") -> bool:
        alone.append(run_id)
        return execute(engine, run_id, reserved)

    monkeypatch.setattr(rule_engine.RuleEngine, "execute", note)
    drain_all(machine)
    assert (alone, labelled(machine)) == ([machine.runs()[0].id], 5)


def test_a_reserved_run_can_be_cancelled(machine: Machine) -> None:
    reserve(machine.session, "events", 1, NOW)
    run = machine.runs()[0]
    commands.cancel(machine.session, run, NOW)
    machine.session.commit()
    assert (run.status, run.lease_token) == (Status.SKIPPED, None)
    machine.settle()
    assert labelled(machine) == 4


def test_what_a_drain_does_not_come_to_is_free_at_once(machine: Machine) -> None:
    assert (
        drain(machine.engine, "events", most_runs=2, most_seconds=60, pace=Pace(timer=lambda: 0.0)).executed
        == 2
    )
    held = select(func.count(ScheduledTask.id)).where(ScheduledTask.lease_token.is_not(None))
    assert machine.session.scalar(held) == 0


def test_where_runs_need_transactions_of_their_own_few_are_reserved_with_them(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those behind them would be reserved and given back each time."""
    reserved: list[int] = []
    real = drain_module.reserve

    def note(*given: Any) -> Reservation:
        found = real(*given)
        reserved.append(len(found.rules))
        return found

    monkeypatch.setattr(drain_module, "reserve", note)
    monkeypatch.setattr(ActionExecutor, "fits_one_transaction", lambda *_: False)
    monkeypatch.setattr(plain_runs, "has_plain_size", lambda *_: False)
    assert drain_all(machine).executed == 5
    assert (reserved, labelled(machine), machine.breaches()) == ([5, 2, 2, 2, 1, 0], 5, [])


def test_a_reservation_that_is_not_checked_is_found(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_runs, "_still", lambda run_ids, *_: (ScheduledTask.id.in_(run_ids),))
    with pytest.raises(AssertionError):
        test_runs_that_another_worker_has_reserved_meanwhile_are_in_no_set(machine)


def test_runs_that_another_worker_has_reserved_meanwhile_are_in_no_set(machine: Machine) -> None:
    session, works = machine.session, machine.engine.executor.works
    mine = reserve(session, "events", 5, NOW)
    later = NOW + RESERVED_FOR + timedelta(seconds=1)
    others = reserve(session, "events", 2, later)
    assert not first_plain_runs(session, list(mine.rules), mine.token, works, later).runs
    assert (
        first_plain_runs(session, list(others.rules), others.token, works, later).runs.keys()
        == others.rules.keys()
    )
