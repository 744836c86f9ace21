"""Runs that continue on another day: credits count on the day that spends them, and no wait is endless."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import Reason, ScheduledTask, Status, Waiting
from app.business.automation.services.runs import commands, waiting
from app.business.billing.models import EntryKind, SpendCounter
from app.business.billing.services.credit_service import CreditService
from app.business.planner.models import Sector, Site
from tests.business.automation.machine import Machine
from tests.business.automation.provider import FailingModel
from tests.business.automation.rule_parts import IDEAS, LABEL, clusters_with_keywords
from tests.factories import make_account, make_keyword, make_sector, make_site

ON_CLUSTERS = {"trigger": "cluster_created", "actions": [IDEAS], "when_limited": "wait", "repeat": "always"}


def spent_by_day(session: Session) -> dict[str, int]:
    rows = session.execute(
        select(SpendCounter.period, SpendCounter.spent).where(SpendCounter.scope == "account")
    )
    return {period: spent for period, spent in rows if spent}


def ceiling_of_five_that_a_retry_meets(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> ScheduledTask:
    """A run with a transient failure, before another run used up the day's five credits."""
    account.daily_ceiling = 5
    first, second = clusters_with_keywords(session, sector, 2)
    machine.model = FailingModel("server_error", times=1)
    run = machine.run_now(machine.make_rule(account, **ON_CLUSTERS), record_ids=[first])
    assert (run.status, run.auto_retries) == (Status.PENDING, 1)
    other = machine.run_now(machine.make_rule(account, **ON_CLUSTERS), record_ids=[second])
    assert (other.status, other.credits_used) == (Status.COMPLETED, 5)
    machine.pass_time(minutes=1)
    machine.settle()
    session.refresh(run)
    assert (run.status, run.waiting_for) == (Status.PENDING, Waiting.BUDGET)
    return run


def test_what_waits_for_the_next_days_ceiling_continues_under_it(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    run = ceiling_of_five_that_a_retry_meets(machine, session, account, sector)
    machine.pass_time(days=1)
    machine.settle()
    session.refresh(run)
    assert (run.status, run.credits_used) == (Status.COMPLETED, 5)
    assert list(spent_by_day(session).values()) == [5, 5]
    assert machine.breaches() == []


def test_a_retry_on_another_day_passes_that_days_ceiling(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    account.daily_ceiling = 5
    first, second = clusters_with_keywords(session, sector, 2)
    machine.model = FailingModel("refused", times=1)
    rule = machine.make_rule(account, **ON_CLUSTERS | {"when_limited": "skip"})
    run = machine.run_now(rule, record_ids=[first])
    assert run.status == Status.FAILED
    machine.pass_time(days=1)
    assert machine.run_now(rule, record_ids=[second]).credits_used == 5
    commands.retry(session, run, machine.now)
    machine.settle()
    session.refresh(run)
    assert (run.status, run.reason, run.credits_used) == (Status.FAILED, Reason.BUDGET, 0)
    assert list(spent_by_day(session).values()) == [5]


@pytest.mark.parametrize("whose", ["account", "site"])
def test_a_higher_limit_continues_it_at_once(
    machine: Machine, session: Session, account: Account, sector: Sector, whose: str
) -> None:
    site = session.get_one(Site, sector.site_id)
    limited, limit = (account, "daily_ceiling") if whose == "account" else (site, "monthly_budget")
    setattr(limited, limit, 4)
    clusters_with_keywords(session, sector, 1)
    run = machine.run_now(machine.make_rule(account, **ON_CLUSTERS, site=site.id))
    assert run.waiting_for == Waiting.BUDGET
    setattr(limited, limit, 5)
    waiting.wake_for_budget(session, account.id, site.id if whose == "site" else None)
    machine.settle()
    session.refresh(run)
    assert (run.status, run.credits_used) == (Status.COMPLETED, 5)


def test_a_wait_ends_after_thirty_days_and_says_so(machine: Machine, session: Session) -> None:
    account = make_account(session, credits=3)
    sector = make_sector(session, make_site(session, account))
    clusters_with_keywords(session, sector, 1)
    run = machine.run_now(machine.make_rule(account, **ON_CLUSTERS))
    assert run.waiting_for == Waiting.CREDITS
    machine.pass_time(days=29)
    machine.settle()
    session.refresh(run)
    assert run.status == Status.PENDING
    machine.pass_time(days=1)
    machine.settle()
    session.refresh(run)
    assert (run.status, run.reason) == (Status.SKIPPED, Reason.INSUFFICIENT_CREDITS)
    assert run.error_message == "Needs 5 credits, 3 free. It has waited for 30 days and waits no longer."


def test_a_run_that_can_start_on_its_thirtieth_day_does(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make_keyword(session, sector)
    rule = machine.make_rule(account, actions=[LABEL], when_limited="wait")
    account.paused_at = machine.now
    run = machine.run_now(rule)
    assert run.waiting_for == Waiting.PAUSE
    account.paused_at = None
    machine.pass_time(days=31)
    machine.settle()
    session.refresh(run)
    assert run.status == Status.COMPLETED


def test_a_begun_run_whose_wait_is_over_fails_and_keeps_what_is_finished(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    run = ceiling_of_five_that_a_retry_meets(machine, session, account, sector)
    account.daily_ceiling = 1
    session.commit()
    for _ in range(31):
        machine.pass_time(days=1)
        machine.settle()
    session.refresh(run)
    assert (run.status, run.reason, run.credits_used) == (Status.FAILED, Reason.BUDGET, 0)
    assert "waits no longer" in run.error_message
    assert account.credits_held == 0


@pytest.mark.parametrize("days", [20, 29])
def test_a_later_wait_is_counted_from_its_own_beginning(
    machine: Machine, session: Session, account: Account, sector: Sector, days: int
) -> None:
    run = ceiling_of_five_that_a_retry_meets(machine, session, account, sector)
    first_wait = run.waiting_since
    machine.model = FailingModel("server_error", times=1)
    machine.pass_time(days=days)
    machine.settle()
    session.refresh(run)
    assert (run.status, run.auto_retries, run.waiting_since) == (Status.PENDING, 2, None)
    account.paused_at = machine.now
    machine.pass_time(hours=1)
    machine.settle()
    session.refresh(run)
    assert (run.waiting_for, run.waiting_since) == (Waiting.PAUSE, machine.now)
    machine.pass_time(days=days)
    machine.settle()
    session.refresh(run)
    assert run.waiting_for == Waiting.PAUSE
    assert first_wait is not None
    account.paused_at = None
    waiting.wake_after_pause(session, account.id)
    machine.settle()
    session.refresh(run)
    assert run.status == Status.COMPLETED


def test_credits_that_come_on_the_last_day_are_used(machine: Machine, session: Session) -> None:
    account = make_account(session, credits=3)
    sector = make_sector(session, make_site(session, account))
    clusters_with_keywords(session, sector, 1)
    run = machine.run_now(machine.make_rule(account, **ON_CLUSTERS))
    machine.pass_time(days=30)
    CreditService().add(
        session, account_id=account.id, kind=EntryKind.ADJUST, amount=5, key="gift", reason="Gift",
        now=machine.now,
    )  # fmt: skip
    machine.settle()
    session.refresh(run)
    assert run.status == Status.COMPLETED
