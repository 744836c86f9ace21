"""Retrying all failed runs of a filter: reported first, for no more than reported."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.history.run_filters import RunFilters
from app.business.automation.services.operations import bulk_retry
from app.business.automation.services.operations.bulk_retry import RetrySkip
from app.business.errors import Conflict
from app.business.planner.models import Sector, Site
from tests.business.automation.machine import Machine
from tests.business.automation.operations.bulk_retries import (
    ALL,
    EDITOR,
    OPERATOR,
    begin,
    execute,
    failed_runs,
    report_of,
)
from tests.business.automation.provider import FailingModel
from tests.business.automation.rule_parts import IDEAS
from tests.business.automation.run_rows import make_run
from tests.factories import NOW, make_account, make_cluster, make_keyword
from tests.modules.automation_pages import counted


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
