"""A person approves an outline before the article is written: the run waits, is answered once, and goes on."""

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, User
from app.business.accounts.services.audit_log import AuditActor
from app.business.automation.run_models import ScheduledTask, Status, Waiting
from app.business.automation.services.runs import commands, person_questions, recovery
from app.business.automation.services.runs.person_questions import Answer
from app.business.automation.unit_models import UnitPart
from app.business.billing.models import CreditEntry
from app.business.errors import Conflict, Invalid
from app.business.language_model import Prompt
from app.business.planner.models import Sector
from app.business.writer.models import Content
from tests.business.automation.machine import Machine
from tests.business.automation.provider import ArticleModel
from tests.factories import make_ai_connection, make_task, make_user

WRITE: dict[str, Any] = {
    "trigger": "task_created",
    "actions": [{"type": "generate_content", "params": {"approve_outline": True}}],
}


class Killed(BaseException):
    """The worker is gone."""


class Trial:
    """One task of 600 words, whose outline a person is asked about."""

    def __init__(self, machine: Machine, session: Session, account: Account, sector: Sector) -> None:
        self.machine, self.session, self.account, self.sector = machine, session, account, sector
        self.model = machine.model = ArticleModel(sections=3)
        make_ai_connection(session, account)
        self.user: User = make_user(session, account, name="Ann")
        self.rule = machine.make_rule(account, **WRITE)
        self.tasks = [self.task()]

    def task(self) -> int:
        return make_task(self.session, self.sector, word_count=600, main_keyword="oak table").id

    def run(self) -> ScheduledTask:
        return self.machine.run_now(self.rule, record_ids=self.tasks)

    def answer(
        self,
        run: ScheduledTask,
        *,
        approved: bool = True,
        question: int | None = None,
        note: str = "",
        outline: dict[str, Any] | None = None,
    ) -> None:
        self.session.refresh(run)
        first = person_questions.open_questions(self.session, run)
        wanted = question or first[0].id
        given = Answer(wanted, "approve" if approved else "decline", note, outline=outline)
        actor = AuditActor(self.user.id)
        person_questions.answer(self.session, run, given, self.user, actor, self.machine.now)
        self.session.commit()

    def settle(self, run: ScheduledTask) -> None:
        self.machine.settle()
        self.session.refresh(run)

    def articles(self) -> int:
        return self.session.scalar(select(func.count()).select_from(Content)) or 0

    def charges(self) -> list[int]:
        return list(self.session.scalars(select(CreditEntry.amount).where(CreditEntry.kind == "charge")))


@pytest.fixture
def trial(machine: Machine, session: Session, account: Account, sector: Sector) -> Trial:
    return Trial(machine, session, account, sector)


def test_the_run_waits_without_holding_anything_and_goes_on_when_answered(trial: Trial) -> None:
    run = trial.run()
    assert (run.status, run.waiting_for) == (Status.PENDING, Waiting.PERSON)
    assert (trial.account.credits_held, run.lease_token, len(trial.model.keys)) == (0, None, 1)
    trial.machine.pass_time(days=3)
    trial.settle(run)
    assert (run.waiting_for, len(trial.model.keys)) == (Waiting.PERSON, 1)
    trial.answer(run)
    trial.settle(run)
    assert (run.status, trial.articles(), trial.charges()) == (Status.COMPLETED, 1, [-6])
    assert len(trial.model.keys) == len(set(trial.model.keys)) == 6
    assert trial.machine.breaches() == []


def test_an_answer_is_given_once_and_to_the_question_that_was_shown(trial: Trial) -> None:
    run = trial.run()
    (question,) = person_questions.open_questions(trial.session, run)
    with pytest.raises(Conflict):
        trial.answer(run, question=question.id + 1)
    trial.answer(run)
    for approved in (True, False):
        with pytest.raises(Conflict, match="any more"):
            trial.answer(run, question=question.id, approved=approved)
    trial.settle(run)
    assert (run.status, trial.articles()) == (Status.COMPLETED, 1)


def test_a_declined_outline_ends_the_run_and_its_retry_plans_a_new_one(trial: Trial) -> None:
    run = trial.run()
    trial.answer(run, approved=False, note="More on care")
    trial.settle(run)
    assert (run.status, run.credits_used, trial.articles()) == (Status.FAILED, 0, 0)
    assert "Ann declined the outline: “More on care”" in run.error_message
    commands.retry(trial.session, run, trial.machine.now)
    trial.settle(run)
    assert (run.status, run.waiting_for) == (Status.PENDING, Waiting.PERSON)
    assert trial.model.asked[-1][1].facts["wishes"] == ["More on care"]
    trial.answer(run)
    trial.settle(run)
    assert (run.status, trial.articles()) == (Status.COMPLETED, 1)


