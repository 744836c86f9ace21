"""Questions that runs ask people: the run waits for the answer, which is given once, and fails without one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.services import audit_log
from app.business.accounts.services.audit_log import AuditActor
from app.business.automation.run_models import ScheduledTask, Status, UnitPart, Waiting
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.runs.waiting import wake_answered
from app.business.errors import Conflict

ANSWER_WITHIN = timedelta(days=7)
QUESTION, ANSWER = "question", "answer"
"""Kinds of parts of a unit. An answer is the part after its question: a second one would have the same number."""


@dataclass(frozen=True)
class Question:
    """A question that nobody has answered. number: of its part, the version that an answer must name."""

    id: int
    step: int
    record_id: int
    number: int
    data: JsonObject
    until: datetime


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
    return [
        Question(row.id, row.step, row.record_id, row.number, row.data, row.created_at + ANSWER_WITHIN)
        for row in session.scalars(rows)
    ]


def answer(
    session: Session,
    run: ScheduledTask,
    question_id: int,
    actor: AuditActor,
    *,
    approved: bool,
    note: str = "",
    name: str = "",
    now: datetime,
) -> None:
    """Give the answer to the question that was shown; the run goes on with it. Raises Conflict.

    name: of the person, for sentences.
    """
    locked = select(ScheduledTask).where(ScheduledTask.id == run.id).with_for_update(key_share=True)
    run = session.scalars(locked.execution_options(populate_existing=True)).one()
    question = next((one for one in open_questions(session, run) if one.id == question_id), None)
    if question is None:
        raise Conflict("Nobody waits for this answer any more: it was given, or the question has changed.")
    if now >= question.until:
        raise Conflict("The time to answer is over. Retry the run to be asked again.")
    row = UnitPart(
        account_id=run.account_id,
        run_id=run.id,
        step=question.step,
        record_id=question.record_id,
        number=question.number + 1,
        key=f"r{run.id}-s{question.step}-{question.record_id}-p{question.number + 1}",
        attempt=run.attempt,
        kind=ANSWER,
        data={"approved": approved, "note": note, "name": name},
        created_at=now,
    )
    session.add(row)
    session.flush()
    audit_log.record(session, run.account_id, actor, "run.answered", run, {"approved": approved}, now)
    wake_answered(session, run.id)
