"""Runs that are cancelled while running, records that keep failing, and runs that continue where they stopped."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import RuleRecord
from app.business.automation.run_models import Reason, ScheduledTask, Status, Waiting
from app.business.automation.services.runs import commands
from app.business.automation.unit_models import ActionRun
from app.business.billing.models import EntryKind
from app.business.billing.services.credit_service import CreditService
from app.business.errors import Conflict
from app.business.language_model import Completion, Prompt, ProviderFault
from app.business.planner.models import Idea, Sector
from app.infrastructure.ai.offline import OfflineModel
from tests.business.automation.machine import Machine
from tests.business.automation.provider import FailingModel
from tests.business.automation.rule_parts import HOURLY, IDEAS, clusters_with_keywords
from tests.factories import NOW, make_account, make_ai_connection, make_sector, make_site


class Cancelling(OfflineModel):
    """A provider during whose first answer a person cancels the run."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.answers = machine, 0
        self.database = machine.session.get_bind()

    def write(self, prompt: Prompt, key: str) -> Completion:
        self.answers += 1
        with Session(self.database) as session, session.begin():
            commands.cancel(session, session.scalars(select(ScheduledTask)).one(), self.machine.now)
        return super().write(prompt, key)


def test_a_run_cancelled_while_running_stops_before_its_next_unit(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 3)
    machine.model = Cancelling(machine)
    rule = machine.make_rule(account, trigger="cluster_created", actions=[IDEAS])
    run = machine.run_now(rule)
    assert (run.status, run.reason, run.credits_used) == (Status.FAILED, Reason.CANCELLED, 5)
    assert (machine.model.answers, account.credits_held) == (1, 0)
    assert session.scalars(select(ActionRun.status)).all() == ["done"]
    assert len(session.scalars(select(Idea)).all()) == 3
    with pytest.raises(Conflict, match="already ended"):
        commands.cancel(session, run, machine.now)
    machine.model = FailingModel()
    commands.retry(session, run, machine.now)
    machine.settle()
    session.refresh(run)
    assert (run.status, run.credits_used, len(machine.model.asked)) == (Status.COMPLETED, 15, 2)
    assert machine.breaches() == []


def test_a_record_that_failed_in_three_runs_is_set_aside(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    good, bad = clusters_with_keywords(session, sector, 2)
    machine.model = FailingModel("refused", only=f"-{bad}")
    rule = machine.make_rule(account, trigger="schedule", schedule=HOURLY, actions=[IDEAS])
    assert [machine.run_now(rule).status for _ in range(3)] == [Status.FAILED] * 3
    states = session.execute(select(RuleRecord.record_id, RuleRecord.state, RuleRecord.failures)).all()
    assert sorted(states) == [(good, "handled", 0), (bad, "set_aside", 3)]
    fourth = machine.run_now(rule)
    assert (fourth.status, fourth.reason) == (Status.SKIPPED, Reason.CONDITIONS)
    assert machine.breaches() == []


class AskingToWait(OfflineModel):
    """A provider that is busy, and says for how long."""

    def write(self, prompt: Prompt, key: str) -> Completion:
        raise ProviderFault("rate_limited", "The AI service asks us to slow down.", retry_after=400)


def test_the_services_retry_delay_and_the_back_off_are_stored_and_end_after_three(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 1)
    machine.model = AskingToWait()
    rule = machine.make_rule(account, trigger="cluster_created", actions=[IDEAS])
    run = machine.run_now(rule)
    assert (run.status, run.not_before, run.attempt) == (Status.PENDING, NOW + timedelta(seconds=400), 1)
    machine.pass_time(seconds=399)
    machine.settle()
    session.refresh(run)
    assert run.attempt == 1
    machine.pass_time(seconds=1)
    machine.model = FailingModel("server_error")
    machine.settle()
    for wait in (60, 300):
        session.refresh(run)
        assert run.not_before == machine.now + timedelta(seconds=wait)
        machine.pass_time(seconds=wait)
        machine.settle()
    session.refresh(run)
    assert (run.status, run.attempt, run.credits_used) == (Status.FAILED, 4, 0)
    assert run.error_message == "Generate content ideas: The AI service said no."
    assert account.credits_balance == 1000
    assert machine.breaches() == []


def test_a_run_that_waited_between_two_steps_needs_only_what_its_rest_costs(
    machine: Machine, session: Session
) -> None:
    account = make_account(session, credits=8)
    make_ai_connection(session, account)
    sector = make_sector(session, make_site(session, account))
    clusters_with_keywords(session, sector, 1)
    actions = [
        IDEAS,
        {"type": "create_tasks", "params": {"word_count": 300}},
        {"type": "generate_content", "params": {}},
    ]
    rule = machine.make_rule(account, trigger="cluster_created", actions=actions, when_limited="wait")
    run = machine.run_now(rule)
    assert (run.status, run.waiting_for, account.credits_balance) == (Status.PENDING, Waiting.CREDITS, 3)
    assert run.error_message == "Needs 9 credits, 3 free."
    add = {"kind": EntryKind.ADJUST, "amount": 6, "key": "gift", "reason": "Gift"}
    CreditService().add(session, account_id=account.id, now=machine.now, **add)
    machine.settle()
    session.refresh(run)
    assert (run.status, run.waiting_for) == (Status.COMPLETED, None)
    assert machine.breaches() == []
