"""Records over a credit limit are processed in follow-up runs, whatever happens to the run that left them."""

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.runs import commands
from app.business.planner.models import Sector
from tests.business.automation.machine import Machine
from tests.business.automation.provider import FailingModel
from tests.business.automation.rule_parts import IDEAS, clusters_with_keywords
from tests.factories import make_ai_connection

ARTICLES = [IDEAS, {"type": "create_tasks", "params": {"word_count": 300}}, {"type": "generate_content"}]


def retried(machine: Machine, run: ScheduledTask) -> ScheduledTask:
    """The run after a person's retry, once everything has settled."""
    commands.retry(machine.session, run, machine.now)
    machine.settle()
    machine.session.refresh(run)
    return run


def test_a_retry_does_not_take_what_the_follow_up_has_already(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters = clusters_with_keywords(session, sector, 3)
    machine.model = FailingModel("refused", only=f"-{clusters[0]}", times=1)
    rule = machine.make_rule(
        account, trigger="cluster_created", actions=[IDEAS], credit_limit_per_execution=10
    )
    run = machine.run_now(rule)
    assert run.status == Status.FAILED
    assert retried(machine, run).status == Status.COMPLETED
    assert [(run.follows_id, run.credits_used) for run in machine.runs()] == [(None, 10), (run.id, 5)]
    assert machine.breaches() == []


def test_what_a_retry_leaves_over_comes_after_the_first_follow_up(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make_ai_connection(session, account)
    clusters = clusters_with_keywords(session, sector, 2)
    machine.model = FailingModel("refused", only=f"-{clusters[0]}", times=1)
    rule = machine.make_rule(
        account, trigger="cluster_created", actions=ARTICLES, credit_limit_per_execution=9
    )
    run = machine.run_now(rule)
    (first,) = [follower for follower in machine.runs() if follower.follows_id == run.id]
    assert retried(machine, run).status == Status.COMPLETED
    assert all(run.status == Status.COMPLETED for run in machine.runs())
    followed = [follower.follows_id for follower in machine.runs() if follower.follows_id]
    assert len(followed) == len(set(followed)) > 1
    assert first.follows_id == run.id
    assert machine.breaches() == []
