"""What an AI service was asked is written with each unit, and the month's limit in money refuses before the call."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.runs import commands
from app.business.automation.unit_models import ActionRun
from app.business.language_model import Completion, LanguageModel, ModelUse, Prompt, ProviderFault
from app.business.outlets.models import AiConnection, AiReservation
from app.business.outlets.services import ai_spending
from app.infrastructure.ai.offline import OfflineModel
from tests.business.automation.machine import Machine
from tests.business.automation.provider import ArticleModel
from tests.business.automation.rule_parts import clusters_with_keywords
from tests.factories import NOW, make_account, make_sector, make_site, make_task

IDEAS = {"type": "generate_ideas", "params": {"ideas_per_cluster": 2}}
CONTENT = {"type": "generate_content", "params": {}}
TOKENS = {"prompt_tokens": 1_000, "completion_tokens": 500, "total_tokens": 1_500}
COST = 1_000 * 2 + 500 * 4


@dataclass
class Counted:
    """Answers as the offline provider does, with tokens; `faults` come first."""

    faults: list[ProviderFault] = field(default_factory=list)
    asked: list[Prompt] = field(default_factory=list)

    def write(self, prompt: Prompt, key: str) -> Completion:
        self.asked.append(prompt)
        if self.faults:
            raise self.faults.pop(0)
        return replace(OfflineModel().write(prompt, key), offline=False, model="small-1", tokens=TOKENS)


@pytest.fixture
def account(session: Session) -> Account:
    account = make_account(session)
    clusters_with_keywords(session, make_sector(session, make_site(session, account)), 2)
    session.commit()
    return account


def connect(session: Session, account: Account, **values: Any) -> AiConnection:
    prices = {"price_in": 2_000_000, "price_out": 4_000_000} | values
    row = AiConnection(
        account_id=account.id,
        base_url="https://ai.example/",
        model="small",
        created_at=NOW,
        updated_at=NOW,
        **prices,
    )
    session.add(row)
    session.commit()
    return row


def run(
    session: Session, account: Account, model: LanguageModel, action: Any = IDEAS
) -> tuple[Machine, ScheduledTask]:
    machine = Machine(session, model)
    rule = machine.make_rule(
        account, trigger="task_created" if action is CONTENT else "cluster_created", actions=[action]
    )
    return machine, machine.run_now(rule)


def receipts(session: Session) -> list[ActionRun]:
    session.expire_all()
    return list(session.scalars(select(ActionRun).order_by(ActionRun.id)))


def spent(session: Session, account: Account) -> tuple[int, int]:
    found = ai_spending.this_month(session, account, NOW)
    return (found.spent, found.held) if found else (0, 0)


def test_each_unit_keeps_what_was_asked_for_it(session: Session, account: Account) -> None:
    connect(session, account)
    model = Counted()
    _, done = run(session, account, model)
    assert done.status == Status.COMPLETED
    assert [
        (one.model, one.prompt_version, one.tokens_in, one.tokens_out, one.ai_cost)
        for one in receipts(session)
    ] == [("small-1", "ideas-2", 1_000, 500, COST)] * 2
    assert spent(session, account) == (2 * COST, 0)
    assert {prompt.connection.base_url for prompt in model.asked if prompt.connection} == {
        "https://ai.example/"
    }
    assert all("connection" not in prompt.facts for prompt in model.asked)


def test_the_service_of_the_installation_has_tokens_and_no_cost(session: Session, account: Account) -> None:
    _, done = run(session, account, Counted())
    assert done.status == Status.COMPLETED
    assert {(one.model, one.tokens_in, one.ai_cost) for one in receipts(session)} == {
        ("small-1", 1_000, None)
    }
    assert spent(session, account) == (0, 0)


def test_offline_work_names_no_model(session: Session, account: Account) -> None:
    machine = Machine(session)
    machine.run_now(machine.make_rule(account, trigger="cluster_created", actions=[IDEAS]))
    assert {(one.status, one.model, one.tokens_in) for one in receipts(session)} == {("done", "", 0)}


def test_an_article_keeps_it_too(session: Session, account: Account) -> None:
    connect(session, account)
    make_task(session, make_sector(session, make_site(session, account)))
    session.commit()
    model = ArticleModel(tokens=TOKENS, sections=3)
    _, done = run(session, account, model, CONTENT)
    assert done.status == Status.COMPLETED
    [unit] = receipts(session)
    assert (unit.prompt_version, unit.ai_cost) == ("content-2", len(model.asked) * COST)
    assert spent(session, account) == (len(model.asked) * COST, 0)


def test_beyond_the_monthly_limit_nothing_is_asked(session: Session, account: Account) -> None:
    connection = connect(session, account, monthly_limit=100)
    model = Counted()
    machine, failed = run(session, account, model)
    assert (failed.status, failed.reason, model.asked) == (Status.FAILED, Reason.BUDGET, [])
    assert "The monthly limit of 0.0001 for the AI service does not allow this" in failed.error_message
    assert {(one.status, one.model, one.credits) for one in receipts(session)} == {("failed", "", 0)}
    assert spent(session, account) == (0, 0)
    connection.monthly_limit = 1_000_000
    session.commit()
    commands.retry(session, failed, machine.now)
    session.commit()
    machine.settle()
    session.refresh(failed)
    assert (failed.status, len(model.asked)) == (Status.COMPLETED, 2)
    assert machine.breaches() == []


def test_what_a_failed_call_took_is_counted_and_added_to_the_next(session: Session, account: Account) -> None:
    connect(session, account)
    bad = ProviderFault("server_error", "The AI service had trouble in the middle of its answer.")
    bad.use = ModelUse("small-1", "ideas-2", 100, 50, 400)
    machine, waiting = run(session, account, Counted([bad]))
    assert [one.ai_cost for one in receipts(session)] == [400, COST]
    machine.pass_time(minutes=1)
    machine.settle()
    session.refresh(waiting)
    assert waiting.status == Status.COMPLETED
    assert [(one.tokens_in, one.ai_cost) for one in receipts(session)] == [(1_100, 400 + COST), (1_000, COST)]
    assert spent(session, account) == (400 + 2 * COST, 0)


@pytest.mark.parametrize(
    ("kind", "is_counted"), [("rate_limited", False), ("misconfigured", False), ("timeout", True)]
)
def test_a_call_that_may_have_been_charged_for_counts_as_set_aside(
    session: Session, account: Account, kind: Any, is_counted: bool
) -> None:
    connect(session, account)
    run(session, account, Counted([ProviderFault(kind, "No.") for _ in range(2)]))
    kept, held = spent(session, account)
    assert ((kept > 0), held) == (is_counted, 0)
    if is_counted:
        assert kept == sum(session.scalars(select(AiReservation.amount)))
