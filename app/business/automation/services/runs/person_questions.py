"""Questions that runs ask people: the run waits for the answer, which is given once, or ends as its rule says."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Role, User
from app.business.accounts.services import audit_log
from app.business.accounts.services.audit_log import AuditActor
from app.business.accounts.services.notice_choices import NoticeKind
from app.business.accounts.services.notices import settle_notices_below
from app.business.automation.run_models import ScheduledTask, Status, Waiting
from app.business.automation.services.catalogue.actions.parameters import ROLES
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.unit_receipts import Ask
from app.business.automation.services.runs.waiting import wake_answered
from app.business.automation.unit_models import UnitPart
from app.business.errors import Conflict, Forbidden, Invalid
from app.business.outlets.services.notifying import Message, notify
from app.business.writer.models import Content
from app.business.writer.services.article_outline import checked_outline

ANSWER_WITHIN_DAYS = 7
"""Of an outline; other questions say how long they wait."""
APPROVE, DECLINE = "approve", "decline"
QUESTION, ANSWER = "question", "answer"
"""Kinds of parts of a unit. An answer is the part after its question: a second one would have the same number."""
OUTLINE_WHO = (Role.OPERATOR.value,)
CHANGED = "What the question is about was changed since you looked at it. Look at it again, then answer."


class Asked(BaseModel):
    """A question as it is kept. who: roles, and ids of people, who may answer · articles: ids of those it is about."""

    text: str
    answers: list[str]
    who: list[int | str]
    after_days: int
    articles: list[int]


class Answered(BaseModel):
    """An answer as it is kept. name: of who gave it · outline: the one that was approved, if it was changed."""

    answer: str
    approved: bool
    note: str
    name: str
    outline: JsonObject | None = None


@dataclass(frozen=True)
class Question:
    """A question that nobody has answered.

    number: of its part · version: of the question and of the articles it is about, which an answer names · answers:
    the first one lets the run go on · outline: that is to be approved, if it is one.
    """

    id: int
    step: int
    record_id: int
    number: int
    until: datetime
    version: str
    text: str
    answers: Sequence[str]
    who: Sequence[int | str]
    outline: JsonObject | None = None


@dataclass(frozen=True)
class Answer:
    """What a person answers to one question. version: that the person saw · outline: as the person has changed it."""

    question_id: int
    text: str
    note: str = ""
    version: str | None = None
    outline: JsonObject | None = None


def until_of(part: UnitPart) -> datetime:
    """When the time to answer is over."""
    days = part.data.get("after_days")
    return part.created_at + timedelta(days=days if isinstance(days, int) else ANSWER_WITHIN_DAYS)


def open_questions(session: Session, run: ScheduledTask) -> Sequence[Question]:
    """What the run waits to be told, in the order of its questions."""
    if run.status != Status.PENDING or run.waiting_for != Waiting.PERSON:
        return []
    last = (
        select(func.max(UnitPart.id))
        .where(UnitPart.account_id == run.account_id, UnitPart.run_id == run.id)
        .group_by(UnitPart.step, UnitPart.record_id)
    )
    rows = select(UnitPart).where(UnitPart.id.in_(last), UnitPart.kind == QUESTION).order_by(UnitPart.id)
    return [_question(session, row) for row in session.scalars(rows)]


def _question(session: Session, row: UnitPart) -> Question:
    place = row.id, row.step, row.record_id, row.number, until_of(row)
    if "sections" in row.data:
        text = f"Is the outline of “{row.data['title']}” right?"
        return Question(
            *place, _version(session, row, ()), text, (APPROVE, DECLINE), OUTLINE_WHO, outline=row.data
        )
    asked = Asked.model_validate(row.data)
    version = _version(session, row, asked.articles)
    return Question(*place, version, asked.text, asked.answers, asked.who)


def _version(session: Session, row: UnitPart, articles: Sequence[int]) -> str:
    # SQLite gives the id of a question that is gone to the next one.
    seen = [str(row.id), row.created_at.isoformat()]
    if articles:
        known = select(Content.id, Content.version).where(
            Content.account_id == row.account_id, Content.id.in_(articles)
        )
        seen += [f"{key}:{version}" for key, version in session.execute(known.order_by(Content.id))]
    return hashlib.sha256(" ".join(seen).encode()).hexdigest()[:16]


def may_answer(question: Question, user: User) -> bool:
    """Whether the person is one of those who are asked; owners always are."""
    role = Role(user.role)
    asked = (one == user.id if isinstance(one, int) else role.allows(Role(one)) for one in question.who)
    return role == Role.OWNER or (role.allows(Role.OPERATOR) and any(asked))


def answer(
    session: Session, run: ScheduledTask, given: Answer, user: User, actor: AuditActor, now: datetime
) -> None:
    """Give the answer to the question that was shown; the run goes on with it.

    Raises Conflict, Forbidden, or Invalid for an answer that cannot be given.
    """
    locked = select(ScheduledTask).where(ScheduledTask.id == run.id).with_for_update(key_share=True)
    run = session.scalars(locked.execution_options(populate_existing=True)).one()
    asked = open_questions(session, run)
    question = next((one for one in asked if one.id == given.question_id), None)
    if question is None:
        raise Conflict("Nobody waits for this answer any more: it was given, or the question has changed.")
    if now >= question.until:
        raise Conflict("The time to answer is over. Retry the run to be asked again.")
    if not may_answer(question, user):
        raise Forbidden(f"Only {who_words(session, run.account_id, question.who)} may answer this.")
    data = _checked(question, given, user)
    row = UnitPart(
        account_id=run.account_id,
        run_id=run.id,
        step=question.step,
        record_id=question.record_id,
        number=question.number + 1,
        key=f"r{run.id}-s{question.step}-{question.record_id}-p{question.number + 1}",
        attempt=run.attempt,
        kind=ANSWER,
        data=data.model_dump(exclude_none=True),
        created_at=now,
    )
    session.add(row)
    session.flush()
    said = {"answer": given.text, "approved": data.approved}
    audit_log.record(session, run.account_id, actor, "run.answered", run, said, now)
    if len(asked) == 1:
        settle_notices_below(session, run.account_id, _notice_key(run), now)
    wake_answered(session, run.id)


def _checked(question: Question, given: Answer, user: User) -> Answered:
    if given.text not in question.answers:
        raise Invalid({"answer": [f"Answer with one of: {', '.join(question.answers)}."]})
    if given.version is not None and given.version != question.version:
        raise Conflict(CHANGED)
    approved = given.text == question.answers[0]
    answered = Answered(answer=given.text, approved=approved, note=given.note, name=user.name or user.email)
    if given.outline is None:
        return answered
    if not question.outline:
        raise Invalid({"outline": ["This question is not about an outline. Leave it out."]})
    changed = checked_outline(given.outline, question.outline)
    if approved and changed != question.outline:
        answered.outline = changed
    return answered


def notify_asked(session: Session, context: RunContext, asks: Sequence[Ask]) -> None:
    """Tell those who may answer that the run waits for them."""
    who = list(dict.fromkeys(one for ask in asks for one in ask.who))
    roles = [Role(one) for one in who if isinstance(one, str)]
    message = Message(
        kind=NoticeKind.ATTENTION,
        level="warning",
        title=f"“{context.run.rule_name}” waits for an answer",
        body=context.run.error_message,
        role=min(roles, key=list(Role).index) if roles else None,
        people=tuple(one for one in who if isinstance(one, int)),
        key=_notice_key(context.run),
        rule_id=context.rule.id,
        run_id=context.run.id,
        site_id=context.run.site_id,
        path=f"/runs/{context.run.id}",
        label="Open the run",
    )
    notify(session, context.account.id, message, context.now)


def who_words(session: Session, account_id: int, who: Iterable[int | str]) -> str:
    """`editors and owners`, `Ann or Ben`: those who may answer."""
    asked = list(who)
    names = _names(session, account_id, [one for one in asked if isinstance(one, int)])
    return " or ".join(ROLES.get(one, one) if isinstance(one, str) else names[one] for one in asked)


def _names(session: Session, account_id: int, ids: Collection[int]) -> dict[int, str]:
    query = select(User.id, User.name, User.email).where(User.account_id == account_id, User.id.in_(ids))
    known = {key: name or email for key, name, email in session.execute(query)} if ids else {}
    return {one: known.get(one, f"person {one}") for one in ids}


def _notice_key(run: ScheduledTask) -> str:
    return f"asks-{run.id}"
