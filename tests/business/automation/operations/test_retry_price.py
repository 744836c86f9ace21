"""The price of many retries at once equals the engine's own price of each, in a fixed number of queries."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.operations.retry_price import RetryPrice, retry_prices
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.runs import commands
from app.business.automation.services.runs.context import load_context
from app.business.automation.services.runs.pricing import known_price
from app.business.automation.unit_models import ActionRun
from app.business.planner.models import Sector
from app.business.writer.models import Task
from tests.business.automation.machine import Machine
from tests.business.automation.provider import FailingModel
from tests.business.automation.rule_parts import IDEAS, clusters_with_keywords
from tests.business.automation.run_rows import make_run
from tests.factories import (
    NOW,
    make_ai_connection,
    make_cluster,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)
from tests.modules.automation_pages import counted

CONTENT = {"type": "generate_content"}
ARTICLES = [IDEAS, {"type": "create_tasks", "params": {"word_count": 300}}, CONTENT]
MOST_QUERIES = 14


@pytest.fixture(autouse=True)
def connection(session: Session, account: Account) -> None:
    """Its articles cost their words."""
    make_ai_connection(session, account)


def failed(
    session: Session,
    rule: AutomationRule,
    records: list[int] | None,
    done: dict[int, list[int]],
    **values: Any,
) -> ScheduledTask:
    """A run that failed after `done`: step -> records (or sectors) whose units are finished."""
    run = make_run(session, rule, NOW, Status.FAILED, attempt=2, admitted_at=NOW, **values)
    run.detail.records = records
    for step, ids in done.items():
        entry = CATALOGUE[rule.actions[step]["type"]]
        record_type = "sector" if entry.unit_of == "sector" else entry.takes[0]
        for record_id in ids:
            session.add(
                ActionRun(
                    account_id=run.account_id, run_id=run.id, step=step, type=entry.key, record_type=record_type,
                    record_id=record_id, status="done", provider_key=f"{run.id}-{step}-{record_id}", started_at=NOW,
                )
            )  # fmt: skip
    session.flush()
    return run


def price_of(session: Session, account: Account, run: ScheduledTask) -> RetryPrice | None:
    return retry_prices(session, account, [run], NOW)[run.id]


@pytest.fixture
def all_sorts(machine: Machine, session: Session, account: Account, sector: Sector) -> list[ScheduledTask]:
    """Failed runs of every source of records whose price is known before they begin."""
    other = make_sector(session, make_site(session, account))
    keywords = [make_keyword(session, place).id for place in (sector, other) for _ in range(13)]
    clusters = [make_cluster(session, sector).id for _ in range(3)]
    ideas = [make_idea(session, sector, cluster_id=cluster).id for cluster in (*clusters, clusters[0])]
    tasks = [
        make_task(session, sector, idea_id=idea, word_count=words).id
        for idea, words in zip(ideas, (250, 400, 1000, 90), strict=True)
    ]
    gone = make_task(session, sector)
    clustering = machine.make_rule(account, actions=[{"type": "cluster_keywords"}])
    on_tasks = {"trigger": "task_created", "credit_limit_per_execution": 1000}
    writing = machine.make_rule(account, actions=[CONTENT], **on_tasks)
    named = {"type": "generate_content", "params": {"task_ids": [*tasks[:2], gone.id]}}
    fixed = machine.make_rule(
        account, actions=[named, {"type": "notify", "params": {"message": "Hi"}}], **on_tasks
    )
    session.delete(gone)
    ancestors = machine.make_rule(account, actions=[IDEAS], **on_tasks)
    dear = machine.make_rule(
        account, trigger="task_created", actions=[CONTENT], credit_limit_per_execution=12
    )
    free = machine.make_rule(account)
    return [
        failed(session, clustering, keywords, {0: [sector.id]}, record_type="keyword"),
        failed(session, clustering, keywords[:5], {}, record_type="keyword"),
        failed(session, writing, tasks, {0: tasks[:1]}, record_type="task", credits_used=3),
        failed(session, fixed, tasks[2:], {0: tasks[1:2]}, record_type="task"),
        failed(session, ancestors, tasks, {0: clusters[1:2]}, record_type="task"),
        failed(session, dear, tasks, {0: tasks[:2]}, record_type="task", credits_used=7),
        failed(session, free, keywords, {}, record_type="keyword"),
    ]  # fmt: skip


def test_it_is_the_price_by_which_the_engine_sets_credits_aside(
    session: Session, account: Account, all_sorts: list[ScheduledTask]
) -> None:
    prices = retry_prices(session, account, all_sorts, NOW)
    for run in all_sorts:
        context = load_context(session, run, NOW)
        known = known_price(session, context, list(context.detail.records or ()))
        left = context.definition.credit_limit_per_execution - run.credits_used
        price = prices[run.id]
        assert price
        assert price.most == min(known, left)
    assert [price.most for price in prices.values() if price] == [2, 1, 15, 3, 10, 5, 0]
    assert [price.finished for price in prices.values() if price] == [1, 0, 1, 1, 1, 2, 0]


def test_the_number_of_queries_does_not_grow_with_the_runs(
    session: Session, account: Account, all_sorts: list[ScheduledTask]
) -> None:
    rules = [session.get_one(AutomationRule, run.automation_rule_id) for run in all_sorts]
    more = [
        failed(session, rule, run.detail.records, {}, record_type=run.record_type)
        for rule, run in zip(rules, all_sorts, strict=True)
        for _ in range(10)
    ]
    with counted() as few:
        retry_prices(session, account, all_sorts, NOW)
    with counted() as many:
        retry_prices(session, account, [*all_sorts, *more], NOW)
    assert len(few) == len(many) <= MOST_QUERIES


def test_records_that_an_earlier_step_will_create_may_cost_the_rest_of_the_limit(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters = clusters_with_keywords(session, sector, 2)
    machine.model = FailingModel("refused", only=f"s0-{clusters[0]}", times=1)
    rule = machine.make_rule(
        account, trigger="cluster_created", actions=ARTICLES, credit_limit_per_execution=60
    )
    run = machine.run_now(rule, max_credits=1000)
    assert (run.status, run.credits_used) == (Status.FAILED, 5)
    assert price_of(session, account, run) == RetryPrice(finished=1, most=55)


def test_once_all_records_exist_only_the_failed_rest_counts(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 1)
    rule = machine.make_rule(
        account, trigger="cluster_created", actions=ARTICLES, credit_limit_per_execution=60
    )
    machine.model = FailingModel("refused", only="s2-1")
    run = machine.run_now(rule)
    assert run.status == Status.FAILED
    price = price_of(session, account, run)
    assert price
    assert price.most == 3
    machine.model = FailingModel()
    before = run.credits_used
    commands.retry(session, run, machine.now)
    machine.settle()
    session.refresh(run)
    assert run.status == Status.COMPLETED
    assert run.credits_used - before <= price.most


def test_a_retry_stays_within_the_limit_when_its_work_has_grown(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    task = make_task(session, sector, title="Season a pan", word_count=300)
    rule = machine.make_rule(account, trigger="task_created", actions=[CONTENT], credit_limit_per_execution=3)
    machine.model = FailingModel("refused", times=1)
    run = machine.run_now(rule)
    session.get_one(Task, task.id).word_count = 1500
    session.commit()
    price = price_of(session, account, run)
    commands.retry(session, run, machine.now)
    machine.settle()
    session.refresh(run)
    assert run.status == Status.COMPLETED
    assert price
    assert run.credits_used <= price.most == 3
    assert machine.breaches() == []


def test_an_unreadable_rule_has_no_price(machine: Machine, session: Session, account: Account) -> None:
    rule = machine.make_rule(account)
    run = make_run(session, rule, NOW - timedelta(hours=1), Status.FAILED)
    assert price_of(session, account, run) == RetryPrice(0, 0)
    broken = definition_of(rule) | {"conditions": {"field": "gone", "operator": "eq", "value": 1}}
    session.add(
        RuleVersion(account_id=account.id, rule_id=rule.id, version=2, definition=broken, created_at=NOW)
    )
    run.rule_version = 2
    session.flush()
    assert price_of(session, account, run) is None
