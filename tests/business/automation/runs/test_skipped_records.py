"""A run that a limit skipped keeps its records, and names the price of running them now."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.history.run_page import find_run
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.runs.skipped_records import RunAgain, run_again
from app.business.planner.models import Sector
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import HOURLY, IDEAS, clusters_with_keywords


def rule_of(machine: Machine, account: Account, **values: Any) -> AutomationRule:
    return machine.make_rule(account, trigger="schedule", schedule=HOURLY, actions=[IDEAS], **values)


def offered(machine: Machine, run: ScheduledTask) -> RunAgain | None:
    return run_again(machine.session, find_run(machine.session, Scope(run.account_id), run.id), machine.now)


def change(machine: Machine, rule: AutomationRule, **values: Any) -> None:
    AutomationService().update_rule(
        machine.session, rule, definition_of(rule) | values, Actor(None), machine.now
    )
    machine.session.commit()


def skipped(machine: Machine, rule: AutomationRule, reason: str, **values: Any) -> ScheduledTask:
    run = machine.run_now(rule, **values)
    assert (run.status, run.reason) == (Status.SKIPPED, reason)
    return run


def test_one_skipped_for_credits_runs_its_own_choice_for_the_price_it_says(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters = clusters_with_keywords(session, sector, 3)
    rule = rule_of(machine, account)
    account.daily_ceiling = 14
    run = skipped(machine, rule, "budget")
    assert offered(machine, run) == RunAgain(run.id, "cluster", clusters)
    account.daily_ceiling = None
    again = machine.run_now(rule, record_ids=clusters)
    assert (again.status, again.credits_used) == (Status.COMPLETED, 15)


def test_one_skipped_at_the_daily_limit_knows_what_it_would_have_taken(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters = clusters_with_keywords(session, sector, 2)
    rule = rule_of(machine, account, max_executions_per_day=1)
    machine.run_now(rule, record_ids=clusters[:1])
    run = skipped(machine, rule, "daily_limit")
    assert offered(machine, run) == RunAgain(run.id, "cluster", clusters[1:])


def test_records_given_by_hand_are_kept_as_given_and_those_gone_are_left_out(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters = clusters_with_keywords(session, sector, 2)
    rule = rule_of(machine, account, max_executions_per_day=1)
    machine.run_now(rule, record_ids=clusters[:1])
    run = skipped(machine, rule, "daily_limit", record_ids=clusters[1:])
    find_run(session, Scope(account.id), run.id).detail.records = [*clusters[1:], 10**9]
    session.commit()
    assert offered(machine, run) == RunAgain(run.id, "cluster", clusters[1:])


def test_below_the_price_of_one_record_it_is_offered_once_the_limit_is_raised(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters = clusters_with_keywords(session, sector, 2)
    rule = rule_of(machine, account)
    change(machine, rule, credit_limit_per_execution=4)
    run = skipped(machine, rule, "limit_below_price")
    assert offered(machine, run) is None
    change(machine, rule, credit_limit_per_execution=5)
    assert offered(machine, run) == RunAgain(run.id, "cluster", clusters)


def test_the_records_of_several_steps_are_offered_too(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 1)
    account.daily_ceiling = 1
    rule = rule_of(machine, account)
    actions = [IDEAS, {"type": "create_tasks", "params": {}}, {"type": "generate_content", "params": {}}]
    change(machine, rule, actions=actions)
    found = offered(machine, skipped(machine, rule, "budget"))
    assert found is not None
    assert len(found.records) == 1


@pytest.mark.parametrize("reason", ["conditions", "inactive"])
def test_other_skips_offer_nothing(
    machine: Machine, session: Session, account: Account, sector: Sector, reason: str
) -> None:
    clusters = clusters_with_keywords(session, sector, 1)
    rule = rule_of(machine, account, conditions={"field": "name", "operator": "eq", "value": "x"})
    if reason == "inactive":
        AutomationService().disable(session, rule, Actor(None), machine.now)
    assert offered(machine, skipped(machine, rule, reason, record_ids=clusters)) is None
