"""Runs that wait (for a new day, credits, the previous run), and runs that are stopped or rescued."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import Reason, RunAttempt, ScheduledTask, Status, Waiting
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.runs import commands, waiting
from app.business.automation.services.runs.lease import LEASE, Lease, LeaseLost, claim_run, renew
from app.business.automation.services.runs.recovery import rescue
from app.business.automation.services.triggering.dispatch import dispatch_batches
from app.business.billing.models import EntryKind
from app.business.billing.services.credit_service import CreditService
from app.business.events import Origin
from app.business.language_model import Completion, Prompt
from app.business.planner.models import Idea, Keyword, Sector
from app.business.planner.services.keyword_service import add_keyword
from app.infrastructure.ai.offline import OfflineModel
from tests.business.automation.machine import Machine
from tests.business.automation.provider import FailingModel
from tests.business.automation.rule_parts import IDEAS, LABEL, clusters_with_keywords
from tests.factories import NOW, make_account, make_keyword, make_sector, make_site


def add_keywords(session: Session, sector: Sector, count: int) -> None:
    for number in range(count):
        add_keyword(session, sector, {"text": f"shoe {number}"}, origin=Origin(sector.account_id), now=NOW)


def test_event_runs_over_the_daily_limit_wait_for_the_next_day(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    machine.make_rule(account, actions=[LABEL], max_executions_per_day=2)
    add_keywords(session, sector, 3)
    machine.settle()
    *done, late = machine.runs()
    assert [run.status for run in done] == [Status.COMPLETED] * 2
    assert (late.status, late.waiting_for, late.attempt) == (Status.PENDING, Waiting.DAY, 0)
    assert "Daily limit reached (2 of 2" in late.error_message
    machine.pass_time(hours=15)
    machine.settle()
    assert [run.status for run in machine.runs()] == [Status.COMPLETED] * 3
    assert machine.breaches() == []


def test_runs_waiting_for_credits_continue_when_credits_come(machine: Machine, session: Session) -> None:
    account = make_account(session, credits=5)
    sector = make_sector(session, make_site(session, account))
    clusters_with_keywords(session, sector, 2)
    rule = machine.make_rule(account, trigger="cluster_created", actions=[IDEAS], when_limited="wait")
    run = machine.run_now(rule)
    assert (run.status, run.waiting_for) == (Status.PENDING, Waiting.CREDITS)
    assert run.error_message == "Needs 10 credits, 5 free."
    CreditService().add(
        session,
        account_id=account.id,
        kind=EntryKind.ADJUST,
        amount=5,
        key="gift",
        reason="Gift",
        now=machine.now,
    )
    machine.settle()
    session.refresh(run)
    assert (run.status, run.attempt, run.credits_used) == (Status.COMPLETED, 1, 10)
    assert machine.breaches() == []


def test_a_limited_manual_run_is_skipped_with_figures(machine: Machine, session: Session) -> None:
    account = make_account(session, credits=3)
    sector = make_sector(session, make_site(session, account))
    clusters_with_keywords(session, sector, 1)
    rule = machine.make_rule(account, trigger="cluster_created", actions=[IDEAS])
    run = machine.run_now(rule)
    assert (run.status, run.reason) == (Status.SKIPPED, Reason.INSUFFICIENT_CREDITS)
    assert run.error_message == "Needs 5 credits, 3 free."


def test_everything_paused_waits_and_goes_on_after_resume(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    machine.make_rule(account, actions=[LABEL])
    account.paused_at = machine.now
    add_keywords(session, sector, 1)
    machine.settle()
    assert machine.runs()[0].waiting_for == Waiting.PAUSE
    account.paused_at = None
    waiting.wake_after_pause(session, account.id)
    machine.settle()
    assert machine.runs()[0].status == Status.COMPLETED


def test_event_runs_of_one_rule_run_one_at_a_time(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    machine.make_rule(account, actions=[LABEL])
    add_keywords(session, sector, 2)
    session.commit()
    dispatch_batches(machine.transaction, machine.now)
    first, second = machine.runs()
    assert claim_run(session, first.id, "a", machine.now)
    assert claim_run(session, second.id, "b", machine.now) is None
    session.commit()
    assert machine.runs()[1].waiting_for == Waiting.PREVIOUS
    session.execute(update(ScheduledTask).where(ScheduledTask.id == first.id).values(lease_until=NOW - LEASE))
    session.commit()
    rescue(machine.transaction, machine.clock)
    machine.settle()
    assert [run.status for run in machine.runs()] == [Status.COMPLETED] * 2


def test_a_lease_that_is_renewed_while_the_rescue_waits_for_the_database_has_not_expired(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make_keyword(session, sector)
    rule = machine.make_rule(account, actions=[LABEL])
    run = AutomationService().execute(session, rule, Actor(None), machine.now)
    assert claim_run(session, run.id, "slow", machine.now)
    session.commit()
    # It looks expired at first; by the second look its worker has sent a heartbeat.
    looks = iter([machine.now + 2 * LEASE, machine.now])
    rescued = rescue(machine.transaction, lambda: next(looks))
    session.refresh(run)
    assert (rescued.resumed, run.status) == (0, Status.RUNNING)


def test_a_replaced_worker_writes_nothing(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make_keyword(session, sector)
    rule = machine.make_rule(account, actions=[LABEL])
    run = machine.run_now(rule, record_ids=None)
    with pytest.raises(LeaseLost):
        renew(session, Lease(run.id, "an-old-token"), machine.now)


def test_a_worker_that_is_stopped_hands_its_run_back_between_two_units(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 2)
    machine.model = Stopping(machine)
    rule = machine.make_rule(account, trigger="cluster_created", actions=[IDEAS])
    run = machine.run_now(rule)
    assert (run.status, run.attempt, account.credits_held) == (Status.PENDING, 1, 5)
    machine.draining = False
    machine.settle()
    session.refresh(run)
    assert (run.status, run.attempt, run.credits_used) == (Status.COMPLETED, 2, 10)
    assert machine.breaches() == []


def test_a_run_is_retried_later_after_a_database_timeout(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 1)
    machine.model = Deadlocked()
    run = machine.run_now(machine.make_rule(account, trigger="cluster_created", actions=[IDEAS]))
    assert (run.status, run.auto_retries) == (Status.PENDING, 1)
    assert "The database was not answering at that moment." in run.error_message
    machine.pass_time(minutes=1)
    machine.settle()
    session.refresh(run)
    assert (run.status, run.credits_used) == (Status.COMPLETED, 5)


class Deadlocked(OfflineModel):
    """Its first answer meets a database that two workers want crosswise."""

    def __init__(self) -> None:
        self.answers = 0

    def write(self, prompt: Prompt, key: str) -> Completion:
        self.answers += 1
        if self.answers == 1:
            raise OperationalError("SELECT", {}, Exception("deadlock detected"))
        return super().write(prompt, key)


class Stopping(OfflineModel):
    """A provider that answers while its worker is told to stop."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.answers = machine, 0

    def write(self, prompt: Prompt, key: str) -> Completion:
        self.answers += 1
        self.machine.draining = self.answers == 1
        return super().write(prompt, key)