def test_the_article_is_written_by_the_outline_as_the_person_has_changed_it(trial: Trial) -> None:
    run = trial.run()
    (question,) = person_questions.open_questions(trial.session, run)
    assert question.outline is not None
    kept = question.outline["sections"][0]
    sections = [{"heading": kept["heading"], "points": ["As the person says"]}, {"heading": "Care and oil"}]
    with pytest.raises(Invalid, match="1 to 20 sections"):
        trial.answer(run, outline={"sections": []})
    trial.session.rollback()
    trial.answer(run, outline={"sections": sections})
    trial.settle(run)
    assert (run.status, trial.articles()) == (Status.COMPLETED, 1)
    html = trial.session.scalars(select(Content.html)).one()
    assert "Care and oil" in html
    sections = [prompt.facts["section"] for _key, prompt in trial.model.asked if "section" in prompt.facts]
    planned = {section["heading"]: section for section in sections}
    assert planned[kept["heading"]]["points"] == ["As the person says"]
    assert planned[kept["heading"]]["keywords"] == kept["keywords"]


def test_after_seven_days_the_run_fails_with_a_sentence_and_a_retry_asks_again(trial: Trial) -> None:
    run = trial.run()
    (question,) = person_questions.open_questions(trial.session, run)
    trial.machine.pass_time(days=7, seconds=1)
    with pytest.raises(Conflict, match="time to answer is over"):
        trial.answer(run)
    trial.session.rollback()
    trial.settle(run)
    assert (run.status, run.credits_used) == (Status.FAILED, 0)
    assert "Nobody approved the outline within 7 days" in run.error_message
    commands.retry(trial.session, run, trial.machine.now)
    trial.settle(run)
    (again,) = person_questions.open_questions(trial.session, run)
    assert (again.id != question.id, len(trial.model.keys)) == (True, 1)


def test_it_waits_for_credits_when_they_are_gone_meanwhile(trial: Trial) -> None:
    run = trial.run()
    had, trial.account.credits_balance = trial.account.credits_balance, 2
    trial.answer(run)
    trial.settle(run)
    assert (run.status, run.waiting_for) == (Status.PENDING, Waiting.CREDITS)
    trial.account.credits_balance = had
    trial.settle(run)
    assert run.status == Status.COMPLETED


def test_each_article_of_a_run_is_asked_about_and_the_rule_goes_on_meanwhile(trial: Trial) -> None:
    trial.tasks.append(trial.task())
    run = trial.run()
    first, second = person_questions.open_questions(trial.session, run)
    assert "1 more waits for an answer too" in run.error_message
    trial.answer(run, question=second.id)
    trial.settle(run)
    assert (run.waiting_for, trial.articles()) == (Waiting.PERSON, 1)
    trial.answer(run, question=first.id)
    trial.settle(run)
    assert (run.status, trial.articles(), trial.charges()) == (Status.COMPLETED, 2, [-6, -6])


def test_a_waiting_run_can_be_cancelled(trial: Trial) -> None:
    run = trial.run()
    commands.cancel(trial.session, run, trial.machine.now)
    trial.settle(run)
    assert (run.status, run.waiting_for, run.credits_used) == (Status.FAILED, None, 0)
    assert person_questions.open_questions(trial.session, run) == []


@pytest.mark.parametrize("end", ["-p1", "-p4", "-p7"])
def test_a_worker_killed_before_or_after_the_answer_repeats_one_part(trial: Trial, end: str) -> None:
    def die(_prompt: Prompt) -> Any:
        raise Killed

    trial.model.says[end] = die
    if end == "-p1":
        with pytest.raises(Killed):
            trial.run()
        trial.session.rollback()
        rescue(trial)
    else:
        run = trial.run()
        trial.answer(run)
        with pytest.raises(Killed):
            trial.machine.settle()
        trial.session.rollback()
        rescue(trial)
    run = trial.session.scalars(select(ScheduledTask)).one()
    if run.waiting_for == Waiting.PERSON:
        trial.answer(run)
        trial.settle(run)
    assert (run.status, trial.articles(), trial.charges()) == (Status.COMPLETED, 1, [-6])
    assert len(trial.model.keys) == 7
    assert trial.session.scalar(select(func.count()).select_from(UnitPart)) == 0
    assert trial.machine.breaches() == []


def rescue(trial: Trial) -> None:
    trial.machine.pass_time(minutes=10)
    recovery.rescue(trial.machine.transaction, trial.machine.clock)
    trial.machine.settle()


def test_without_a_connection_nobody_is_asked(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    task = make_task(session, sector, word_count=600)
    run = machine.run_now(machine.make_rule(account, **WRITE), record_ids=[task.id])
    assert run.status == Status.COMPLETED
