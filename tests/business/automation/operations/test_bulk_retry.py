"""Retrying all failed runs of a filter: reported first, executed once, stopped on demand, never before other work."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Role
from app.business.automation.models import AutomationRule
from app.business.automation.operation_models import Operation
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.draining.drain import drain
from app.business.automation.services.history.run_list import RunFilters
from app.business.automation.services.operation_registry import KINDS
from app.business.automation.services.operations import bulk_retry, lifecycle
from app.business.automation.services.operations.bulk_retry import RetryReport, RetrySkip
from app.business.automation.services.operations.lifecycle import OperationRequest
from app.business.automation.services.runs import commands
from app.business.automation.services.runs.reservations import ready
from app.business.errors import Conflict
from app.business.language_model import Completion, Prompt
from app.business.planner.models import Sector, Site
from app.infrastructure.ai.offline import OfflineModel
from app.infrastructure.database import db
from tests.business.automation.machine import Machine
from tests.business.automation.provider import FailingModel
from tests.business.automation.rule_parts import IDEAS
from tests.business.automation.run_rows import make_run
from tests.factories import NOW, make_account, make_cluster, make_keyword, make_task
from tests.modules.automation_pages import counted

EDITOR, OPERATOR = Actor(None, Role.EDITOR), Actor(None, Role.OPERATOR)
ALL = RunFilters()


def report_of(
    machine: Machine, account: Account, filters: RunFilters = ALL, actor: Actor = EDITOR
) -> RetryReport:
    return bulk_retry.dry_report(machine.session, account, filters, actor, machine.now)


def begin(machine: Machine, account: Account) -> Operation:
    operation = bulk_retry.begin_bulk_retry(
        machine.session, account, report_of(machine, account), EDITOR, machine.now
    )
    machine.session.commit()
    return operation


def execute(machine: Machine, transaction: Any = None) -> None:
    lifecycle.execute_next(transaction or machine.transaction, KINDS, machine.clock)
    machine.session.expire_all()


def failed_runs(machine: Machine, account: Account, count: int) -> list[ScheduledTask]:
    """Failed runs of a rule without price, each after its first attempt."""
    rule = machine.make_rule(account)
    runs = [
        make_run(machine.session, rule, NOW - timedelta(hours=1), Status.FAILED, attempt=1, admitted_at=NOW)
        for _ in range(count)
    ]
    machine.session.commit()
    return runs


@pytest.fixture
def half_done(machine: Machine, session: Session, account: Account, sector: Sector) -> list[ScheduledTask]:
    """Three failed runs: of three, two and two clusters one each failed."""
    runs = []
    for count, name in ((3, "First"), (2, "First"), (2, "Second")):
        clusters = [make_cluster(session, sector).id for _ in range(count)]
        for cluster_id in clusters:
            make_keyword(session, sector, cluster_id=cluster_id, status="clustered")
        machine.model = FailingModel("refused", only=f"-{clusters[0]}")
        rule = machine.make_rule(account, name=name, trigger="cluster_created", actions=[IDEAS])
        runs.append(machine.run_now(rule, record_ids=clusters))
    machine.model = FailingModel()
    assert {run.status for run in runs} == {Status.FAILED}
    return runs


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs in one transaction instead of fifty."""
    monkeypatch.setattr(bulk_retry, "CHUNK", 2)


def test_it_reports_first_what_is_kept_and_what_it_costs(
    machine: Machine, account: Account, half_done: list[ScheduledTask]
) -> None:
    report = report_of(machine, account)
    assert [run_id for run_id, _ in report.runs] == [run.id for run in half_done]
    assert (report.finished_units, report.credits_most, report.left_out) == (4, 15, {})
    assert report.credits_available == 1000 - 20
    assert sorted((part.name, part.runs, part.credits_most) for part in report.by_rule.values()) == [
        ("First", 1, 5),
        ("First (2)", 1, 5),
        ("Second", 1, 5),
    ]
    assert all(run.status == Status.FAILED for run in machine.runs())


