"""The price of an article: the dearer outcome is held, the real outcome is charged."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import ScheduledTask, Status
from app.business.billing.models import CreditEntry, CreditHold
from app.business.language_model import Completion, Prompt
from app.business.planner.models import Sector
from app.business.writer.models import Content
from tests.business.automation.machine import Machine
from tests.factories import make_task

WRITE: dict[str, Any] = {"trigger": "task_created", "actions": [{"type": "generate_content"}]}


class Connected:
    """An AI service that writes a given number of words, whatever was requested."""

    def __init__(self, words: int) -> None:
        self.words = words

    def write(self, prompt: Prompt, key: str) -> Completion:
        body = " ".join(["word"] * self.words)
        return Completion(data={"title": "An article", "body": body}, model="ours")


def written(machine: Machine, session: Session, account: Account, sector: Sector) -> ScheduledTask:
    task = make_task(session, sector, word_count=3000)
    run = machine.run_now(machine.make_rule(account, **WRITE), record_ids=[task.id])
    assert run.status == Status.COMPLETED
    return run


def test_a_brief_made_without_a_connection_costs_one_credit(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    run = written(machine, session, account, sector)
    assert run.credits_used == 1
    hold = session.scalars(select(CreditHold)).one()
    assert (hold.amount, hold.posted, hold.state) == (30, 1, "closed")
    assert session.scalars(select(Content.outline)).all() == [True]
    (reason,) = session.scalars(select(CreditEntry.reason).where(CreditEntry.kind == "charge"))
    assert reason.startswith("Brief of “")
    assert machine.breaches() == []


@pytest.mark.parametrize(("words", "credits"), [(3000, 30), (4200, 30), (450, 5)])
def test_an_article_costs_the_words_delivered_at_most_those_requested(
    machine: Machine, session: Session, account: Account, sector: Sector, words: int, credits: int
) -> None:
    machine.model = Connected(words)
    assert written(machine, session, account, sector).credits_used == credits
