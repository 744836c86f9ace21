"""Rules that keep failing switch themselves off and say why; failures that are not theirs are not counted."""

from typing import get_args

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AuditEntry, Notice
from app.business.automation.models import AutomationRule, RuleFailure, RuleVersion
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.runs import commands
from app.business.automation.services.runs.consecutive_failures import count_end
from app.business.language_model import PASSING, FaultKind
from app.business.planner.models import Sector
from tests.business.automation.machine import Machine
from tests.business.automation.provider import FailingModel
from tests.business.automation.rule_parts import IDEAS, LABEL, import_texts
from tests.factories import make_cluster, make_keyword


@pytest.fixture
def rule(machine: Machine, session: Session, account: Account, sector: Sector) -> AutomationRule:
    _cluster(session)
    return machine.make_rule(
        account, trigger="schedule", record_type="cluster", schedule={"cron": "0 3 1 1 *"}, actions=[IDEAS],
        stop_after_failures=3, max_executions_per_day=1000,
    )  # fmt: skip


def fail(machine: Machine, rule: AutomationRule, times: int, kind: FaultKind = "refused") -> None:
    cluster_id = _cluster(machine.session)
    machine.model = FailingModel(kind)
    for _ in range(times):
        machine.run_now(rule, record_ids=cluster_id)
    machine.session.refresh(rule)


def _cluster(session: Session) -> list[int]:
    sector = session.scalars(select(Sector)).one()
    cluster = make_cluster(session, sector)
    make_keyword(session, sector, cluster_id=cluster.id, status="clustered")
    return [cluster.id]


def test_the_third_failure_in_a_row_switches_the_rule_off_and_says_why(
    machine: Machine, session: Session, rule: AutomationRule
) -> None:
    fail(machine, rule, 2)
    assert (rule.is_active, rule.failures_in_a_row) == (True, 2)
    fail(machine, rule, 1)
    assert (rule.is_active, rule.failures_in_a_row, rule.stopped_at) == (False, 3, machine.now)
    (notice,) = session.scalars(select(Notice).where(Notice.key == f"rule-stopped-{rule.id}"))
    assert notice.title == "“A rule” has failed 3 times in a row and is switched off"
    assert "It has failed since 24 Nov 09:00 (UTC). The last time:" in notice.body
    assert "The AI service said no." in notice.body
    assert "Since then 3 runs have failed over 3 records" in notice.body
    assert "switch the rule on again on its page" in notice.body
    entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "rule.stopped")).one()
    assert (entry.user_id, entry.data) == (None, {"version": 2, "failures": 3, "run": notice.run_id})
    kept = session.scalars(select(RuleVersion).where(RuleVersion.version == 2)).one()
    assert (kept.definition["is_active"], kept.created_by_id) == (False, None)
    assert machine.breaches() == []


def test_a_completed_run_begins_the_count_anew(machine: Machine, rule: AutomationRule) -> None:
    fail(machine, rule, 2)
    machine.model = FailingModel()
    machine.run_now(rule)
    machine.session.refresh(rule)
    assert (rule.failures_in_a_row, rule.failing_since) == (0, None)
    fail(machine, rule, 2)
    assert (rule.is_active, rule.failures_in_a_row) == (True, 2)


def test_zero_never_switches_it_off(machine: Machine, session: Session, rule: AutomationRule) -> None:
    rule.stop_after_failures = 0
    fail(machine, rule, 4)
    assert (rule.is_active, rule.failures_in_a_row) == (True, 4)


@pytest.mark.parametrize("kind", [kind for kind in get_args(FaultKind) if kind != "refused"])
def test_passing_faults_of_the_service_are_not_counted(
    machine: Machine, session: Session, rule: AutomationRule, kind: FaultKind
) -> None:
    fail(machine, rule, 1)
    fail(machine, rule, 1, kind)
    for _ in range(6):
        machine.pass_time(minutes=6)
        machine.settle()
    run = machine.runs()[-1]
    assert run.status == Status.FAILED
    session.refresh(rule)
    # A monthly limit that is reached ends the run for its budget, which is no fault of the rule either.
    assert rule.failures_in_a_row == (1 if kind in PASSING or kind == "over_limit" else 2)


@pytest.mark.parametrize(
    "reason",
    [Reason.INSUFFICIENT_CREDITS, Reason.BUDGET, Reason.PAUSED, Reason.ACCOUNT_INACTIVE, Reason.CANCELLED],
)
def test_credits_pause_and_cancel_are_not_counted(
    machine: Machine, session: Session, rule: AutomationRule, reason: Reason
) -> None:
    run = _ended(machine, rule, reason)
    count_end(session, run, machine.now)
    session.refresh(rule)
    assert rule.failures_in_a_row == 0


def _ended(machine: Machine, rule: AutomationRule, reason: Reason) -> ScheduledTask:
    run = AutomationService().execute(machine.session, rule, Actor(None), machine.now)
    run.status, run.reason = Status.FAILED, reason
    machine.session.flush()
    return run


def test_a_batch_counts_once_however_many_runs_and_retries_fail(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    ideas = IDEAS | {"params": {"cluster_ids": _cluster(session)}}
    rule = machine.make_rule(account, batching="each", actions=[LABEL, ideas])
    rule_id = rule.id
    machine.model = FailingModel("refused")
    import_texts(session, sector, [f"shoe {number}" for number in range(4)])
    machine.settle()
    failed = machine.runs(Status.FAILED)
    assert len(failed) == 4
    session.refresh(rule)
    assert (rule.failures_in_a_row, rule.is_active) == (1, True)
    commands.retry(session, failed[0], machine.now)
    machine.settle()
    session.refresh(rule)
    assert rule.failures_in_a_row == 1
    assert len(session.scalars(select(RuleFailure).where(RuleFailure.rule_id == rule_id)).all()) == 1
    assert machine.breaches() == []


@pytest.mark.parametrize("way", ["enable", "save"])
def test_switched_on_again_it_counts_from_zero(
    machine: Machine, session: Session, account: Account, rule: AutomationRule, way: str
) -> None:
    fail(machine, rule, 3)
    service = AutomationService()
    if way == "enable":
        service.enable(session, rule, Actor(None), machine.now, backfill=False)
    else:
        service.update_rule(
            session, rule, definition_of(rule) | {"is_active": True}, Actor(None), machine.now
        )
    session.commit()
    session.refresh(rule)
    assert (rule.is_active, rule.failures_in_a_row, rule.stopped_at) == (True, 0, None)
    assert session.scalar(select(Notice).where(Notice.key == f"rule-stopped-{rule.id}")) is None
    fail(machine, rule, 2)
    assert (rule.is_active, rule.failures_in_a_row) == (True, 2)
