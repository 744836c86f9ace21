"""Concurrent planners on the same rules, while somebody edits them: nothing twice, nothing left out."""

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.triggering.planning import WINDOW
from tests.business.automation.machine import Machine
from tests.business.automation.triggering import race_of_planners
from tests.factories import NOW, make_site

RULES, SITES = 4, 2


@pytest.fixture
def rules(machine: Machine, account: Account) -> list[AutomationRule]:
    for _ in range(SITES):
        make_site(machine.session, account)
    common = {"trigger": "schedule", "record_type": None, "schedule": {"cron": "*/5 * * * *"}}
    return [machine.make_rule(account, split_by="site", **common) for _ in range(RULES)]


def end_of(machine: Machine) -> None:
    machine.session.rollback()
    machine.session.expire_all()
    machine.now = NOW + race_of_planners.ROUNDS * race_of_planners.STEP


@pytest.mark.both_databases
def test_planners_that_overlap_write_every_time_once(
    machine: Machine, session: Session, rules: list[AutomationRule], database_url: str
) -> None:
    failed = race_of_planners.race(database_url, planners=4, edits=False)
    end_of(machine)
    planned = session.execute(
        select(ScheduledTask.automation_rule_id, ScheduledTask.split_site_id, ScheduledTask.scheduled_at)
    ).all()
    every_five = (machine.now - NOW + WINDOW) // timedelta(minutes=5)
    assert (failed, len(planned), len(set(planned))) == (0, RULES * SITES * every_five, len(planned))


@pytest.mark.both_databases
def test_edits_between_planners_leave_no_gap_and_no_duplicate(
    machine: Machine, session: Session, rules: list[AutomationRule], database_url: str
) -> None:
    failed = race_of_planners.race(database_url, planners=3, edits=True)
    end_of(machine)
    breaches = [line for line in machine.breaches() if not line.startswith("pending_in_time")]
    assert (failed, breaches) == (0, [])
    versions = Counter(session.scalars(select(AutomationRule.version)))
    assert versions == {race_of_planners.ROUNDS + 1: RULES}
    future = select(func.count()).where(ScheduledTask.scheduled_at > machine.now)
    newest = future.where(ScheduledTask.rule_version == race_of_planners.ROUNDS + 1)
    assert session.scalar(future) == session.scalar(newest)


def test_this_race_fails_without_the_guard(
    machine: Machine, session: Session, rules: list[AutomationRule], database_url: str
) -> None:
    failed = race_of_planners.race(database_url, planners=4, edits=False, guarded=False)
    # SQLite lets one writer in at a time anyway.
    assert (failed > 0) == (session.get_bind().dialect.name == "postgresql")
