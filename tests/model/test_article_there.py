"""Articles by a real small model through the whole engine: what it cannot do is said and costs nothing."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.runs import commands
from app.business.automation.unit_models import ActionRun, UnitPart
from app.business.billing.models import CreditEntry
from app.business.language_model import Completion, LanguageModel, Prompt
from app.business.planner.models import Sector
from app.business.writer.models import Content, Task
from app.business.writer.services.article_prompts import Outline
from tests.business.automation.machine import Machine
from tests.business.automation.provider import ArticleModel
from tests.factories import make_account, make_ai_connection, make_sector, make_site, make_task
from tests.model.conftest import connected
from tests.model.local_service import LocalService

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
HONEST = (
    "also when it was asked for more: too short to be kept",
    "cannot be used, also after it was corrected",
)
"""Whether a small model is first too short or leaves places to be filled in differs by machine."""
WRITE: dict[str, Any] = {"trigger": "task_created", "actions": [{"type": "generate_content"}]}


@dataclass
class Writer:
    """The outline is given, so that the real model has something to write; everything else is its own.

    before: called with the key of each part that it writes.
    """

    real: LanguageModel
    keys: list[str] = field(default_factory=list)
    before: Any = None

    def write(self, prompt: Prompt, key: str) -> Completion:
        if prompt.answer is Outline:
            return ArticleModel(sections=1).write(prompt, key)
        self.keys.append(key)
        if self.before:
            self.before(key)
        return self.real.write(prompt, key)


class Trial:
    """One task of 1,500 words, far more than the model ever writes."""

    def __init__(self, session: Session, service: LocalService) -> None:
        account: Account = make_account(session)
        sector: Sector = make_sector(session, make_site(session, account))
        make_ai_connection(session, account)
        self.session, self.writer = session, Writer(connected(service.url))
        self.machine = Machine(session, self.writer)
        self.task: Task = make_task(
            session, sector, title="Oak tables", main_keyword="oak table", word_count=1_500
        )
        self.rule: AutomationRule = self.machine.make_rule(account, **WRITE)

    def run(self) -> ScheduledTask:
        return self.machine.run_now(self.rule, record_ids=[self.task.id])

    def costs_nothing(self) -> None:
        charges = self.session.scalars(select(CreditEntry.amount).where(CreditEntry.kind == "charge")).all()
        assert list(charges) == []
        assert self.session.scalar(select(func.count()).select_from(Content)) == 0
        assert self.machine.breaches() == []


@pytest.fixture
def trial(service: LocalService, session: Session) -> Trial:
    return Trial(session, service)


def test_an_article_that_cannot_be_kept_is_asked_for_again_and_then_fails(
    trial: Trial, session: Session
) -> None:
    run = trial.run()
    assert (run.status, run.reason) == (Status.FAILED, Reason.ACTION_FAILED)
    receipt = session.scalars(select(ActionRun)).one()
    assert any(said in receipt.message for said in HONEST)
    assert receipt.tokens_out > 0
    kinds = session.scalars(select(UnitPart.kind).order_by(UnitPart.number)).all()
    assert kinds.count("section") == 2
    assert "repair" in kinds
    trial.costs_nothing()


def test_a_run_cancelled_while_the_model_writes_ends_after_that_part(trial: Trial, session: Session) -> None:
    database = session.get_bind()

    def cancel(_key: str) -> None:
        with Session(database) as own, own.begin():
            commands.cancel(own, own.scalars(select(ScheduledTask)).one(), trial.machine.now)

    trial.writer.before = cancel
    run = trial.run()
    assert (run.status, run.reason) == (Status.FAILED, Reason.CANCELLED)
    assert [key[-3:] for key in trial.writer.keys] == ["-p2"]
    assert session.scalars(select(UnitPart.kind).order_by(UnitPart.number)).all() == ["outline", "section"]
    trial.costs_nothing()
