"""A manual or API start is bounded by its total over all its follow-ups and retries."""

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Role
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Reason, ScheduledTask, Status, Waiting
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.operations.bulk_retry import retry_alone
from app.business.automation.services.operations.retry_price import retry_prices
from app.business.automation.services.preflight.left_over_work import (
    LeftOverWork,
    continue_left_over,
    left_over,
)
from app.business.automation.services.runs import commands
from app.business.billing.models import CreditEntry
from app.business.errors import Conflict, Forbidden
from app.business.planner.models import Sector
from app.business.writer.models import Task
from tests.business.automation.machine import Machine
from tests.business.automation.provider import FailingModel
from tests.business.automation.rule_parts import IDEAS, clusters_with_keywords
from tests.factories import make_ai_connection, make_task

WRITE = {"type": "generate_content"}


@pytest.fixture(autouse=True)
def connection(session: Session, account: Account) -> None:
    """Its articles cost their words."""
    make_ai_connection(session, account)


def writing(machine: Machine, account: Account, **values: Any) -> AutomationRule:
    defaults = {"trigger": "task_created", "actions": [WRITE], "max_executions_per_day": 1000}
    return machine.make_rule(account, **defaults | values)


def idea_rule(machine: Machine, account: Account, **values: Any) -> AutomationRule:
    """5 credits for each cluster, whatever model does the work."""
    defaults = {"trigger": "cluster_created", "actions": [IDEAS], "max_executions_per_day": 1000}
    return machine.make_rule(account, **defaults | values)


def tasks(session: Session, sector: Sector, count: int, words: int = 300) -> list[int]:
    return [make_task(session, sector, word_count=words).id for _ in range(count)]


def spent(session: Session) -> int:
    return -(session.scalar(select(func.sum(CreditEntry.amount)).where(CreditEntry.kind == "charge")) or 0)


def test_a_start_spends_its_total_and_no_more_and_says_what_is_left(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 30)
    rule = idea_rule(machine, account, credit_limit_per_execution=20)
    first = machine.run_now(rule, max_credits=50)
    runs = machine.runs()
    assert [run.record_count for run in runs] == [4, 4, 2]
    assert {run.status for run in runs} == {Status.COMPLETED}
    assert spent(session) == 50
    assert (runs[-1].remaining, first.remaining) == (20, 0)
    assert "20 clusters left: the 50 credits of this start are used." in runs[-1].result["notes"]
    assert machine.breaches() == []