def test_a_run_rescued_three_times_without_progress_is_given_up(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 1)
    rule = machine.make_rule(account, trigger="cluster_created", actions=[IDEAS])
    opened = AutomationService().execute(session, rule, Actor(None), machine.now)
    session.commit()
    for _ in range(3):
        with machine.transaction():
            assert claim_run(session, opened.id, "dies", machine.now)
        machine.pass_time(seconds=70)
        rescue(machine.transaction, machine.clock)
    session.refresh(opened)
    assert (opened.status, opened.reason) == (Status.FAILED, Reason.WORKER_LOST)
    assert "stopped answering 3 times" in opened.error_message
    attempts = session.scalars(select(RunAttempt.status).order_by(RunAttempt.number)).all()
    assert attempts == [Status.FAILED] * 3


def test_a_run_cancelled_before_it_starts_is_skipped(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make_keyword(session, sector)
    rule = machine.make_rule(account, actions=[LABEL])
    run = AutomationService().execute(session, rule, Actor(None), machine.now)
    commands.cancel(session, run, machine.now)
    machine.settle()
    session.refresh(run)
    assert (run.status, run.reason) == (Status.SKIPPED, Reason.CANCELLED)
    assert session.scalars(select(Keyword.labels)).all() == [[]]


def test_passing_faults_are_retried_automatically(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 1)
    machine.model = FailingModel("server_error", times=2)
    rule = machine.make_rule(account, trigger="cluster_created", actions=[IDEAS])
    run = machine.run_now(rule)
    assert (run.status, run.not_before) == (Status.PENDING, NOW + timedelta(seconds=8))
    assert account.credits_held == 0
    for _ in range(2):
        machine.pass_time(minutes=2)
        machine.settle()
    session.refresh(run)
    assert (run.status, run.attempt, run.credits_used) == (Status.COMPLETED, 3, 5)
    assert len(session.scalars(select(Idea)).all()) == 3
    assert machine.breaches() == []
