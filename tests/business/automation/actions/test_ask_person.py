"""A rule asks a person before it goes on: the run waits, is answered once by somebody who may, then acts or ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice, Role, User
from app.business.accounts.services.audit_log import AuditActor
from app.business.automation.run_models import ScheduledTask, Status, Waiting
from app.business.automation.services.actions import local_handlers
from app.business.automation.services.runs import commands, person_questions, recovery
from app.business.automation.services.runs.person_questions import Answer, Question
from app.business.automation.unit_models import UnitPart
from app.business.billing.models import CreditEntry
from app.business.errors import Conflict, Forbidden, Invalid, Refusal
from app.business.events import Origin
from app.business.outlets.mail_models import Mail
from app.business.planner.models import Idea, Sector
from app.business.writer.models import Content
from app.business.writer.services.content_edit import update_content
from tests.business.automation.machine import Machine
from tests.factories import make_cluster, make_content, make_user

IDEAS = {"type": "generate_ideas"}


class Killed(BaseException):
    """The worker is gone."""


class MortalMachine(Machine):
    """Dies right after its n-th transaction of a run."""

    dies_after = 0
    committed = 0

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        with super().transaction() as session:
            yield session
        self.committed += 1
        if self.committed == self.dies_after:
            raise Killed


@dataclass
class Trial:
    """A rule that asks, then has ideas made of a cluster."""

    machine: Machine
    session: Session
    account: Account
    sector: Sector
    owner: User
    operator: User
    editor: User

    def run(self, *, actions: list[Any] | None = None, **params: Any) -> ScheduledTask:
        ask = {"type": "ask_person", "params": {"question": "Go on with {name}?"} | params}
        rule = self.machine.make_rule(
            self.account, trigger="cluster_created", actions=[*(actions or [ask]), IDEAS]
        )
        return self.machine.run_now(rule, record_ids=[make_cluster(self.session, self.sector, name="Oak").id])

    def question(self, run: ScheduledTask) -> Question:
        (question,) = person_questions.open_questions(self.session, run)
        return question

    def answer(self, run: ScheduledTask, text: str = "Yes", user: User | None = None, **given: Any) -> None:
        self.session.refresh(run)
        asked, user = self.question(run), user or self.operator
        answer = Answer(asked.id, text, **given)
        person_questions.answer(self.session, run, answer, user, AuditActor(user.id), self.machine.now)
        self.session.commit()

    def settle(self, run: ScheduledTask) -> None:
        self.machine.settle()
        self.session.refresh(run)

    def state(self, run: ScheduledTask) -> tuple[str, str | None, bool]:
        """Status, what it waits for, and whether it has made ideas."""
        return run.status, run.waiting_for, bool(self.session.scalar(select(func.count(Idea.id))))

    def charges(self) -> list[int]:
        return list(self.session.scalars(select(CreditEntry.amount).where(CreditEntry.kind == "charge")))


@pytest.fixture
def trial(session: Session, account: Account, sector: Sector) -> Trial:
    roles = Role.OWNER, Role.OPERATOR, Role.EDITOR
    people = [make_user(session, account, role, name=role.title()) for role in roles]
    return Trial(MortalMachine(session), session, account, sector, *people)


def test_the_run_waits_without_holding_anything_and_acts_when_answered(trial: Trial) -> None:
    run = trial.run()
    assert trial.state(run) == (Status.PENDING, Waiting.PERSON, False)
    assert (trial.account.credits_held, run.lease_token) == (0, None)
    assert trial.question(run).text == "Go on with Oak?"
    assert "Waits for an answer of operators, editors and owners: “Go on with Oak?”" in run.error_message
    trial.machine.pass_time(days=6)
    trial.settle(run)
    assert trial.state(run) == (Status.PENDING, Waiting.PERSON, False)
    trial.answer(run, note="Fine")
    trial.settle(run)
    assert trial.state(run) == (Status.COMPLETED, None, True)
    assert "Operator answered “Yes”: “Fine”." in run.result["summary"]
    assert trial.charges() == [-5]
    assert trial.session.scalar(select(func.count(UnitPart.id))) == 0
    assert trial.machine.breaches() == []


def test_any_other_answer_ends_the_run_without_a_failure(trial: Trial) -> None:
    run = trial.run(answers=["Go", "Later", "Never"])
    trial.answer(run, "Later", note="Too soon")
    trial.settle(run)
    assert trial.state(run) == (Status.COMPLETED, None, False)
    ended = "Operator answered “Later”: “Too soon”, so what was to follow is not done."
    assert (run.result["summary"], run.result["notes"]) == (ended, [ended])
    assert (trial.charges(), trial.account.credits_held) == ([], 0)
    assert trial.machine.breaches() == []


@pytest.mark.parametrize(
    ("then", "ends", "said"),
    [
        ("fail", (Status.FAILED, None, False), "Nobody answered within 2 days. Retry the run to ask again."),
        ("stop", (Status.COMPLETED, None, False), "Nobody answered within 2 days, so what was to follow is not done."),
        ("go_on", (Status.COMPLETED, None, True), "Nobody answered within 2 days, so the run went on"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("on_error", ["stop", "continue"])
def test_without_an_answer_it_ends_as_the_rule_says(
    trial: Trial, then: str, ends: tuple[str, None, bool], said: str, on_error: str
) -> None:
    params = {"question": "Go on?", "after_days": 2, "then": then}
    run = trial.run(actions=[{"type": "ask_person", "params": params, "on_error": on_error}])
    trial.machine.pass_time(days=2, seconds=1)
    with pytest.raises(Conflict, match="time to answer is over"):
        trial.answer(run)
    trial.session.rollback()
    trial.settle(run)
    assert trial.state(run) == ends
    assert said in f"{run.error_message} {run.result['summary']}"


def test_a_retry_asks_again(trial: Trial) -> None:
    run = trial.run()
    first = trial.question(run)
    trial.machine.pass_time(days=8)
    trial.settle(run)
    commands.retry(trial.session, run, trial.machine.now)
    trial.settle(run)
    assert trial.state(run) == (Status.PENDING, Waiting.PERSON, False)
    assert trial.question(run).version != first.version
    trial.answer(run)
    trial.settle(run)
    assert trial.state(run) == (Status.COMPLETED, None, True)


def test_only_those_who_are_asked_may_answer_and_only_once(trial: Trial) -> None:
    viewer = make_user(trial.session, trial.account, Role.VIEWER)
    table: list[tuple[Any, list[User], list[User]]] = [
        ("operator", [trial.operator, trial.editor, trial.owner], [viewer]),
        ("editor", [trial.editor, trial.owner], [trial.operator, viewer]),
        (trial.operator.id, [trial.operator, trial.owner], [trial.editor, viewer]),
        ([viewer.id, "owner"], [trial.owner], [viewer, trial.operator, trial.editor]),
    ]
    for who, may, may_not in table:
        run = trial.run(who=who)
        question = trial.question(run)
        assert all(person_questions.may_answer(question, user) for user in may)
        for user in may_not:
            with pytest.raises(Forbidden, match=r"Only .* may answer this"):
                trial.answer(run, user=user)
            trial.session.rollback()
        with pytest.raises(Invalid, match="Answer with one of: Yes, No"):
            trial.answer(run, "Perhaps", may[0])
        trial.session.rollback()
        trial.answer(run, user=may[0])
        again, actor = Answer(question.id, "No"), AuditActor(may[0].id)
        with pytest.raises(Conflict, match="any more"):
            person_questions.answer(trial.session, run, again, may[0], actor, trial.machine.now)
        trial.session.rollback()
        trial.settle(run)
        assert run.status == Status.COMPLETED


def test_those_who_are_asked_are_told_until_somebody_has_answered(trial: Trial) -> None:
    for user in (trial.operator, trial.editor):
        user.email = f"{user.role}@asked.example"
    run = trial.run(who=[trial.operator.id, "owner"])
    told = select(Notice.user_id, Notice.role).where(Notice.run_id == run.id, Notice.read_at.is_(None))
    assert {tuple(row) for row in trial.session.execute(told)} == {
        (trial.operator.id, None),
        (None, Role.OWNER),
    }
    assert set(trial.session.scalars(select(Mail.address))) == {trial.owner.email}
    trial.answer(run)
    assert trial.session.execute(told).all() == []


def test_an_answer_counts_for_the_articles_as_they_were_seen(trial: Trial) -> None:
    content = make_content(
        trial.session, trial.sector, status="approved", html="<p>Old</p>", title="Oak tables"
    )
    rule = trial.machine.make_rule(
        trial.account,
        trigger="content_generated",
        actions=[
            {"type": "ask_person", "params": {"question": "Publish {title}?"}},
            {"type": "update_records", "params": {"note": "asked"}},
        ],
    )
    run = trial.machine.run_now(rule, record_ids=[content.id])
    seen = trial.question(run).version
    trial.session.refresh(content)
    origin = Origin(trial.account.id, user_id=trial.editor.id)
    update_content(trial.session, content, {"html": "<p>New</p>"}, origin=origin, now=trial.machine.now)
    trial.session.commit()
    with pytest.raises(Conflict, match="changed since you looked"):
        trial.answer(run, version=seen)
    trial.session.rollback()
    trial.answer(run, version=trial.question(run).version)
    trial.settle(run)
    assert run.status == Status.COMPLETED
    assert trial.session.scalars(select(Content.note)).one() == "asked"


def test_the_rule_goes_on_with_other_runs_meanwhile(trial: Trial) -> None:
    ask = {"type": "ask_person", "params": {"question": "Go on?"}}
    rule = trial.machine.make_rule(trial.account, trigger="cluster_created", actions=[ask, IDEAS])
    first = trial.machine.run_now(rule, record_ids=[make_cluster(trial.session, trial.sector).id])
    second = trial.machine.run_now(rule, record_ids=[make_cluster(trial.session, trial.sector).id])
    trial.answer(second)
    trial.settle(second)
    trial.session.refresh(first)
    assert (first.waiting_for, second.status) == (Waiting.PERSON, Status.COMPLETED)


def test_a_failure_after_which_the_rule_goes_on_does_not_keep_it_from_asking(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_given: Any) -> None:
        raise RuntimeError

    label = {"type": "update_records", "params": {"labels_add": ["oak"]}, "on_error": "continue"}
    ask = {"type": "ask_person", "params": {"question": "Go on?"}}
    with monkeypatch.context() as patched:
        patched.setattr(local_handlers.UpdateRecordsWork, "save", fail)
        run = trial.run(actions=[label, ask])
    assert trial.state(run) == (Status.PENDING, Waiting.PERSON, False)
    trial.answer(run)
    trial.settle(run)
    assert trial.state(run) == (Status.COMPLETED, None, True)


TRANSACTIONS = range(1, 40) if os.environ.get("TRIALS") == "full" else (6, 14, 22, 30)
"""After which the worker dies: each one of the run, or some before, at and after the answer."""


@pytest.mark.parametrize("text", ["Yes", "No"])
def test_a_worker_killed_after_any_transaction_asks_once_and_acts_once(trial: Trial, text: str) -> None:
    machine, killed = trial.machine, 0
    assert isinstance(machine, MortalMachine)
    for number in TRANSACTIONS:
        machine.committed, machine.dies_after = 0, number
        try:
            trial.run()
        except Killed:
            killed += rescue(trial)
        run = machine.runs()[-1]
        trial.answer(run, text)
        try:
            trial.settle(run)
        except Killed:
            killed += rescue(trial)
        machine.dies_after = 0
        trial.session.refresh(run)
        assert run.status == Status.COMPLETED, number
        assert f"answered “{text}”" in run.result["summary"]
    assert killed >= len(TRANSACTIONS) // 2
    assert trial.charges() == ([-5] * len(TRANSACTIONS) if text == "Yes" else [])
    assert trial.session.scalar(select(func.count(UnitPart.id))) == 0
    assert machine.breaches() == []


def rescue(trial: Trial) -> int:
    trial.session.rollback()
    trial.machine.pass_time(minutes=10)
    recovery.rescue(trial.machine.transaction, trial.machine.clock)
    trial.machine.settle()
    return 1


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"who": "viewer"}, "neither a role that may answer"),
        ({"who": "ann@example.com"}, "neither a role that may answer"),
        ({"who": 10**9}, "person 1000000000 was not found"),
        ({"answers": ["Yes", "yes"]}, "The answers must differ"),
        ({"answers": ["Yes, please"]}, "without a comma"),
        ({"answers": []}, ""),
        ({"after_days": 31}, ""),
        ({"then": "wait"}, ""),
        ({"question": "Is {nonsense} right?"}, "nonsense"),
    ],
)
def test_what_cannot_be_asked_is_refused_when_the_rule_is_saved(
    trial: Trial, params: dict[str, Any], said: str
) -> None:
    ask = {"type": "ask_person", "params": {"question": "Go on?"} | params}
    with pytest.raises(Refusal) as refused:
        trial.machine.make_rule(trial.account, trigger="cluster_created", actions=[ask, IDEAS])
    assert said in str(getattr(refused.value, "errors", refused.value))