def test_runs_are_retried_to_their_end_for_no_more_than_reported(
    machine: Machine, session: Session, account: Account, half_done: list[ScheduledTask]
) -> None:
    before, report = account.credits_balance, report_of(machine, account)
    operation = begin(machine, account)
    execute(machine)
    assert (operation.state, operation.done, operation.total) == ("done", 3, 3)
    assert operation.result == {"retried": 3, "left_alone": 0}
    machine.settle()
    session.expire_all()
    assert {(run.status, run.attempt) for run in half_done} == {(Status.COMPLETED, 2)}
    assert before - account.credits_balance == report.credits_most == 15
    assert machine.breaches() == []


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (RunFilters(status=["failed"]), [0, 1, 2]),
        (RunFilters(status=["completed", "failed"]), [0, 1, 2]),
        (RunFilters(status=["completed"]), []),
        (RunFilters(reason="action_failed"), [0, 2]),
        (RunFilters(cause="api"), [1]),
        (RunFilters(after=NOW - timedelta(hours=2)), [0, 1]),
        (RunFilters(before=NOW - timedelta(hours=2)), [2]),
    ],
)
def test_only_the_failed_runs_of_the_filter_count(
    machine: Machine, account: Account, filters: RunFilters, expected: list[int]
) -> None:
    runs = failed_runs(machine, account, 3)
    runs[1].cause, runs[1].reason = "api", "timed_out"
    runs[2].scheduled_at -= timedelta(days=1)
    make_run(machine.session, machine.make_rule(account), NOW, Status.COMPLETED)
    make_run(machine.session, machine.make_rule(make_account(machine.session)), NOW, Status.FAILED)
    found = [run_id for run_id, _ in report_of(machine, account, filters).runs]
    assert found == [runs[index].id for index in expected]


def test_a_filter_by_rule_takes_that_rules_runs(machine: Machine, account: Account) -> None:
    mine = failed_runs(machine, account, 1)
    failed_runs(machine, account, 1)
    found = report_of(machine, account, RunFilters(rules=[mine[0].automation_rule_id]))
    assert found.runs == [(mine[0].id, 1)]


def test_runs_that_failed_after_the_report_are_not_retried(machine: Machine, account: Account) -> None:
    (first,) = failed_runs(machine, account, 1)
    as_of, session = machine.now, machine.session
    later = make_run(machine.session, machine.make_rule(account), NOW, Status.FAILED, attempt=1)
    later.finished_at = as_of + timedelta(seconds=1)
    machine.pass_time(minutes=1)
    assert bulk_retry.dry_report(session, account, ALL, EDITOR, as_of).runs == [(first.id, 1)]


def test_runs_that_cannot_be_retried_are_left_out_with_a_reason(
    machine: Machine, session: Session, account: Account, sector: Sector, half_done: list[ScheduledTask]
) -> None:
    half_done[0].site_id = sector.site_id
    session.get_one(Site, sector.site_id).status = "paused"
    report = report_of(machine, account)
    assert (len(report.runs), report.left_out) == (2, {RetrySkip.SITE_PAUSED: 1})
    account.paused_at = NOW
    report = report_of(machine, account)
    assert (report.runs, report.left_out) == ([], {RetrySkip.PAUSED: 3})
    with pytest.raises(Conflict, match="Resume it first"):
        begin(machine, account)


def test_runs_dearer_than_their_limit_are_left_out_for_operators_alone(
    machine: Machine, account: Account, half_done: list[ScheduledTask]
) -> None:
    account.operator_credit_limit = 4
    assert report_of(machine, account, actor=OPERATOR).left_out == {RetrySkip.TOO_DEAR: 3}
    assert report_of(machine, account, actor=EDITOR).left_out == {}
    account.operator_credit_limit = 5
    assert len(report_of(machine, account, actor=OPERATOR).runs) == 3


def test_without_failed_runs_the_report_is_refused(machine: Machine, account: Account) -> None:
    with pytest.raises(Conflict, match="No failed run fits"):
        begin(machine, account)


def test_the_newest_are_taken_when_there_are_too_many(
    machine: Machine, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = failed_runs(machine, account, 3)
    runs[0].scheduled_at -= timedelta(days=1)
    monkeypatch.setattr(bulk_retry, "MOST_RUNS", 2)
    report = report_of(machine, account)
    assert (report.runs, report.beyond) == ([(run.id, 1) for run in runs[1:]], 1)


def test_the_report_costs_as_many_queries_for_forty_runs_as_for_four(
    machine: Machine, account: Account
) -> None:
    counts = []
    for more in (4, 36):
        failed_runs(machine, account, more)
        with counted() as sent:
            report_of(machine, account)
        counts.append(len(sent))
    assert counts[0] == counts[1] <= 17


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
