"""A retry of all failed runs gives way to other work, and does each run once whatever happens meanwhile."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from threading import Barrier, Thread
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.automation_service import AutomationService
from app.business.automation.services.draining.drain import drain
from app.business.automation.services.operations import bulk_retry, lifecycle
from app.business.automation.services.operations.lifecycle import OperationRequest
from app.business.automation.services.runs import commands
from app.business.automation.services.runs.reservations import ready
from app.business.language_model import Completion, Prompt
from app.business.planner.models import Sector
from app.infrastructure.ai.offline import OfflineModel
from app.infrastructure.database import db
from tests.business.automation.machine import Machine
from tests.business.automation.operations.bulk_retries import (
    EDITOR,
    begin,
    execute,
    failed_runs,
)
from tests.business.automation.run_rows import make_run
from tests.factories import NOW, make_task


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs in one transaction instead of fifty."""
    monkeypatch.setattr(bulk_retry, "CHUNK", 2)


def test_work_that_becomes_due_meanwhile_goes_first(
    machine: Machine, session: Session, account: Account
) -> None:
    retried = failed_runs(machine, account, 2)
    begin(machine, account)
    execute(machine)
    machine.pass_time(minutes=5)
    fresh = make_run(session, machine.make_rule(account, priority=9), machine.now, Status.PENDING)
    session.commit()
    order = session.scalars(ready(fresh.queue, machine.now)).all()
    assert order == [fresh.id, *(run.id for run in retried)]


@dataclass
class Slow:
    """Every article takes six seconds."""

    machine: Machine

    def write(self, prompt: Prompt, key: str) -> Completion:
        self.machine.pass_time(seconds=6)
        return OfflineModel().write(prompt, key)


