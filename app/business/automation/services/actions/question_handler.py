"""The handler that asks a person: its unit is done with the answer that lets the run go on, else left out."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.business.automation.services.actions.handler import Handlers, Work
from app.business.automation.services.actions.templates import fill
from app.business.automation.services.catalogue.actions.ask_person import ASK_PERSON, AskPerson
from app.business.automation.services.catalogue.actions.notify import recipients_of
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.runs import unit_parts
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.person_questions import (
    ANSWER,
    QUESTION,
    Answered,
    Asked,
    until_of,
    who_words,
)
from app.business.automation.services.runs.unit_parts import Part
from app.business.automation.services.runs.unit_receipts import Ask, Done, LeftOut, Unit
from app.business.automation.unit_models import UnitPart
from app.business.errors import Conflict
from app.business.writer.models import Content

MOST_SEEN = 100
"""Articles of a run whose change makes an answer outdated."""


@dataclass(frozen=True)
class AnswerOutcome:
    """What follows from an answer, or from none."""

    goes_on: bool
    message: str


class AskPersonWork(Work[JsonObject | AnswerOutcome | Conflict, AnswerOutcome]):
    """Asks once for the run; the question and its answer are parts of the unit until it is done."""

    def read(
        self, session: Session, context: RunContext, unit: Unit
    ) -> JsonObject | AnswerOutcome | Conflict | Ask:
        """The question to keep, or that it is open, or what its answer means."""
        params: AskPerson = unit.step.params
        kept = unit_parts.parts_of(session, context, unit)
        last = kept[-1] if kept else None
        if last is None:
            return _question(session, context, params)
        if last.kind == ANSWER:
            return _verdict(last)
        if last.kind == QUESTION and context.now < until_of(last):
            asked = Asked.model_validate(last.data)
            who = who_words(session, context.account.id, asked.who)
            message = f"Waits for an answer of {who}: “{asked.text}”"
            return Ask(message, until_of(last), tuple(asked.who))
        return _unanswered(params)

    def work(self, request: JsonObject | AnswerOutcome | Conflict, key: str) -> AnswerOutcome | Part:
        if isinstance(request, Conflict):
            raise request
        return request if isinstance(request, AnswerOutcome) else Part(QUESTION, request)

    def save(
        self, session: Session, context: RunContext, unit: Unit, answer: AnswerOutcome
    ) -> Done | LeftOut:
        return Done(message=answer.message) if answer.goes_on else LeftOut(f"{answer.message}.")

    def give_up(self, session: Session, context: RunContext, unit: Unit) -> None:
        """A retry asks anew."""
        unit_parts.forget(session, context, unit)


def _question(session: Session, context: RunContext, params: AskPerson) -> JsonObject:
    record_type, ids = context.run.record_type, context.detail.records or []
    asked = Asked(
        text=fill(session, context, params.question, record_type, ids),
        answers=params.answers,
        who=recipients_of(params.who),
        after_days=params.after_days,
        articles=ids[:MOST_SEEN] if record_type == Content.__tablename__ else [],
    )
    return asked.model_dump()


def _verdict(part: UnitPart) -> AnswerOutcome:
    said = Answered.model_validate(part.data)
    message = f"{said.name} answered “{said.answer}”{f': “{said.note}”' if said.note else ''}"
    ends = "" if said.approved else ", so what was to follow is not done"
    return AnswerOutcome(said.approved, message + ends)


def _unanswered(params: AskPerson) -> AnswerOutcome | Conflict:
    message = f"Nobody answered within {plural(params.after_days, 'day')}"
    match params.then:
        case "go_on":
            return AnswerOutcome(True, f"{message}, so the run went on as the rule says")
        case "stop":
            return AnswerOutcome(False, f"{message}, so what was to follow is not done")
    return Conflict(f"{message}. Retry the run to ask again.")


HANDLERS: Handlers = {ASK_PERSON.key: lambda _model: AskPersonWork()}
