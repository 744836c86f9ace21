"""A batch of few events is dispatched in one transaction, and its runs are executed next by the worker that did it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.draining.drain import Drained, drain
from app.business.automation.services.draining.pace import Pace
from app.business.automation.services.runs.reservations import RESERVED_FOR, is_any_due
from app.business.automation.services.triggering import small_batches
from app.business.automation.services.triggering.dispatch import Dispatched, dispatch_batches
from app.business.automation.services.triggering.small_batches import MOST_TAKEN, Taken
from app.business.events import EVENTS_QUEUE
from app.business.planner.models import Sector
from app.infrastructure.database import db
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import LABEL
from tests.business.automation.triggering.event_batches import import_many
from tests.factories import make_account, make_sector, make_site

MOST_TRANSACTIONS, MOST_STATEMENTS = 3, 30
"""From the look at the closed batches to the end of the run."""
LATER = RESERVED_FOR + timedelta(seconds=1)


@pytest.fixture
def rule(machine: Machine, account: Account) -> AutomationRule:
    return machine.make_rule(account, actions=[LABEL], batching="each", max_executions_per_day=1_000)


@dataclass
class Worker:
    """What the clock worker does for one wake-up of the events queue."""

    machine: Machine

    def dispatch(self) -> Taken:
        taken = Taken()
        self.dispatched(taken)
        return taken

    def dispatched(self, taken: Taken) -> Dispatched:
        return dispatch_batches(self.machine.transaction, self.machine.now, taken=taken)

    def drain(self, taken: Taken, most_runs: int = 100) -> Drained:
        return drain(
            self.machine.engine,
            EVENTS_QUEUE,
            most_runs=most_runs,
            most_seconds=60,
            pace=Pace(timer=lambda: 0.0),
            first=taken.reservation,
        )


@contextmanager
def counting() -> Iterator[dict[str, int]]:
    """Statements until a run has ended, and transactions begun."""
    found = {"statements": 0, "transactions": 0}

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        found["statements"] += not statement.startswith(("BEGIN", "SAVEPOINT", "RELEASE"))

    def begun(_connection: Any) -> None:
        found["transactions"] += 1

    event.listen(db.engine, "before_cursor_execute", count)
    event.listen(db.engine, "begin", begun)
    try:
        yield found
    finally:
        event.remove(db.engine, "before_cursor_execute", count)
        event.remove(db.engine, "begin", begun)


@pytest.mark.both_databases
@pytest.mark.usefixtures("rule")
def test_one_event_is_a_finished_run_after_three_transactions(
    machine: Machine, session: Session, sector: Sector
) -> None:
    worker = Worker(machine)
    import_many(session, sector, 1, name="first")
    worker.drain(worker.dispatch())
    import_many(session, sector, 1)
    session.info.clear()
    with counting() as cost:
        taken = worker.dispatch()
        assert EVENTS_QUEUE not in {queue for _, queue in session.info.get("alarms", ())}
        assert worker.drain(taken, most_runs=1).executed == 1
    # The last transaction looks whether more is due.
    assert cost["transactions"] - 1 <= MOST_TRANSACTIONS
    assert cost["statements"] - 1 <= MOST_STATEMENTS
    assert [run.status for run in machine.runs()] == [Status.COMPLETED] * 2
    assert machine.breaches() == []


@pytest.mark.usefixtures("rule")
def test_no_other_worker_takes_its_runs_until_it_is_gone(
    machine: Machine, session: Session, sector: Sector
) -> None:
    import_many(session, sector, 3)
    taken = Worker(machine).dispatch()
    assert len(taken.reservation.rules) == 3
    assert not is_any_due(session, EVENTS_QUEUE, machine.now)
    session.commit()
    assert machine.drain(EVENTS_QUEUE) == 0
    machine.now += LATER
    assert machine.drain(EVENTS_QUEUE) == 3
    assert machine.breaches() == []


@pytest.mark.usefixtures("rule")
def test_while_something_else_is_due_they_wait_for_their_turn(
    machine: Machine, session: Session, sector: Sector
) -> None:
    import_many(session, sector, 1, name="first")
    dispatch_batches(machine.transaction, machine.now)
    other = make_account(session, name="Other")
    machine.make_rule(other, actions=[LABEL])
    import_many(session, make_sector(session, make_site(session, other)), 1)
    taken = Worker(machine).dispatch()
    assert taken.reservation.rules == {}
    assert len(machine.runs(Status.PENDING)) == 2
    machine.settle()
    assert len(machine.runs(Status.COMPLETED)) == 2


def test_a_worker_takes_no_more_than_it_executes_at_once(
    machine: Machine, session: Session, account: Account, sector: Sector, rule: AutomationRule
) -> None:
    for number in range(3):
        import_many(session, sector, 8, name=f"part {number}.")
    taken = Worker(machine).dispatch()
    assert len(taken.reservation.rules) == 16 <= MOST_TAKEN
    machine.settle()
    machine.now += LATER
    machine.settle()
    assert len(machine.runs(Status.COMPLETED)) == 24


@pytest.mark.usefixtures("rule")
def test_a_worker_that_has_to_stop_lets_others_have_them(
    machine: Machine, session: Session, sector: Sector
) -> None:
    import_many(session, sector, 3)
    taken = Worker(machine).dispatch()
    machine.draining = True
    assert Worker(machine).drain(taken).has_more
    machine.draining = False
    assert machine.drain(EVENTS_QUEUE) == 3


class Killed(BaseException):
    """The end of the process."""


def dies(machine: Machine, at: int, *, after_commit: bool) -> Callable[[], Any]:
    """Transactions of a process that is killed at the end of its `at`-th one."""
    begun = [0]

    @contextmanager
    def transaction() -> Iterator[Session]:
        begun[0] += 1
        with machine.transaction() as session:
            yield session
            if begun[0] == at and not after_commit:
                raise Killed
        if begun[0] == at:
            raise Killed

    return transaction


@pytest.mark.both_databases
@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize("at", [1, 2])
def test_killed_at_any_commit_nothing_is_lost_or_done_twice(
    machine: Machine, session: Session, sector: Sector, rule: AutomationRule, at: int, after_commit: bool
) -> None:
    import_many(session, sector, 2)
    with pytest.raises(Killed):
        dispatch_batches(dies(machine, at, after_commit=after_commit), machine.now, taken=Taken())
    machine.settle()
    machine.now += LATER
    machine.settle()
    runs = machine.runs()
    assert [(run.status, run.automation_rule_id) for run in runs] == [(Status.COMPLETED, rule.id)] * 2
    assert machine.breaches() == []


@pytest.mark.usefixtures("rule")
def test_runs_that_somebody_else_has_changed_meanwhile_are_left_to_them(
    machine: Machine, session: Session, sector: Sector
) -> None:
    import_many(session, sector, 2)
    taken = Worker(machine).dispatch()
    first, second = machine.runs(Status.PENDING)
    session.execute(update(ScheduledTask).where(ScheduledTask.id == first.id).values(lease_token="another"))
    session.commit()
    Worker(machine).drain(taken)
    assert {run.id: run.status for run in machine.runs()} == {
        first.id: Status.PENDING,
        second.id: Status.COMPLETED,
    }


def test_many_rules_are_matched_while_others_can_write(
    machine: Machine, session: Session, account: Account, sector: Sector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_batches, "MOST_RULES", 1)
    for number in range(2):
        machine.make_rule(account, name=f"Rule {number}", actions=[LABEL])
    import_many(session, sector, 1)
    taken = Taken()
    done = Worker(machine).dispatched(taken)
    assert (done.batches, done.failures, taken.reservation.rules) == (1, [], {})
    assert len(machine.runs(Status.PENDING)) == 2
