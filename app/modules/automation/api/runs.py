"""REST: one run: its details, and all actions on it."""

from datetime import UTC, datetime

from flask import Response, url_for
from sqlalchemy import select

from app.business.accounts.models import Role
from app.business.automation.models import RuleVersion
from app.business.automation.run_models import RunAttempt, RunDetail, ScheduledTask
from app.business.automation.services.catalogue.actions.base import Action
from app.business.automation.services.catalogue.actions.registry import stored_actions
from app.business.automation.services.operations import bulk_retry, continuation
from app.business.automation.services.operations.undo import operation as undo
from app.business.automation.services.runs import commands, person_questions
from app.business.automation.services.runs.result import steps_json
from app.business.errors import Invalid, NotEnoughCredits
from app.business.planner.services.plain_text import clean_body, clean_line
from app.infrastructure.database import db
from app.modules.access import STARTING_RUNS, current_person, owned_or_404
from app.modules.api.bodies import Omittable
from app.modules.api.records import show
from app.modules.api.resource import (
    answer,
    entity_tag,
    json_of,
    require_present,
    saved,
)
from app.modules.automation.api.answers import (
    ContinuationShown,
    QuestionShown,
    RunWhole,
)
from app.modules.automation.api.blueprint import api
from app.modules.automation.api.serializers import (
    AnswerQuestion,
    AttemptShown,
    GoOn,
    OperationShown,
    RunShown,
)
from app.modules.gate.preconditions import if_match
from app.modules.run_actor import actor

LOOK_EVERY_SECONDS = 0.1


@api.call("GET", "/scheduled-tasks/<int:id>/", Role.VIEWER, answers={200: RunWhole}, if_match=True)
def get_run(id: int) -> Response:
    """One run, with its steps, attempts, checks, conditions and records."""
    return answer(_whole(owned_or_404(ScheduledTask, id)))


def _whole(run: ScheduledTask) -> RunWhole:
    """The run as GET returns it; its entity tag is a hash of this."""
    session = db.session()
    detail = session.scalars(select(RunDetail).where(RunDetail.run_id == run.id)).one()
    attempts = session.scalars(
        select(RunAttempt).where(RunAttempt.run_id == run.id).order_by(RunAttempt.number)
    )
    offer = continuation.offered(session, run, current_person().scope, datetime.now(UTC))
    more = {
        "steps": steps_json(session, run, _actions(run)),
        "attempts": [show(AttemptShown, attempt) for attempt in attempts],
        "gates": detail.gates,
        "trace": detail.trace,
        "records": detail.records,
        "questions": [_question(question) for question in person_questions.open_questions(session, run)],
        "go_on": show(ContinuationShown, offer) if offer else None,
    }
    return RunWhole.model_validate(show_run(run).model_dump() | more)


@api.call("POST", "/scheduled-tasks/<int:id>/retry/", STARTING_RUNS, answers={202: RunShown}, if_match=True)
def retry_run(id: int) -> Response:
    """Retry a failed run; finished units are not repeated."""
    run = _present_run(id)
    bulk_retry.retry_alone(db.session(), current_person().account, run, actor(), datetime.now(UTC))
    return saved(run_answer(run, 202))


@api.call("POST", "/scheduled-tasks/<int:id>/cancel/", STARTING_RUNS, answers={200: RunShown}, if_match=True)
def cancel_run(id: int) -> Response:
    """A pending run is skipped, a running one stops before its next record."""
    run = _present_run(id)
    commands.cancel(db.session(), run, datetime.now(UTC))
    return saved(run_answer(run))


@api.call(
    "POST", "/scheduled-tasks/<int:id>/undo/", Role.OPERATOR, answers={202: OperationShown}, if_match=True
)
def undo_run(id: int) -> Response:
    """Undo a run: archive what it made and nobody touched, give back statuses: 202 and the operation.

    Its result when it is done: what was archived and restored by type, and what stays with the reason. Credits stay
    spent.
    """
    operation = undo.begin_undo(db.session(), _present_run(id), actor(), datetime.now(UTC))
    response = answer(show(OperationShown, operation), 202)
    response.location = url_for(".get_operation", id=operation.id)
    return saved(response)


@api.call(
    "POST",
    "/scheduled-tasks/<int:id>/go-on/",
    STARTING_RUNS,
    answers={202: RunShown},
    errors=(NotEnoughCredits,),
    if_match=True,
)
def go_on(id: int, body: Omittable[GoOn]) -> Response:
    """Continue a chain of runs that waits for review, or work left over by an ended run: 202 and the run that
    continues it."""
    run = _present_run(id)
    following = continuation.go_on(db.session(), run, actor(), body.max_credits, datetime.now(UTC))
    return saved(run_answer(following, 202))


@api.call(
    "POST",
    "/scheduled-tasks/<int:id>/answer/",
    STARTING_RUNS,
    answers={200: RunShown},
    if_match=True,
)
def answer_run(id: int, body: AnswerQuestion) -> Response:
    """Answer a question of a run, once: with its first answer the run goes on.

    Only those who are asked may, and only to the version that they have seen.
    """
    run, person = _present_run(id), current_person()
    if missing := [name for name in ("question", "version", "answer") if not getattr(body, name)]:
        raise Invalid({name: ["Send it: the run's GET shows its questions."] for name in missing})
    given = person_questions.Answer(
        body.question or 0,
        clean_line(body.answer, "answer"),
        note=clean_body(body.note, "note", limit=2_000),
        version=clean_line(body.version, "version"),
        outline=body.outline,
    )
    person_questions.answer(db.session(), run, given, person.user, person.actor, datetime.now(UTC))
    db.session.refresh(run)
    return saved(run_answer(run))


def _question(asked: person_questions.Question) -> QuestionShown:
    return QuestionShown(
        id=asked.id,
        version=asked.version,
        text=asked.text,
        answers=asked.answers,
        who=asked.who,
        until=asked.until,
        step=asked.step,
        record=asked.record_id if asked.outline else None,
        outline=asked.outline,
    )


def _present_run(id: int) -> ScheduledTask:
    """The run to act on, in the state given by If-Match. Raises NotFound, Stale."""
    run = owned_or_404(ScheduledTask, id)
    if if_match():
        require_present(_whole(run))
    return run


def run_answer(run: ScheduledTask, status: int = 200) -> Response:
    """The run, with the tag of all its details."""
    return answer(show_run(run), status, version=entity_tag(json_of(_whole(run))))


def show_run(run: ScheduledTask) -> RunShown:
    """The run as lists have it."""
    return show(RunShown, run)


def _actions(run: ScheduledTask) -> list[Action]:
    """The actions in the rule version that the run was opened with."""
    definition = db.session.scalars(
        select(RuleVersion.definition).where(
            RuleVersion.rule_id == run.automation_rule_id, RuleVersion.version == run.rule_version
        )
    ).one()
    return stored_actions(definition["actions"])
