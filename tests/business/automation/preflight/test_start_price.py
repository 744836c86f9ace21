"""The price of a start shown in advance: records, runs, days and credits of its whole chain."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.preflight.start_price import (
    ListenerPrice,
    StartPrice,
    listener_prices,
    start_price,
)
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.rules.versions import definition_of
from app.business.planner.models import Sector
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import IDEAS, LABEL, clusters_with_keywords
from tests.factories import make_ai_connection, make_keyword, make_task

WRITE = {"type": "generate_content"}
CLUSTERS = {"type": "cluster_keywords"}
TASKS = {"type": "create_tasks", "params": {"word_count": 300}}


@pytest.fixture(autouse=True)
def connection(session: Session, account: Account) -> None:
    """Its articles cost their words."""
    make_ai_connection(session, account)


def rule_of(machine: Machine, account: Account, trigger: str, *actions: Any, **values: Any) -> AutomationRule:
    return machine.make_rule(account, trigger=trigger, actions=list(actions), **values)


def tasks(session: Session, sector: Sector, *words: int) -> list[int]:
    return [make_task(session, sector, word_count=count).id for count in words]


def test_the_whole_chain_is_priced_and_its_days_are_counted(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    tasks(session, sector, *[300] * 150)
    rule = rule_of(
        machine, account, "task_created", WRITE, credit_limit_per_execution=50, max_executions_per_day=4
    )
    assert start_price(session, rule, machine.now) == StartPrice(
        records=150, runs=10, days=3, credits=450, credits_max=450, runs_left=4
    )


def test_given_records_are_priced_if_they_match_and_too_expensive_ones_are_counted_apart(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    cheap, dear, other = tasks(session, sector, 300, 5000, 400)
    rule = rule_of(machine, account, "task_created", WRITE, credit_limit_per_execution=10)
    found = start_price(session, rule, machine.now, record_ids=[cheap, dear, cheap])
    assert (found.records, found.runs, found.credits_max, found.too_dear) == (1, 1, 3, 1)
    assert start_price(session, rule, machine.now).credits_max == 7
    assert other


@pytest.mark.parametrize(("batching", "runs"), [("batch", 3), ("each", 120)])
def test_runs_take_as_many_records_as_the_rule_allows(
    machine: Machine, session: Session, account: Account, sector: Sector, batching: str, runs: int
) -> None:
    for _ in range(120):
        make_keyword(session, sector)
    rule = rule_of(machine, account, "keyword_added", LABEL, batching=batching, max_executions_per_day=200)
    found = start_price(session, rule, machine.now)
    assert (found.records, found.runs, found.days, found.credits_max) == (120, runs, 1, 0)


def test_steps_over_what_is_made_count_with_the_most_that_can_be_made(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    for _ in range(20):
        make_keyword(session, sector)
    rule = rule_of(
        machine, account, "keyword_added", CLUSTERS, IDEAS, TASKS, WRITE, credit_limit_per_execution=60
    )
    found = start_price(session, rule, machine.now)
    # At most 10 clusters with 3 ideas each; about 4 clusters of 5 keywords.
    assert found.credits_max == 2 + 10 * 5 + 30 * 3
    assert found.credits == 2 + 4 * 5 + 12 * 3
    assert found.runs == 3


def test_the_cost_of_rules_that_it_starts_is_named_beside_it(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 2)
    rule = rule_of(machine, account, "cluster_created", IDEAS)
    makes = rule_of(machine, account, "idea_created", TASKS, name="Tasks")
    writes = rule_of(machine, account, "task_created", WRITE, name="Articles")
    definition = definition_from(definition_of(rule))
    assert listener_prices(session, account.id, definition, rule.id, 2) == [
        ListenerPrice(writes.id, "Articles", 2 * 3 * 3)
    ]
    assert makes.is_active
