"""What a run had no credits for is continued by a follow-up, and by a later run only where that one fails."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.runs import commands
from app.business.planner.models import Cluster, Sector
from app.business.writer.models import Content, Task
from tests.business.automation.machine import Machine
from tests.business.automation.provider import FailingModel
from tests.business.automation.rule_parts import LABEL, clusters_with_keywords
from tests.business.automation.runs.article_rules import ARTICLES, planned, state_of
from tests.factories import make_ai_connection


@pytest.fixture(autouse=True)
def connection(session: Session, account: Account) -> None:
    """Its articles cost their words."""
    make_ai_connection(session, account)


FEW = {"credit_limit_per_execution": 8}
"""Pays for the ideas and one article of three; the two others continue in a separate run."""


def followed(machine: Machine, rule: AutomationRule) -> tuple[ScheduledTask, ScheduledTask]:
    """The run of a start, and the one that continues with the articles it had no credits for."""
    first = machine.run_now(rule)
    return first, next(run for run in machine.runs() if run.follows_id == first.id)


def articles(session: Session) -> int:
    return len(session.scalars(select(Content)).all())


def test_a_follow_up_that_fails_opens_the_record_for_a_later_run(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    (cluster,) = clusters_with_keywords(session, sector, 1)
    rule = planned(machine, account, ARTICLES, **FEW)
    machine.model = FailingModel("refused", only=f"-{cluster + 1}")
    first, second = followed(machine, rule)
    assert (first.status, second.status) == (Status.COMPLETED, Status.FAILED)
    assert (state_of(session, cluster), articles(session)) == ("free", 2)
    machine.model = FailingModel()
    later = machine.run_now(rule)
    assert (later.status, later.credits_used, articles(session)) == (Status.COMPLETED, 3, 3)
    assert state_of(session, cluster) == "handled"
    commands.retry(session, second, machine.now)
    machine.settle()
    session.refresh(second)
    assert (second.status, second.credits_used, len(machine.model.asked)) == (Status.COMPLETED, 3, 1)
    assert machine.breaches() == []


def test_a_follow_up_that_never_began_opens_the_record_for_a_later_run(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    (cluster,) = clusters_with_keywords(session, sector, 1)
    rule = planned(machine, account, ARTICLES, max_executions_per_day=1, **FEW)
    _, second = followed(machine, rule)
    commands.cancel(session, second, machine.now)
    machine.settle()
    session.refresh(second)
    assert (second.status, second.reason) == (Status.SKIPPED, Reason.CANCELLED)
    assert state_of(session, cluster) == "free"
    rule.max_executions_per_day = 10
    later = machine.run_now(rule)
    assert (later.status, later.credits_used, articles(session)) == (Status.COMPLETED, 6, 3)
    assert state_of(session, cluster) == "handled"
    assert machine.breaches() == []


def test_a_later_run_leaves_to_a_follow_up_what_that_one_has_in_hand(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    (cluster,) = clusters_with_keywords(session, sector, 1)
    rule = planned(machine, account, ARTICLES, max_executions_per_day=1, **FEW)
    machine.model = FailingModel("refused", only=f"-s2-{cluster}")
    first, second = followed(machine, rule)
    assert (first.status, second.waiting_for) == (Status.FAILED, "day")
    machine.model = FailingModel()
    rule.max_executions_per_day = 10
    later = machine.run_now(rule)
    assert (later.status, later.credits_used, articles(session)) == (Status.COMPLETED, 3, 1)
    machine.pass_time(days=1)
    machine.settle()
    session.refresh(second)
    assert (second.status, second.credits_used, articles(session)) == (Status.COMPLETED, 6, 3)
    # The rule's own times of that day were not planned here.
    assert [found for found in machine.breaches() if not found.startswith("occurrences")] == []


def test_a_follow_up_that_fails_after_a_later_run_opens_the_record_again(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    (cluster,) = clusters_with_keywords(session, sector, 1)
    rule = planned(machine, account, ARTICLES, max_executions_per_day=1, **FEW)
    machine.model = FailingModel("refused", only=f"-s2-{cluster}")
    _, second = followed(machine, rule)
    machine.model = FailingModel()
    rule.max_executions_per_day = 10
    assert machine.run_now(rule).status == Status.COMPLETED
    assert state_of(session, cluster) == "handled"
    commands.cancel(session, second, machine.now)
    machine.settle()
    assert state_of(session, cluster) == "free"
    last = machine.run_now(rule)
    assert (last.status, last.credits_used, articles(session)) == (Status.COMPLETED, 6, 3)
    assert state_of(session, cluster) == "handled"
    assert machine.breaches() == []


def test_a_follow_up_does_not_do_to_made_records_what_the_rule_does_to_its_own(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    (cluster,) = clusters_with_keywords(session, sector, 1)
    rule = planned(machine, account, [*ARTICLES, LABEL], **FEW)
    _, second = followed(machine, rule)
    assert (second.status, articles(session)) == (Status.COMPLETED, 3)
    assert session.get_one(Cluster, cluster).labels == ["seen"]
    assert session.scalars(select(Task.labels)).all() == [[], [], []]
