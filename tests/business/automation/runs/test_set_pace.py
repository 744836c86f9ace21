"""Sets of runs of several accounts and rules: what they cost, what each rule's limit allows, how long others wait."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import event, select, true
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleDay
from app.business.automation.run_models import Reason, Status
from app.business.automation.services.draining import pace as pace_module
from app.business.automation.services.draining.drain import drain
from app.business.automation.services.draining.pace import Pace
from app.business.automation.services.runs import daily_limit
from app.business.automation.services.triggering.dispatch import dispatch_batches
from app.business.planner.models import Keyword
from app.infrastructure.database import db
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import LABEL, import_texts
from tests.business.automation.runs.test_engine_cost import statements
from tests.factories import make_account, make_sector, make_site

LONGEST_SECONDS = 0.2


def machine_of(session: Session, accounts: int, runs: int, **rule: Any) -> Machine:
    """So many accounts, each with a rule for which so many runs are due."""
    machine = Machine(session)
    for number in range(accounts):
        account = make_account(session, name=f"Account {number}")
        values = {"max_executions_per_day": 1000} | rule
        machine.make_rule(account, actions=[LABEL], batching="each", **values)
        sector = make_sector(session, make_site(session, account))
        import_texts(session, sector, [f"lamp {number}.{place}" for place in range(runs)])
    session.commit()
    dispatch_batches(machine.transaction, machine.now)
    return machine


def labelled(machine: Machine) -> int:
    """Number of keywords that were labelled once."""
    return sum(
        row.labels == ["seen"] and row.version == 2 for row in machine.session.scalars(select(Keyword))
    )


@pytest.mark.both_databases
def test_runs_of_twenty_accounts_take_less_than_one_statement_each(session: Session) -> None:
    machine = machine_of(session, accounts=20, runs=5)
    with statements() as seen:
        assert machine.drain("events", 100) == 100
    assert (machine.as_set, labelled(machine)) == (100, 100)
    assert len(seen) < 50, "\n".join(seen)
    assert machine.breaches() == []


@pytest.mark.both_databases
def test_each_rule_of_a_set_has_its_own_daily_limit(session: Session) -> None:
    machine = machine_of(session, accounts=2, runs=4, when_limited="skip")
    first, second = session.scalars(select(AutomationRule).order_by(AutomationRule.id))
    first.max_executions_per_day = 3
    session.commit()
    machine.settle()
    ended = [(run.automation_rule_id, run.status, run.reason) for run in machine.runs()]
    assert ended.count((first.id, Status.COMPLETED, None)) == 3
    assert ended.count((first.id, Status.SKIPPED, Reason.DAILY_LIMIT)) == 1
    assert ended.count((second.id, Status.COMPLETED, None)) == 4
    assert dict(session.execute(select(RuleDay.rule_id, RuleDay.used)).all()) == {first.id: 3, second.id: 4}
    assert machine.breaches() == []


def test_a_set_whose_limits_are_not_checked_is_found(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_limit, "has_slots", lambda _new: true())
    machine = machine_of(session, accounts=1, runs=4, max_executions_per_day=3, when_limited="skip")
    drain(machine.engine, "events", most_runs=100, most_seconds=60, pace=Pace(timer=lambda: 0.0, runs=2))
    assert machine.breaches()


@dataclass
class SlowMachine:
    """Time passes by statements, and by the rows that they write: `each` seconds."""

    each: float = 0.001
    seconds: float = 0.0
    began: float = 0.0
    transactions: list[float] = field(default_factory=list)

    def execute(
        self, _connection: object, cursor: Any, statement: str, _values: object, _context: object, _many: bool
    ) -> None:
        rows = cursor.rowcount if statement.startswith(("INSERT", "UPDATE")) else 0
        self.seconds += self.each * (1 + rows)

    def begin(self, _connection: object) -> None:
        self.began = self.seconds

    def end(self, _connection: object) -> None:
        self.transactions.append(self.seconds - self.began)

    @contextmanager
    def running(self) -> Iterator[None]:
        listeners = {
            "after_cursor_execute": self.execute,
            "begin": self.begin,
            "commit": self.end,
            "rollback": self.end,
        }
        for name, listener in listeners.items():
            event.listen(db.engine, name, listener)
        try:
            yield
        finally:
            for name, listener in listeners.items():
                event.remove(db.engine, name, listener)


@pytest.mark.both_databases
def test_a_set_that_would_keep_others_waiting_is_given_up_for_smaller_ones(session: Session) -> None:
    assert _longest_of_a_slow_machine(machine_of(session, accounts=2, runs=50)) <= LONGEST_SECONDS


def test_a_set_that_only_other_processes_make_late_is_not_given_up(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, slow = machine_of(session, accounts=2, runs=50), SlowMachine(each=0.02)
    given_up: list[int] = []
    monkeypatch.setattr(Pace, "slow_down", lambda _pace, runs: given_up.append(runs))
    with slow.running():
        pace = Pace(timer=lambda: slow.seconds, work_timer=lambda: 0.0)
        drained = drain(machine.engine, "events", most_runs=100, most_seconds=60, pace=pace)
    assert (drained.as_set, labelled(machine), given_up) == (100, 100, [])
    assert max(slow.transactions) > pace_module.OVERDUE_SECONDS


def test_a_set_that_is_never_given_up_is_found(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace_module, "OVERDUE_SECONDS", float("inf"))
    assert _longest_of_a_slow_machine(machine_of(session, accounts=2, runs=50)) > LONGEST_SECONDS


def _longest_of_a_slow_machine(machine: Machine) -> float:
    slow = SlowMachine()
    pace = Pace(timer=lambda: slow.seconds)
    with slow.running():
        drained = drain(machine.engine, "events", most_runs=100, most_seconds=60, pace=pace)
    assert (drained.executed, drained.as_set, drained.singly) == (100, 100, 0)
    assert (labelled(machine), machine.breaches()) == (100, [])
    assert {run.status for run in machine.runs()} == {Status.COMPLETED}
    return max(slow.transactions)
