"""An external service that is down for a while stops no rule and loses no work: everything is done once it is back."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice
from app.business.automation.models import RuleRecord
from app.business.automation.run_models import Status
from app.business.automation.services.runs import commands, outages
from app.business.automation.services.runs.outages import LONGEST_OUTAGE
from app.business.events import EventType
from app.business.planner.models import Idea, Sector
from tests.business.automation.machine import Machine
from tests.business.automation.provider import FailingModel
from tests.business.automation.rule_parts import HOURLY, IDEAS, clusters_with_keywords
from tests.business.automation.triggering.event_batches import batch_of


@pytest.fixture
def started(machine: Machine, session: Session, account: Account, sector: Sector) -> Machine:
    """A rule with one run for each record, whose twelve clusters come while the AI service is down."""
    return start(machine, account, sector, 12)


def start(machine: Machine, account: Account, sector: Sector, count: int) -> Machine:
    machine.make_rule(
        account, trigger="cluster_created", batching="each", actions=[IDEAS], max_executions_per_day=1000
    )
    machine.model = FailingModel("connection")
    ids = clusters_with_keywords(machine.session, sector, count)
    batch_of(machine.session, sector, ids, type=EventType.CLUSTER_CREATED, record_type="cluster")
    return machine


def let_pass(machine: Machine, **time: float) -> None:
    """Run the sweeps of that time."""
    until = machine.now + timedelta(**time)
    while machine.now < until:
        machine.pass_time(minutes=3)
        with machine.transaction() as session:
            outages.probe(session, machine.now)
        machine.settle()


def test_away_for_an_hour_the_rule_stays_on_and_all_is_done_afterwards(
    started: Machine, session: Session, account: Account
) -> None:
    let_pass(started, hours=1)
    assert len(started.runs(Status.FAILED)) >= 10
    (rule,) = {run.automation_rule_id for run in started.runs()}
    assert len(session.scalars(select(Notice).where(Notice.rule_id == rule)).all()) == 1
    probes = [run.attempt - 4 for run in started.runs(Status.FAILED)]
    assert 2 <= sum(probes) <= 5
    started.model = FailingModel()
    let_pass(started, minutes=20)
    assert {run.status for run in started.runs()} == {Status.COMPLETED}
    assert len(session.scalars(select(Idea)).all()) == 36
    assert [(run.credits_used, run.retry_at) for run in started.runs()] == [(5, None)] * 12
    session.expire_all()
    assert (account.credits_balance, account.credits_held) == (1000 - 60, 0)
    assert started.breaches() == []


def test_after_a_day_recovery_is_left_to_people(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    let_pass(start(machine, account, sector, 1), minutes=18)
    (run,) = machine.runs(Status.FAILED)
    assert (run.attempt, run.retry_at is None) == (4, False)
    machine.now += LONGEST_OUTAGE
    let_pass(machine, minutes=3)
    session.refresh(run)
    assert (run.status, run.attempt, run.retry_at) == (Status.FAILED, 5, None)
    commands.retry(session, run, machine.now)
    assert run.auto_retries == 0


def test_nothing_is_retried_while_the_account_is_paused(
    started: Machine, session: Session, account: Account
) -> None:
    let_pass(started, minutes=12)
    attempts = [run.attempt for run in started.runs()]
    account.paused_at = started.now
    session.commit()
    let_pass(started, minutes=40)
    assert [run.attempt for run in started.runs()] == attempts


def test_an_outage_counts_against_no_record_of_a_planned_rule(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 1)
    machine.model = FailingModel("connection")
    rule = machine.make_rule(account, trigger="schedule", schedule=HOURLY, actions=[IDEAS])
    for _ in range(4):
        machine.run_now(rule)
        for _ in range(3):
            machine.pass_time(minutes=6)
            machine.settle()
    # One of them has waited for the planned run, which held the record from 10:00 on.
    for _ in range(3):
        machine.pass_time(minutes=6)
        machine.settle()
    (record,) = session.execute(select(RuleRecord.state, RuleRecord.failures)).all()
    assert record == ("free", 0)
    machine.model = FailingModel()
    assert machine.run_now(rule).status == Status.COMPLETED