def test_without_a_total_it_is_the_price_of_the_whole_chain_at_the_call(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters = clusters_with_keywords(session, sector, 12)
    rule = idea_rule(machine, account, credit_limit_per_execution=25)
    first = machine.run_now(rule)
    assert (first.max_credits, spent(session), len(machine.runs())) == (60, 60, 3)
    assert [run.start_id for run in machine.runs()] == [None, first.id, first.id]
    assert clusters


def test_a_total_below_the_price_of_one_record_ends_so(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 2)
    run = machine.run_now(idea_rule(machine, account), max_credits=4)
    assert (run.status, run.reason, run.remaining) == (Status.SKIPPED, Reason.LIMIT_BELOW_PRICE, 2)
    assert run.error_message == "One cluster costs 5 credits; the total of 4 for this start is below that."
    assert spent(session) == 0


def test_dearer_work_meanwhile_stays_within_the_total(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    tasks(session, sector, 6)
    rule = writing(machine, account, credit_limit_per_execution=6)
    run = AutomationService().execute(session, rule, Actor(None), machine.now)
    session.commit()
    machine.look()
    for task in session.scalars(select(Task).where(Task.status != "done")):
        task.word_count = 600
    machine.settle()
    assert run.max_credits == 18
    assert spent(session) <= 18
    assert sum(run.remaining for run in machine.runs()) == 6 - session.scalar(
        select(func.count()).where(Task.status == "done")
    )
    assert machine.breaches() == []


@pytest.mark.parametrize("when_limited", [None, "skip"])
def test_follow_ups_wait_for_the_day_and_are_never_skipped(
    machine: Machine, session: Session, account: Account, sector: Sector, when_limited: str | None
) -> None:
    clusters_with_keywords(session, sector, 6)
    rule = idea_rule(
        machine,
        account,
        credit_limit_per_execution=10,
        max_executions_per_day=2,
        when_limited=when_limited,
    )
    machine.run_now(rule)
    assert [(run.status, run.waiting_for) for run in machine.runs()][-1] == (Status.PENDING, Waiting.DAY)
    machine.pass_time(days=1)
    machine.settle()
    assert {run.status for run in machine.runs()} == {Status.COMPLETED}
    assert spent(session) == 30
    assert machine.breaches() == []


def test_a_start_of_an_inactive_rule_continues_so(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 4)
    rule = idea_rule(machine, account, credit_limit_per_execution=10, is_active=False)
    machine.run_now(rule, even_if_off=True)
    assert [run.status for run in machine.runs()] == [Status.COMPLETED] * 2


def test_operators_are_held_to_the_whole_start_not_to_one_run(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters = clusters_with_keywords(session, sector, 30)
    rule = idea_rule(machine, account, credit_limit_per_execution=1000)
    operator, start = Actor(None, Role.OPERATOR), AutomationService().execute
    account.operator_credit_limit = 100
    with pytest.raises(Forbidden, match="may cost up to 150 credits"):
        start(session, rule, operator, machine.now)
    assert start(session, rule, operator, machine.now, max_credits=100).max_credits == 100
    assert start(session, rule, operator, machine.now, record_ids=clusters[:3]).max_credits == 15


def test_a_record_that_costs_more_than_a_run_may_holds_up_no_other(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    ids = [make_task(session, sector, word_count=words).id for words in (300, 9000, 300)]
    rule = writing(machine, account, credit_limit_per_execution=10)
    run = machine.run_now(rule, record_ids=ids)
    assert (run.status, run.record_count, run.left_out) == (Status.COMPLETED, 2, 1)
    assert run.result["notes"] == [
        "1 task left out: each alone costs more than the limit of 10 credits per run."
    ]


def failed_one(machine: Machine, session: Session, account: Account, sector: Sector) -> ScheduledTask:
    """A start of two clusters at 5 credits each within 5, whose first unit failed once."""
    clusters = clusters_with_keywords(session, sector, 2)
    machine.model = FailingModel("refused", only=f"-{clusters[0]}", times=1)
    rule = idea_rule(machine, account, credit_limit_per_execution=5)
    run = machine.run_now(rule, max_credits=5)
    assert run.status == Status.FAILED
    return run


def test_an_engine_retry_never_goes_beyond_the_total(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    run = failed_one(machine, session, account, sector)
    assert spent(session) == 5
    commands.retry(session, run, machine.now)
    machine.settle()
    session.refresh(run)
    assert (run.status, run.reason, spent(session)) == (Status.FAILED, Reason.BUDGET, 5)
    assert run.error_message == (
        "It needs 5 more credits; 0 of the 5 of this start are left. Retry it to allow them."
    )
    assert machine.breaches() == []


def test_a_manual_retry_names_what_it_adds_and_adds_no_more(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    run = failed_one(machine, session, account, sector)
    price = retry_prices(session, account, [run], machine.now)[run.id]
    assert price
    assert (price.most, price.adds) == (5, 5)
    retry_alone(session, account, run, Actor(None), machine.now)
    machine.settle()
    session.refresh(run)
    assert (run.status, run.max_credits, spent(session)) == (Status.COMPLETED, 10, 10)
    assert machine.breaches() == []


def test_what_is_left_continues_for_the_price_shown_and_only_once(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 12)
    rule = idea_rule(machine, account, credit_limit_per_execution=20, record_limit=5)
    machine.run_now(rule, max_credits=20)
    (run,) = machine.runs()
    assert left_over(session, run, machine.now) == LeftOverWork("8 clusters", runs=2, days=1, credits=40)
    continue_left_over(session, run, 30, machine.now)
    machine.settle()
    with pytest.raises(Conflict):
        continue_left_over(session, run, 40, machine.now)
    assert spent(session) == 50
    assert [run.remaining for run in machine.runs()] == [0, 0, 2]
    assert machine.breaches() == []