def test_after_a_long_run_the_worker_checks_for_more_urgent_work(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    machine.model = Slow(machine)
    rules = [
        machine.make_rule(
            account, trigger="task_created", actions=[{"type": "generate_content"}], priority=priority
        )
        for priority in (5, 1)
    ]

    def start(rule: AutomationRule) -> ScheduledTask:
        task = make_task(session, sector, word_count=300)
        return AutomationService().execute(session, rule, EDITOR, machine.now, record_ids=[task.id])

    usual = [start(rules[0]) for _ in range(3)]
    session.commit()
    assert drain(machine.engine, "long", most_runs=100, most_seconds=5).executed == 1
    urgent = start(rules[1])
    session.commit()
    assert drain(machine.engine, "long", most_runs=100, most_seconds=5).executed == 1
    session.expire_all()
    assert [run.status for run in (urgent, *usual)] == ["completed", "completed", "pending", "pending"]


def test_a_person_who_retries_one_run_alone_gets_its_usual_place(
    machine: Machine, session: Session, account: Account
) -> None:
    (run,) = failed_runs(machine, account, 1)
    begin(machine, account)
    execute(machine)
    run.status = Status.FAILED
    session.flush()
    commands.retry(session, run, machine.now)
    assert run.priority == 5


def test_runs_that_somebody_else_retried_meanwhile_are_left_alone(
    machine: Machine, session: Session, account: Account
) -> None:
    waiting, failed_again, untouched = failed_runs(machine, account, 3)
    operation = begin(machine, account)
    commands.retry(session, waiting, machine.now)
    failed_again.attempt = 2
    session.commit()
    execute(machine)
    assert operation.result == {"retried": 1, "left_alone": 2}
    assert (failed_again.status, untouched.status) == (Status.FAILED, Status.PENDING)


def test_two_operations_for_the_same_runs_retry_each_once(
    app: Flask, machine: Machine, session: Session, account: Account, pairs: None
) -> None:
    runs = failed_runs(machine, account, 40)
    asked = [begin(machine, account) for _ in range(2)]
    session.expire_all()
    works = [OperationRequest(operation.id, account.id, None, dict(operation.params)) for operation in asked]
    session.commit()
    results: list[dict[str, Any]] = []
    barrier = Barrier(2)
    engine = db.engine

    @contextmanager
    def transaction() -> Iterator[Session]:
        with Session(engine, expire_on_commit=False) as own, own.begin():
            yield own

    def work(asked: OperationRequest) -> None:
        barrier.wait(30)
        results.append(bulk_retry.run_bulk_retry(transaction, asked, Silent(), lambda: NOW))

    threads = [Thread(target=work, args=(asked,)) for asked in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 2
    assert sum(result["retried"] for result in results) == len(runs)
    session.expire_all()
    assert {(run.status, run.attempt) for run in runs} == {(Status.PENDING, 1)}


@dataclass
class Silent:
    """Progress that nobody reads."""

    def report(self, done: int, total: int | None = None) -> None:
        pass


class Dying:
    """Transactions of a worker that is killed at the beginning of one of them."""

    def __init__(self, machine: Machine, begun: int) -> None:
        self.machine, self.left = machine, begun

    def __call__(self) -> AbstractContextManager[Session]:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return self.machine.transaction()


# 1 takes the operation, 2 reports its beginning, 3 puts the first two back, 4 reports that, and so on.
@pytest.mark.parametrize("begun", [1, 2, 3, 4, 5, 7, 8])
def test_executed_again_after_its_worker_died_it_retries_each_run_once(
    machine: Machine, session: Session, account: Account, pairs: None, begun: int
) -> None:
    runs = failed_runs(machine, account, 5)
    operation = begin(machine, account)
    with pytest.raises(KeyboardInterrupt):
        execute(machine, Dying(machine, begun))
    fail_again(session, runs)
    machine.pass_time(seconds=61)
    with machine.transaction():
        assert lifecycle.rescue_operations(session, machine.now) == 1
    execute(machine)
    assert (operation.state, operation.attempts) == ("done", 2)
    assert operation.result == {"retried": 5, "left_alone": 0}
    fail_again(session, runs)
    assert {run.attempt for run in runs} == {2}


def fail_again(session: Session, runs: list[ScheduledTask]) -> None:
    """Every run that was put back is tried and fails once more."""
    session.expire_all()
    for run in runs:
        if run.status == Status.PENDING:
            run.status, run.attempt = Status.FAILED, run.attempt + 1
    session.commit()


class Interrupting:
    """Transactions before the fifth of which (the second two are about to go) something else happens."""

    def __init__(self, machine: Machine, happens: Any) -> None:
        self.machine, self.happens, self.count = machine, happens, 0

    def __call__(self) -> AbstractContextManager[Session]:
        self.count += 1
        if self.count == 4:
            self.happens()
            self.machine.session.commit()
        return self.machine.transaction()


def test_a_cancelled_one_leaves_the_others_as_they_are(
    machine: Machine, session: Session, account: Account, pairs: None
) -> None:
    runs = failed_runs(machine, account, 5)
    operation = begin(machine, account)
    execute(
        machine,
        Interrupting(machine, lambda: lifecycle.cancel_operation(session, operation, machine.now)),
    )
    assert (operation.state, operation.done) == ("cancelled", 2)
    assert [run.status for run in runs].count(Status.PENDING) == 2


def test_it_stops_when_automation_is_paused_meanwhile(
    machine: Machine, session: Session, account: Account, pairs: None
) -> None:
    runs = failed_runs(machine, account, 5)
    operation = begin(machine, account)

    def pause() -> None:
        account.paused_at = machine.now

    execute(machine, Interrupting(machine, pause))
    assert (operation.state, operation.done) == ("failed", 2)
    assert operation.error_message.startswith("All automation was paused after 2 runs.")
    assert [run.status for run in runs].count(Status.FAILED) == 3


def test_it_shows_the_progress_of_its_runs(machine: Machine, session: Session, account: Account) -> None:
    runs = failed_runs(machine, account, 4)
    operation = begin(machine, account)
    runs[0].status, runs[1].status = Status.COMPLETED, Status.PENDING
    session.flush()
    counts, shown = bulk_retry.runs_of(session, operation, limit=3)
    assert counts == {"completed": 1, "pending": 1, "failed": 2}
    assert [run.status for run in shown] == ["failed", "failed", "pending"]
